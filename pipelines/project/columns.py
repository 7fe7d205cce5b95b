"""What a table says of itself: its form, its target, its key, and what should be asked about.

Every guess has a reason in words, because a person has to judge it. What can't be told from the
data is an error that names the option which says it. Nothing here writes a file.

Names of columns are compared in lower case, without accents, word by word (``customerID`` is
*customer* and *id*), with word lists in several languages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams, ParquetSource
from pipelines.core.settings import validate_section
from pipelines.core.tables import RESERVED
from pipelines.project.forms import Guess, Kind, Said, words_of

if TYPE_CHECKING:
    import pandas as pd


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SENSITIVE: Mapping[str, tuple[str, ...]] = {
    "sex": ("sex", "gender", "geschlecht", "sexe", "genre", "sexo", "genero", "sesso", "genere",
            "geslacht", "kon", "plec", "kjonn", "sukupuoli"),
    "age": ("age", "alter", "edad", "eta", "idade", "leeftijd", "alder", "wiek", "birth",
            "birthday", "birthdate", "dob", "geburtsdatum", "geburtsjahr", "geburtstag",
            "naissance", "nacimiento", "nascita", "geboortedatum", "yob"),
    "race": ("race", "ethnicity", "ethnic", "ethnie", "ethnizitat", "rasse", "raza", "etnia",
             "razza", "etniciteit", "hautfarbe", "skin", "raca"),
    "religion": ("religion", "religious", "faith", "konfession", "religione", "religiao",
                 "godsdienst", "confession", "denomination"),
    "nationality": ("nationality", "citizenship", "nationalite", "staatsangehorigkeit",
                    "nationalitat", "nacionalidad", "nazionalita", "nationaliteit", "foreign",
                    "herkunft", "citizen", "migration"),
    "marital status": ("marital", "familienstand", "matrimonial", "married", "spouse", "zivilstand",
                       "conjugal", "casado"),
    "disability": ("disability", "disabled", "behinderung", "handicap", "discapacidad",
                   "disabilita", "invalidite", "schwerbehindert"),
    "health": ("pregnant", "pregnancy", "schwanger", "enceinte", "embarazada", "diagnosis",
               "diagnose", "genetic"),
    "orientation": ("orientation", "lgbt", "lgbtq"),
    "politics": ("political", "politics", "partei", "politique"),
    "union": ("union", "gewerkschaft", "syndicat", "sindicato"),
}  # fmt: skip
"""What the law protects → words of columns' names (English, German, French, Spanish, …)."""

_SENSITIVE_VALUES: Mapping[str, tuple[frozenset[str], ...]] = {
    "sex": (
        _set("f female woman women frau weiblich w femme feminin mujer femenino donna "
            "vrouw kvinna girl femminile"),
        _set("m male man men mann mannlich homme masculin hombre masculino uomo h "
            "maschile boy"),
    ),
    "race": (
        frozenset(["white", "caucasian", "weiss", "blanc", "blanco"]),
        frozenset(["black", "african-american", "african american", "schwarz", "noir", "negro",
                   "afro-american"]),
    ),
    "religion": (
        _set("christian catholic protestant katholisch evangelisch catholique catolico"),
        _set("muslim jewish islam hindu buddhist none atheist judisch konfessionslos "
            "protestant evangelisch"),
    ),
}  # fmt: skip
"""What the law protects → sets of values, of each of which a column must have one."""

_MANY_VALUES = 12
_PERSON = _set("customer client person user member patient employee applicant subject "
              "kunde kunden person mitarbeiter benutzer mitglied patienten bewerber "
              "konto account personne utilisateur cliente persona paciente usuario "
              "borrower student household policyholder")  # fmt: skip
_KEY = _set("id ids uuid guid key code no nr num number nummer identifier kennung "
           "schlussel ident numero codigo")  # fmt: skip
_CONTACT = _set("email mail phone telephone telefon mobile handy address adresse "
               "strasse street iban ssn surname lastname firstname vorname nachname "
               "nom prenom apellido fullname")  # fmt: skip
_AFTER = _set("outcome result reason closed closing cancelled canceled cancellation "
             "terminated termination settled refunded collection recovery writeoff "
             "chargeoff kundigungsgrund grund ergebnis decision status")  # fmt: skip
_POSITIVE = _set("1 true t yes y ja j oui o si s sim wahr vrai verdadero positive pos")
_NEGATIVE = _set("0 -1 2 false f no n nein non nao falsch faux falso negative neg")
_NOT = ("no", "not", "non", "un", "kein", "nicht", "pas")
_SURE_MARKS = _set("? n/a n.a. #n/a null nan")
"""Texts that are no category of anything."""
_SENTINELS = (-9999, -999, -99, 9999, 99999, 999999)


@dataclass
class Table:
    """What is known of a table.

    Attributes
    ----------
    data : dict of str to object
        Section ``data`` of ``params.yaml``, as far as it was found out.
    frame : pandas.DataFrame
        The typed table, as ``ingest`` makes it.
    guesses : list of Guess
        In the order in which a person would read them.
    ignored : dict of str to str
        Column → why it is no input.
    sensitive : dict of str to str
        Column → what it seems to hold.
    suspects : dict of str to str
        Column → why it may be made after the outcome.
    bins : dict of str to list of int
        Numeric sensitive column → inner edges of groups.
    """

    data: dict[str, Any]
    frame: "pd.DataFrame"
    guesses: list[Guess] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    sensitive: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)
    bins: dict[str, list[int]] = field(default_factory=dict)

    @property
    def params(self) -> DataParams:
        """The section, typed."""
        return validate_section(Path("params.yaml"), self.data, DataParams, "data")


def inspect_table(
    name: str, source: Mapping[str, Any], said: Said, *, root: Path = Path()
) -> Table:
    """Read a table as ``ingest`` does, and find out what section ``data`` should say.

    Parameters
    ----------
    name : str
        Name of the data set.
    source : mapping of str to object
        Section ``data.source``.
    said : Said
        What needn't be found out.
    root : Path
        Directory that relative paths begin at.

    Returns
    -------
    Table

    Raises
    ------
    SignalboxError
        Naming the option that says what can't be found out.
    """
    import pandas as pd

    from pipelines.mlops.data.sources import read_files

    first: dict[str, Any] = {"name": name, "source": dict(source), "target": said.target or "?",
                             "positive": "?"}  # fmt: skip
    raw = pd.concat([part.frame for part in read_files(_typed(first), root)], ignore_index=True)
    columns = [str(column) for column in raw.columns]
    table = Table(first, raw)
    target = _target(raw, columns, said)
    first["target"] = target
    marks = _missing_marks(raw, table)
    if marks:
        first["missing_marks"] = marks
    _positive(raw, target, marks, said, table)
    _named(columns, said)
    _key(raw, target, said, table)
    _types(raw, table)
    for column in said.ignore:
        table.ignored.setdefault(column, "you said so")
    first["ignore"] = [column for column in columns if column in table.ignored]
    if said.after_outcome:
        first["after_outcome"] = list(said.after_outcome)
    _typed_table(raw, table)
    _sensitive(table)
    _leaks(table)
    return table


def _typed(data: Mapping[str, Any]) -> DataParams:
    return validate_section(Path("params.yaml"), dict(data), DataParams, "data")


def _texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
    from pipelines.mlops.data.types import as_text

    texts = as_text(column.astype(object) if column.dtype == "category" else column)
    return texts.str.strip()


def _target(raw: "pd.DataFrame", columns: Sequence[str], said: Said) -> str:
    import difflib

    if said.target is None:
        two = [name for name in columns if _distinct(raw[name], 3) == 2]
        hint = f"; with two values are {', '.join(two[:12])}" if two else ""
        raise SignalboxError(f"--target: say which column is to be predicted{hint}")
    if said.target not in columns:
        near = difflib.get_close_matches(said.target, columns, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SignalboxError(
            f"--target {said.target}: there is no such column; {hint}there are "
            f"{', '.join(columns[:40])}{', …' if len(columns) > 40 else ''}"
        )
    return said.target


def _distinct(column: "pd.Series[Any]", limit: int) -> int:
    try:
        head = column.dropna().head(2_000).unique()
        return len(head) if len(head) >= limit else int(column.nunique())
    except TypeError:  # lists and the like
        return 0


def _named(columns: Sequence[str], said: Said) -> None:
    for option, names in (("--ignore", said.ignore), ("--after-outcome", said.after_outcome)):
        for column in names:
            if column not in columns:
                raise SignalboxError(f"{option} {column}: there is no such column")


def _missing_marks(raw: "pd.DataFrame", table: Table) -> list[str]:
    """Find texts that mean "no value": between numbers any known mark, elsewhere sure ones."""
    import pandas as pd

    from pipelines.mlops.data.types import KNOWN_MARKS

    found: dict[str, list[str]] = {}
    for name in raw.columns:
        if raw[name].dtype not in ("str", "object") or _distinct(raw[name], 1) == 0:
            continue
        counts = _texts(raw[name]).dropna().value_counts()
        marks = [str(text) for text in counts.index if str(text).lower() in KNOWN_MARKS]
        if not marks:
            continue
        others = counts[~counts.index.isin(marks)]
        numbers = pd.to_numeric(others.index.to_series().str.replace(",", "."), errors="coerce")
        numeric = len(others) > 0 and bool(numbers.notna().all())
        for mark in marks:
            if numeric or mark.lower() in _SURE_MARKS:
                found.setdefault(mark, []).append(str(name))
    if found:
        shown = "; ".join(f"{mark!r} in {', '.join(names[:3])}" for mark, names in found.items())
        table.guesses.append(Guess("data.missing_marks", str(list(found)), shown))
    return list(found)


def _positive(
    raw: "pd.DataFrame", target: str, marks: Sequence[str], said: Said, table: Table
) -> None:
    """Find the label that counts as 1; several others become one."""
    texts = _texts(raw[target])
    counts = texts[~texts.isin(["", *marks])].dropna().value_counts()
    labels = sorted(map(str, counts.index))
    shown = ", ".join(f"{label!r} ({counts[label]:,} rows)" for label in labels[:8])
    if len(labels) < 2:
        raise SignalboxError(f"--target {target}: holds {shown or 'no value'} alone; name another")
    if said.positive is not None and said.positive not in labels:
        raise SignalboxError(
            f"--positive {said.positive}: '{target}' has no such label; it has {shown}"
        )
    if len(labels) > 20:
        raise SignalboxError(
            f"--target {target}: holds {len(labels)} values, and a target has two labels; name "
            "another column, or make one of two labels in the source"
        )
    positive = said.positive if said.positive is not None else _one_label(labels)
    if positive is None or (len(labels) > 2 and said.positive is None):
        merged = "; the others then count as one" if len(labels) > 2 else ""
        raise SignalboxError(
            f"--target {target}: holds {len(labels)} labels: {shown}; say which one counts as 1: "
            f"--positive LABEL{merged}"
        )
    rest = [label for label in labels if label != positive]
    if len(rest) > 1:
        other = f"not {positive}"
        table.data["replace"] = {target: dict.fromkeys(rest, other)}
        rest = [other]
    share = counts[positive] / counts.sum()
    why = "you said so" if said.positive is not None else "it reads like a yes"
    table.data["positive"] = positive
    table.guesses.append(Guess("data.positive", f"{target} = {positive}",
                               f"{why}; {share:.1%} of the rows"))  # fmt: skip
    both = f"{positive!r} or {rest[0]!r}"
    if said.favourable is not None:
        if said.favourable not in (positive, rest[0]):
            raise SignalboxError(f"--favourable {said.favourable}: is no label; there are {both}")
        table.data["favourable"] = said.favourable
    else:
        question = f"which label is good for the person: {both}? The audit needs it"
        table.guesses.append(Guess("data.favourable", "not filled in", question, asks=True))


def _one_label(labels: Sequence[str]) -> str | None:
    """Return the label that reads like a yes, if exactly one does."""
    low = {label.lower(): label for label in labels}
    if len(low) != 2:
        return None
    yes = [text for text in low if text in _POSITIVE]
    if (
        len(yes) == 1
        and all(text in yes or text in _NEGATIVE for text in low)
        and set(low) != {"1", "2"}
    ):
        return low[yes[0]]
    for text, label in low.items():
        others = {f"{word}{sign}{text}" for word in _NOT for sign in ("", " ", "-", "_")}
        if others & (set(low) - {text}):
            return label
    return None


def _key(raw: "pd.DataFrame", target: str, said: Said, table: Table) -> None:
    """Suggest the column that identifies a person; other keys are ignored."""
    if said.subject_key is not None and said.subject_key.lower() != "none":
        if said.subject_key not in raw.columns:
            raise SignalboxError(
                f"--subject-key {said.subject_key}: there is no such column; name one, or none"
            )
        table.data["subject_key"] = said.subject_key
        table.guesses.append(Guess("data.subject_key", said.subject_key, "you said so"))
        return
    table.data["subject_key"] = None
    keys = [] if said.subject_key else [name for name in map(str, raw.columns)
                                        if name != target and _is_key(raw[name], name)]  # fmt: skip
    people = [name for name in keys if _PERSON & set(words_of(name))]
    if not keys:
        twice = int(raw.astype(str).duplicated().sum())
        told = f"; {twice:,} rows repeat another" if twice else ""
        table.guesses.append(Guess("data.subject_key", "null", "no column names people: equal rows "
                                   f"count as one subject{told}"))  # fmt: skip
        return
    chosen = min(
        people or keys, key=lambda name: (len(words_of(name)), list(raw.columns).index(name))
    )
    distinct = int(raw[chosen].nunique())
    table.data["subject_key"] = chosen
    table.guesses.append(Guess("data.subject_key", chosen, f"{distinct:,} different values in "
                               f"{len(raw):,} rows, and a key's name"))  # fmt: skip


def _is_key(column: "pd.Series[Any]", name: str) -> bool:
    words = words_of(name)
    glued = words[-1] if words else ""
    named = bool(_KEY & set(words)) or (
        len(glued) > 3 and glued.endswith(("id", "nr")) and glued[:-2] in _PERSON
    )  # fmt: skip
    if not named or column.isna().any() or column.dtype == "float64":
        return False
    distinct = _distinct(column, 0) / max(len(column), 1)
    return distinct >= 0.99 or (bool(_PERSON & set(words)) and distinct >= 0.05)


_TEXT_LENGTH = 40
_NAMES_ROWS = 0.9


def _types(raw: "pd.DataFrame", table: Table) -> None:
    """Find columns that are no input as they stand: dates, lists, free text, contacts."""
    from pipelines.mlops.data.types import Findings, typed_column

    key, target = table.data["subject_key"], table.data["target"]
    for name in map(str, raw.columns):
        if name in (key, target):
            continue
        found = Findings()
        typed = typed_column(raw[name], name, _typed(table.data), found)
        problem = " ".join(found.problems)
        if " holds dates" in problem or " holds durations" in problem:
            what = "dates" if " holds dates" in problem else "durations"
            table.ignored[name] = (
                f"{what}: days that new rows don't share; as numbers: data.types, numeric"
            )
        elif "which no model reads" in problem:
            table.ignored[name] = "lists, structs or bytes: no model reads them"
        elif problem:
            _decide(name, problem, table)
        elif typed.notna().sum() == 0:
            table.ignored[name] = "empty"
        elif typed.nunique() == 1 and typed.notna().all():
            table.ignored[name] = "one value in every row"
        elif _CONTACT & set(words_of(name)) and typed.dtype == "str":
            table.ignored[name] = "names or reaches a person"
        elif typed.dtype == "str" and typed.nunique() >= _NAMES_ROWS * max(typed.notna().sum(), 50):
            long = float(typed.dropna().str.len().mean()) > _TEXT_LENGTH
            table.ignored[name] = (
                "free text" if long else "differs in nearly every row, as names do"
            )
        elif name.lower().startswith("unnamed"):
            table.ignored[name] = "without a name, as the row number that pandas writes"
        elif _is_key(raw[name], name):
            table.ignored[name] = "a key of its own; it teaches nothing about new rows"
        else:
            _sentinel(name, typed, table)


def _decide(name: str, problem: str, table: Table) -> None:
    """Take texts among numbers for categories; numbers of another country are errors."""
    if "no number where the decimal mark" in problem:
        raise SignalboxError(f"--decimal: {problem}")
    table.data.setdefault("types", {})[name] = "categorical"
    table.guesses.append(Guess(f"data.types.{name}", "categorical", problem, asks=True))


def _sentinel(name: str, column: "pd.Series[Any]", table: Table) -> None:
    """Ask about numbers such as -999 that stand far from all others."""
    if column.dtype == "str":
        return
    values = column.dropna()
    for mark in _SENTINELS:
        rest = values[values != mark]
        if len(rest) in (0, len(values)):
            continue
        low, high = float(rest.min()), float(rest.max())
        far = mark < low - (high - low) if mark < 0 else mark > high + (high - low)
        if far:
            table.guesses.append(Guess("data.missing_marks", f"{mark}?",
                f"column '{name}' holds it {len(values) - len(rest):,} times, far from its other "
                f"values: add \"{mark}\" if it means no value", asks=True))  # fmt: skip


def _typed_table(raw: "pd.DataFrame", table: Table) -> None:
    """Type the table as ``ingest`` will; its error is an error here."""
    from pipelines.mlops.data.columns import check_binary
    from pipelines.mlops.data.table import name_rows, typed

    data = table.params
    table.frame = name_rows(typed(raw, data), data)
    check_binary(table.frame, data, "--target")
    for column, why in table.ignored.items():
        table.guesses.append(Guess("data.ignore", column, why))


def _sensitive(table: Table) -> None:
    """Propose columns that the law protects; none is switched on."""
    frame, data = table.frame, table.params
    for name in map(str, frame.columns):
        if name in (data.target, data.subject_key) or name in RESERVED:
            continue
        if what := sensitive_kind(name, frame[name]):
            table.sensitive[name] = what
            numeric = frame[name].dtype != "str"
            if numeric and frame[name].nunique() > 6:
                table.bins[name] = _edges(frame[name])
            table.guesses.append(Guess("data.sensitive", name, f"looks like {what}; as long as it "
                "isn't listed it is not audited" + ("" if name in table.ignored else
                ", and the model sees it"), asks=True))  # fmt: skip


def sensitive_kind(name: str, column: "pd.Series[Any]") -> str | None:
    """Return what a column holds that the law protects, by its name or its values.

    Parameters
    ----------
    name : str
        The column's name.
    column : pandas.Series, shape (n,)
        Its typed values.

    Returns
    -------
    str or None
        A key of `SENSITIVE`.
    """
    words = set(words_of(name))
    for kind, known in SENSITIVE.items():
        if words & set(known):
            return kind
    if column.dtype != "str":
        return None
    values = {" ".join(words_of(str(value))) for value in column.dropna().unique()[:200]}
    if len(values) > _MANY_VALUES:
        return None
    for kind, sets in _SENSITIVE_VALUES.items():
        if len(values) > 1 and all(values & group for group in sets):
            return kind
    return None


def _edges(column: "pd.Series[Any]") -> list[int]:
    """Inner edges of groups: those of ages where they fit, else rounded quartiles."""
    ages = [edge for edge in (25, 45, 65) if column.min() < edge < column.max()]
    if len(ages) > 1:
        return ages
    return sorted({round(float(q)) for q in column.quantile([0.25, 0.5, 0.75])})


def _leaks(table: Table) -> None:
    """Propose columns that give the answer away or, by their names, come after the outcome."""
    from pipelines.core.params import ValidateParams
    from pipelines.mlops.data.leaks import check_columns

    data = table.params
    known = table.frame[table.frame[data.target].notna()]
    for check in check_columns(known, data, ValidateParams(suite="x").leak_auc):
        if check.decides_target:
            table.suspects[check.name] = (
                f"alone decides the target (ROC AUC {check.roc_auc:.3f}): made after it?"
            )
        elif check.names_rows and check.name not in table.ignored:
            table.ignored[check.name] = "differs in nearly every row, as a key does"
            table.data["ignore"].append(check.name)
            table.guesses.append(Guess("data.ignore", check.name, table.ignored[check.name]))
    stem = set(words_of(data.target)) - {"is", "has", "flag", "label", "target", "y"}
    for name in map(str, table.frame.columns):
        if name in (data.target, data.subject_key, *data.ignore, *data.after_outcome, *RESERVED):
            continue
        words = set(words_of(name))
        if name not in table.suspects and (words & _AFTER and words & stem):
            table.suspects[name] = "by its name it is filled in with the outcome"
    for name, why in table.suspects.items():
        table.guesses.append(Guess("data.after_outcome", name, why, asks=True))


def source_section(
    kind: Kind, paths: Iterable[str], watch: str, form: Mapping[str, Any]
) -> dict[str, Any]:
    """Return section ``data.source``.

    Parameters
    ----------
    kind : {"csv", "parquet"}
        Its kind.
    paths : iterable of str
        Files, as the project names them.
    watch : str
        File or folder whose change makes ``ingest`` run again.
    form : mapping of str to object
        More keys of `CsvSource`.

    Returns
    -------
    dict of str to object
    """
    section: dict[str, Any] = {"kind": kind, "paths": list(paths), "watch": watch, **form}
    model = CsvSource if kind == "csv" else ParquetSource
    validate_section(Path("params.yaml"), section, model, "data.source")
    return section

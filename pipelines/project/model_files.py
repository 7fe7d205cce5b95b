"""What ``init`` writes for a model: ``params.yaml``, a suite of expectations, ``release.yaml``.

Every key that is written has a comment; what isn't written has the default of its typed model.

Limits of the suite are wide on purpose: a rule is for what no month of the same source would do
(another unit, a shifted column, an emptied one), and what moves slowly is `drift`'s matter.

=====================  ==========================================================================
rule                   limit
=====================  ==========================================================================
rows                   half to ten times as many
columns                all are there; more may come
numbers                the range seen, widened by its whole width on both sides, and rounded
                       outwards to two digits, so that no single person's value stands in a file
mean of numbers        one standard deviation to both sides: another unit or another population
missing values         upper Wilson bound (99.9 %) of the share seen, doubled; 5 points at least
values of texts        those that at least `min_cell` rows have; the others' share (which estimates
                       the share of values never seen, Good 1953), doubled, at least 5 points
key that is unique     nine tenths of the share of different values seen
=====================  ==========================================================================
"""

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.settings import NOT_FILLED_IN
from pipelines.core.tables import RESERVED
from pipelines.project.columns import Table

if TYPE_CHECKING:
    import pandas as pd

MAX_VALUES = 50
"""Text columns with more different values get no list of them."""
MAX_PROFILED = 150
"""Wider tables get rules on missing values and ranges of so many columns."""
SLACK = 0.05
"""Least share of rows beside what was seen."""
_Z = 3.2905267314918945
"""Quantile of the normal distribution for 99.9 %, two-sided."""
_LEAST = 1e-200
SMALL = 1_000
"""With fewer rows of the rarer label, isotonic calibration overfits (Niculescu-Mizil 2005)."""


def inline(value: Any) -> str:
    """Write a value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def suite(table: Table, name: str) -> str:
    """Profile a table into a suite of Great Expectations.

    Parameters
    ----------
    table : Table
        What was found out.
    name : str
        Name of the suite.

    Returns
    -------
    str
        JSON, one rule a line.
    """
    frame, data = table.frame, table.params
    rows = len(frame)
    names = [str(column) for column in frame.columns if column not in RESERVED]
    rules = [
        _rule("expect_table_row_count_to_be_between", "stop",
              "half to ten times the rows of the first table",
              "fewer or more rows mean that the source delivered a part, or delivered twice",
              min_value=max(rows // 2, 1), max_value=rows * 10),
        _rule("expect_table_columns_to_match_set", "stop", "every column is there",
              "a column that is missing was renamed or lost", column_set=names, exact_match=False),
        _rule("expect_column_values_to_be_in_set", "quarantine", f"{data.target} is a known label",
              "another label means that the source changed", column=data.target,
              value_set=sorted(map(str, frame[data.target].dropna().unique()))),
    ]  # fmt: skip
    key = data.subject_key
    if key is not None and (share := frame[key].nunique() / rows) > 0.5:
        rules.append(_rule(
            "expect_column_proportion_of_unique_values_to_be_between", "stop",
            f"{key} hardly repeats", "a source that delivers its rows twice is noticed here",
            column=key, min_value=math.floor(90 * share) / 100))  # fmt: skip
    unused = {data.target, key, *data.ignore}
    for column in [name for name in names if name not in unused][:MAX_PROFILED]:
        rules += _column_rules(frame[column], column, data.min_cell)
    lines = ",\n".join(f"    {json.dumps(rule, ensure_ascii=False)}" for rule in rules)
    about = (
        f"Profiled by signalbox init from {rows:,} rows of {data.name}, with slack: make it yours."
    )
    meta = json.dumps({"about": about}, ensure_ascii=False)
    return (
        f'{{\n  "name": {json.dumps(name)},\n  "meta": {meta},\n  "expectations": [\n{lines}\n'
        "  ]\n}\n"
    )


def _rule(kind: str, action: str, title: str, reason: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs,
            "meta": {"title": title, "action": action, "reason": reason}}  # fmt: skip


def _column_rules(column: "pd.Series[Any]", name: str, least: int) -> list[dict[str, Any]]:
    rules = []
    rows, missing = len(column), int(column.isna().sum())
    allowed = allowed_share(missing, rows)
    if allowed < 0.9:
        rules.append(_rule("expect_column_values_to_not_be_null", "stop",
                           f"{name} is there in most rows",
                           f"{missing / rows:.1%} lack it in the first table; far more means that "
                           "the source lost it",
                           column=name, mostly=_down(1 - allowed)))  # fmt: skip
    present = column.dropna()
    if present.empty:
        return rules
    if column.dtype == "str":
        counts = present.value_counts()
        if len(counts) <= MAX_VALUES:
            known = counts[counts >= max(least, 1)]
            strange = allowed_share(int(counts.sum() - known.sum()), len(present))
            if len(known) > 0 and strange < 0.5:
                rules.append(_rule("expect_column_values_to_be_in_set", "stop",
                                   f"{name} has mostly known values",
                                   "many new values mean that the source changed its codes",
                                   column=name, value_set=sorted(map(str, known.index)),
                                   mostly=_down(1 - strange)))  # fmt: skip
        return rules
    low, high = widened(float(present.min()), float(present.max()))
    rules.append(_rule("expect_column_values_to_be_between", "quarantine",
                       f"{name} is {low:g} to {high:g}",
                       "twice the range of the first table; beyond it, an error of entry is likely",
                       column=name, min_value=low, max_value=high))  # fmt: skip
    mean, spread = float(present.mean()), float(present.std())
    if len(present) >= 50 and spread > 0:
        rules.append(_rule("expect_column_mean_to_be_between", "stop",
                           f"the mean of {name} stays within one standard deviation",
                           "a mean outside means another unit or another population",
                           column=name, min_value=_outward(mean - spread, down=True, digits=3),
                           max_value=_outward(mean + spread, down=False, digits=3)))  # fmt: skip
    return rules


def _down(share: float) -> float:
    return math.floor(1000 * share) / 1000


def allowed_share(count: int, rows: int) -> float:
    """Return the share of rows that may do what `count` of `rows` do.

    The upper Wilson bound at 99.9 %, doubled, at least `SLACK` more than it.

    Parameters
    ----------
    count, rows : int
        What was seen.

    Returns
    -------
    float
        At most 1.
    """
    share = count / rows
    middle = share + _Z * _Z / (2 * rows)
    spread = _Z * math.sqrt(share * (1 - share) / rows + _Z * _Z / (4 * rows * rows))
    upper = (middle + spread) / (1 + _Z * _Z / rows)
    return min(max(2 * upper, upper + SLACK), 1.0)


def widened(low: float, high: float) -> tuple[float, float]:
    """Widen a range by its own width on both sides, rounded outwards to two digits.

    What was never negative stays so, and what was never positive.

    Parameters
    ----------
    low, high : float
        Smallest and largest value seen.

    Returns
    -------
    tuple of two float
    """
    width = high - low or max(abs(high), 1.0)
    down, up = _outward(low - width, down=True), _outward(high + width, down=False)
    return (0.0 if low >= 0 else down), (0.0 if high <= 0 and low < 0 else up)


def _outward(value: float, *, down: bool, digits: int = 2) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    if abs(value) < _LEAST:
        return -_LEAST if value < 0 and down else _LEAST if value > 0 and not down else 0.0
    scale = 10.0 ** (digits - 1 - math.floor(math.log10(abs(value))))
    rounded = (math.floor if down else math.ceil)(value * scale) / scale
    return float(f"{rounded:.{digits}g}")


def tolerance(table: Table) -> float:
    """Return how far a part's share of rows may be off: four standard deviations of the split.

    A subject goes to a part by a hash, so a part's share has the variance p (1 - p) Σ wᵢ², with wᵢ
    each subject's share of the rows.

    Parameters
    ----------
    table : Table
        What was found out.

    Returns
    -------
    float
        In hundredths, at least 0.02.
    """
    from pipelines.core.tables import SUBJECT

    weights = table.frame[SUBJECT].value_counts() / len(table.frame)
    spread = math.sqrt(0.7 * 0.3 * float((weights**2).sum()))
    return min(max(0.02, math.ceil(400 * spread) / 100), 0.5)


def params_text(table: Table, suite_name: str) -> str:
    """Write the sections of ``params.yaml`` for a model.

    Parameters
    ----------
    table : Table
        What was found out.
    suite_name : str
        ``expectations/<suite_name>.json``.

    Returns
    -------
    str
        YAML, with a comment at every key.
    """
    return "\n".join(
        (_HEAD, _data(table), _stages(table, suite_name), _gate(table), _report(table))
    )


_HEAD = """\
# Inputs of the stages: a changed value runs the stages that read it again. What isn't here has its
# default, and an unknown key is an error. Every key with type and default: docs/params.md of
# Signalbox. Who approves, and how long things are kept, stands in release.yaml.
"""

_SOURCE_SAYS = {
    "kind": "csv | parquet | sql",
    "paths": "read in order; local paths, globs, or addresses such as s3://…",
    "watch": "file or folder whose change makes ingest run again",
    "delimiter": "one character",
    "decimal": "decimal mark of numbers",
    "thousands": "mark between groups of three digits",
    "encoding": "text encoding",
    "columns": "names, because the file has no header line",
}


def _data(table: Table) -> str:
    data = table.data
    lines = [
        "data:",
        f"  name: {inline(data['name'])}  # short name of the data set, in reports and registry",
        "  source:",
        *(
            f"    {key}: {inline(value)}  # {_SOURCE_SAYS[key]}"
            for key, value in data["source"].items()
        ),
        f"  target: {inline(data['target'])}  # column to predict; has exactly two labels",
        f"  positive: {inline(data['positive'])}  # the label that counts as 1",
        *_favourable(table),
    ]
    if "replace" in data:
        lines.append(f"  replace: {inline(data['replace'])}  # column -> {{value in the source: "
                     "value to use}: two labels of several")  # fmt: skip
    key = data["subject_key"]
    lines.append(f"  subject_key: {inline(key)}  # column that identifies a person; "
                 + ("one person's rows are never on two sides of the split" if key else
                    "null = equal rows count as one subject"))  # fmt: skip
    if data.get("missing_marks"):
        lines.append(f"  missing_marks: {inline(data['missing_marks'])}  # texts that mean "
                     "\"no value\", beside empty fields")  # fmt: skip
    if data.get("types"):
        lines.append(
            f"  types: {inline(data['types'])}  # numeric | categorical, where it isn't as inferred"
        )
    lines += _ignored(table) + _after_outcome(table) + _sensitive(table)
    return "\n".join(lines) + "\n"


def _favourable(table: Table) -> list[str]:
    labels = sorted(map(str, table.frame[table.data["target"]].dropna().unique()))
    said = table.data.get("favourable")
    asked = "" if said is not None else f"QUESTION: {' or '.join(map(inline, labels))}? "
    return [f"  favourable: {inline(said)}  # {asked}the label that is good for the person; "
            "needed as soon as sensitive names a column"]  # fmt: skip


def _ignored(table: Table) -> list[str]:
    if not table.ignored:
        return ["  ignore: []  # columns that never are model inputs"]
    return ["  ignore:  # columns that never are model inputs",
            *(f"    - {inline(name)}  # {why}" for name, why in table.ignored.items())]  # fmt: skip


def _after_outcome(table: Table) -> list[str]:
    said = [str(name) for name in table.data.get("after_outcome", [])]
    lines = [
        f"  after_outcome: {inline(said)}  # columns filled in after the outcome; never inputs"
    ]
    if table.suspects:
        lines.append(
            "  # QUESTION: is one of these filled in after the outcome? Then list it above:"
        )
        lines += [f"  #   {inline(name)}: {why}" for name, why in table.suspects.items()]
    return lines


def _sensitive(table: Table) -> list[str]:
    if not table.sensitive:
        return [
            "  sensitive: {}  # columns audited for bias, such as sex: {}; then no model inputs"
        ]
    lines = ["  # QUESTION: audit these? Uncomment, answer favourable: then they are no inputs.",
             "  # As long as they are comments, nothing is audited, and the model sees them.",
             "  # sensitive:"]  # fmt: skip
    for name, what in table.sensitive.items():
        bins = f"{{bins: {table.bins[name]}}}" if name in table.bins else "{}"
        lines.append(f"  #   {inline(name)}: {bins}  # {what}")
    return lines


def _stages(table: Table, suite_name: str) -> str:
    counts = table.frame[table.data["target"]].value_counts()
    rarer, share = int(counts.min()), float(counts.min() / counts.sum())
    calibration = "sigmoid" if rarer < SMALL else "isotonic"
    rule = "max_accuracy" if share >= 0.2 else "max_f1"
    slack = tolerance(table)
    return f"""\
validate:
  suite: {inline(suite_name)}  # expectations/<suite>.json, profiled from the first table
  max_quarantined_share: 0.02  # more than this share of rows in quarantine stops the run

split:
  tolerance: {slack}  # largest difference between wanted (70, 15, 15 %) and actual share of rows

train:
  calibration: {calibration}  # isotonic | sigmoid | none; sigmoid below {SMALL:,} rows of a label
  threshold:
    rule: {rule}  # max_accuracy | max_f1 | min_cost | selection_rate | fixed

evaluate:
  slices: []  # columns whose values are reported apart, beside sensitive ones

bias_audit:
  replicates: 1000  # bootstrap replicates of every interval

drift:
  column_threshold: 0.1  # a column counts as drifted at or above this distance
"""


def _gate(table: Table) -> str:
    counts = table.frame[table.data["target"]].value_counts(normalize=True)
    guess = -sum(float(p) * math.log(float(p)) for p in counts)
    lines = [
        "gate:",
        "  # A check that fails asks for on_fail (reject, or review); an interval that straddles",
        "  # the threshold asks for a review. The worst decides. Make thresholds and owners yours.",
        "  checks:",
    ]
    for check in checks(guess):
        first = True
        for key, value in check.items():
            comment = f"  # {_CHECK_SAYS[key]}" if check["id"] == "quarantine" else ""
            lines.append(f"    {'- ' if first else '  '}{key}: {inline(value)}{comment}")
            first = False
    if table.sensitive:
        lines += [
            "    # QUESTION: what may differ between groups? For each column under data.sensitive:"
        ]
        for name in table.sensitive:
            for key, value in _fairness_check(name).items():
                lines.append(f"    # {'- ' if key == 'id' else '  '}{key}: {inline(value)}")
    return "\n".join(lines) + "\n"


_CHECK_SAYS = {
    "id": "unique name of the check",
    "protects": "what it is there for",
    "figure": "figure in the evidence: stage.name, of your own stages too",
    "compare": "at_least | at_most | not_worse_than_released",
    "threshold": "the number that the figure's interval is compared with",
    "on_fail": "reject (the default) | review",
    "owner": "who answers for this check",
    "reason": "why this threshold",
}
_UNOWNED = NOT_FILLED_IN


def checks(baseline_log_loss: float) -> list[dict[str, Any]]:
    """Return a policy for a model that nobody knows yet.

    Parameters
    ----------
    baseline_log_loss : float
        Nats that always answering the base rate costs: the entropy of the labels.

    Returns
    -------
    list of dict
        Checks, as ``gate.checks`` has them.
    """

    def check(  # noqa: PLR0917  (a table, row by row)
        name: str, figure: str, compare: str, threshold: float, protects: str, reason: str,
        on_fail: str = "reject",
    ) -> dict[str, Any]:  # fmt: skip
        failing = {} if on_fail == "reject" else {"on_fail": on_fail}
        return {"id": name, "protects": protects, "figure": figure, "compare": compare,
                "threshold": threshold, **failing, "owner": _UNOWNED, "reason": reason}  # fmt: skip

    return [
        check("quarantine", "validate.quarantined_share", "at_most", 0.01,
              "the data is what the rules say",
              "engineering judgement; many broken rows mean the source changed"),
        check("leakage", "validate.leaking_columns", "at_most", 0,
              "no column gives the answer away",
              "a column that decides the target alone was made from it, or after it"),
        check("identifiers", "validate.identifier_columns", "at_most", 0,
              "no model input merely numbers or names the rows",
              "a key teaches nothing that holds for new people", "review"),
        check("size", "split.test_rows", "at_least", 200, "what is judged can be judged",
              "engineering judgement; with 200 rows a share is known to 7 points", "review"),
        check("too_good", "evaluate.roc_auc", "at_most", 0.99,
              "a result that is too good to be true is looked at",
              "engineering judgement; several columns may leak together", "review"),
        check("beats_guessing", "evaluate.log_loss", "at_most",
              math.floor(1000 * baseline_log_loss) / 1000,
              "the model is better than always answering the base rate",
              "what the base rate of the first table costs (its entropy, nats)"),
        check("ranking", "evaluate.roc_auc", "at_least", 0.6, "the model separates the classes",
              "engineering judgement; 0.5 is a coin toss, 1 a perfect ranking", "review"),
        check("calibration", "evaluate.calibration_error", "at_most", 0.05,
              "a score of 0.7 means about 70 of 100",
              "engineering judgement; a score read as a probability may be off by 5 points",
              "review"),
        check("no_regression", "evaluate.delta_log_loss", "not_worse_than_released", 0.005,
              "the new model is not worse than the released one",
              "engineering judgement; paired on the same test rows"),
        check("drift", "drift.drifted_share", "at_most", 0.3,
              "training data looks like the data the model will meet",
              "engineering judgement; more than three columns in ten moved", "review"),
    ]  # fmt: skip


def _fairness_check(name: str) -> Mapping[str, Any]:
    plain = "".join(sign if sign.isalnum() else "_" for sign in name.lower()).strip("_")
    return {
        "id": f"impact_ratio_{plain}",
        "protects": f"no group of {name} fares at under four fifths of the best one's rate",
        "figure": f"bias_audit.worst_impact_ratio:{name}",
        "compare": "at_least",
        "threshold": 0.8,
        "owner": _UNOWNED,
        "reason": "four-fifths rule of thumb (29 CFR 1607.4 D), a screening figure",
    }


def _report(table: Table) -> str:
    data = table.data
    return f"""\
report:  # what stays "{NOT_FILLED_IN}" is red in the report
  data_set: {inline(data["name"])}  # data.name that this section is about
  title: {inline(f"Model of {data['target']}, {data['name']}")}  # first line of the report
  owner: {NOT_FILLED_IN}  # who answers for the model
  purpose: {NOT_FILLED_IN}  # what the model is for
  not_for: {NOT_FILLED_IN}  # what it must not be used for
  contact: {NOT_FILLED_IN}  # where questions go
"""


def release_text(
    name: str, sensitive: Mapping[str, str], products: Sequence[str]
) -> dict[str, str]:
    """Write the sections of ``release.yaml``, with blanks that stay red until they are filled in.

    Parameters
    ----------
    name : str
        ``data.name``.
    sensitive : mapping of str to str
        Column → what it seems to hold.
    products : sequence of str
        What the project is for: ``model``, ``rules``, ``telemetry``.

    Returns
    -------
    dict of str to str
        Section → its text.
    """
    released = {"model": "model_release", "rules": "alert_noise_reduction"}
    known = [released[product] for product in products if product in released]
    sections = {
        "approval": """\
approval:
  approvers: [admin]  # names as they log in to Airflow; nobody else's answer counts
""",
    }
    if known:
        sections["registry"] = "registry:\n  products:  # what is released here\n" + "".join(
            f"    {product}: {{}}  # artifacts, gate, pointer and report are its own\n"
            for product in known
        )
    if "model" in products:
        race = next((column for column, what in sensitive.items() if what == "race"), "")
        sex = next((column for column, what in sensitive.items() if what == "sex"), "")
        sections["privacy"] = f"""\
privacy:  # the Article 30 record; null stays red until you say it
  data_set: {inline(name)}  # data.name that these facts are about
  controller: null  # name and address of the controller
  contact: null  # controller and data protection officer
  legal_basis: null  # one of Art. 6(1): consent, contract, legal obligation, …
  data_subjects: null  # categories of people
  special_categories: null  # columns of Art. 9 (health, race, religion …); [] = none
  recipients: null  # categories of recipients; [] = nobody
  transfers: null  # third countries and safeguards; [] = none
  security: null  # measures beside those Signalbox shows itself; [] = none
  retention_days: {{}}  # store -> days: source, tables, models, predictions, …
"""
        sections["compliance"] = f"""\
compliance:  # null stays red until you say it; documents are paths in this project
  data_set: {inline(name)}  # data.name that this section is about
  sex: {inline(sex)}  # sensitive feature with sex, if there is one
  race: {inline(race)}  # sensitive feature with race or ethnicity, if there is one
  instructions: null  # document: instructions for use
  risks: null  # document: risks and measures (AI Act Art. 9)
  representative: null  # sentence: why the data stands for those the model meets (Art. 10(3))
  contest: null  # sentence: how a person gets a human to look (GDPR Art. 22(3))
"""
    return sections


def merged(before: str, texts: Sequence[str], file: Path) -> tuple[str, list[str]]:
    """Add sections to a YAML file; what stands there stays.

    Parameters
    ----------
    before : str
        The file as it is; empty = there is none.
    texts : sequence of str
        What is to be added, with comments; each begins with comments or a top-level key.
    file : Path
        Its name, for errors.

    Returns
    -------
    text : str
        The file as it should be. Sections that are new follow byte by byte; where a section is
        there already, keys that it lacks are added, and sources by their names.
    kept : list of str
        Keys that were to be written with another value, and stay.

    Raises
    ------
    SignalboxError
        If the file isn't a mapping.
    """
    from pipelines.core.settings import read_mapping

    known = (read_mapping(file) or {}) if before else {}
    kept: list[str] = []
    text = before
    for addition in texts:
        for section, block in _blocks(addition, with_head=not text):
            if section in known:
                text = _deepened(text, section, block, kept)
            else:
                text = f"{text.rstrip()}\n\n{block}" if text.strip() else block
                known[section] = None
    return text.rstrip() + "\n", kept


def _blocks(text: str, *, with_head: bool) -> list[tuple[str, str]]:
    """Cut a file into its sections; comments before the first belong to it, or are left out."""
    parts = re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE)
    head, sections = parts[0], parts[1:]
    found = [(part.split(":", 1)[0], part.rstrip() + "\n") for part in sections]
    if with_head and head.strip() and found:
        found[0] = (found[0][0], f"{head.rstrip()}\n\n{found[0][1]}")
    return found


def _deepened(text: str, section: str, block: str, kept: list[str]) -> str:
    """Add to one section the keys that it lacks, by ruamel, which keeps comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    old, new = yaml.load(text), yaml.load(block)
    if old[section] is None:
        old[section] = new[section]
    elif not _fill(old[section], new[section], section, kept):
        return text
    stream = io.StringIO()
    yaml.dump(old, stream)
    return stream.getvalue()


def _fill(old: Any, new: Any, path: str, kept: list[str]) -> bool:
    """Fill in what `old` lacks; return whether anything was."""
    changed = False
    for key, value in new.items():
        here = f"{path}.{key}"
        if key not in old:
            old[key] = value
            if key in new.ca.items:
                old.ca.items[key] = new.ca.items[key]
            changed = True
        elif isinstance(value, dict) and isinstance(old[key], dict):
            changed |= _fill(old[key], value, here, kept)
        elif key == "sources" and isinstance(old[key], list):
            names = {source.get("name") for source in old[key]}
            for source in value:
                if source["name"] not in names:
                    old[key].append(source)
                    changed = True
                elif source["name"] != "airflow" and source not in old[key]:
                    kept.append(f"{here}: {source['name']}")
        elif old[key] != value:
            kept.append(here)
    return changed

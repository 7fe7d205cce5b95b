"""What the compliance report says about personal data: Article 30, retention, minimisation."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipelines.core.artifacts import EVIDENCE, QUARANTINE
from pipelines.core.evidence import Evidence
from pipelines.core.params import DataParams, Params, SqlSource
from pipelines.core.settings import (
    OTHER_DATA,
    FactsAboutData,
    Name,
    Section,
    Unset,
    is_filled_in,
    not_filled_in,
)
from pipelines.mlops.compliance.gdpr import Privacy, RecordItem
from pipelines.mlops.privacy.source import local_files
from pipelines.reporting import numbers

Days = Annotated[int, Field(ge=1)]
Store = Literal[
    "source", "tables", "quarantine", "predictions", "models", "evidence", "runs", "cache"
]
TelemetryStore = Literal["telemetry", "results", "state"]
TelemetryPart = Literal[
    "alerts", "tickets", "changes", "metrics", "logs", "spans", "quarantine", "inbox", "results",
    "feedback", "state",
]  # fmt: skip
LegalBasis = Literal[
    "consent", "contract", "legal obligation", "vital interests", "public task",
    "legitimate interests",
]  # fmt: skip


class TelemetryPurpose(Section):
    """Why a table of telemetry is kept, and who answers for it."""

    owner: Unset[Name] = None
    """Person or team that answers for the table."""
    purpose: Unset[Name] = None
    """What it is processed for (GDPR Art. 30(1)(b))."""


@dataclass(frozen=True)
class HeldTelemetry:
    """A file or folder of telemetry that the deployment keeps.

    Attributes
    ----------
    store : {"telemetry", "results", "state"}
        Store with the limit.
    part : str
        Table of the lake, ``quarantine`` or ``inbox``; else the store's name.
    path : str
        As it is shown.
    day : datetime.date
        UTC day that it is of.
    """

    store: str
    part: str
    path: str
    day: date


class PrivacyParams(FactsAboutData):
    """Section ``privacy``; what isn't given stands in red in the record of processing."""

    SETTINGS: ClassVar[frozenset[str]] = frozenset(
        {"models_days", "telemetry", "telemetry_retention_days"}
    )

    controller: Unset[Name] = None
    """Name and address of the controller (GDPR Art. 4(7), 30(1)(a))."""
    contact: Unset[Name] = None
    """How to reach the controller and its data protection officer."""
    legal_basis: Unset[LegalBasis] = None
    """Article 6(1)(a) to (f), in that order."""
    special_basis: Unset[Name] = None
    """Which point of Article 9(2) allows special categories; needed if any are named."""
    data_subjects: Unset[Name] = None
    """Categories of people in the data."""
    special_categories: list[str] | None = None
    """Columns that hold special categories of personal data (Article 9); [] = none; null = not
    stated yet."""
    recipients: list[str] | None = None
    """Categories of recipients; [] = nobody; null = not stated yet."""
    transfers: list[str] | None = None
    """Third countries and safeguards; [] = none; null = not stated yet."""
    security: list[str] | None = None
    """Technical and organisational measures beside those that Signalbox itself shows; [] = none;
    null = not stated yet."""
    retention_days: dict[Store, Days] = Field(default_factory=dict)
    """Store → days its files may be kept."""
    telemetry: dict[TelemetryPart, TelemetryPurpose] = Field(default_factory=dict)
    """Table of the lake (or its quarantine, inbox, feedback, results, state) → who answers for it,
    and what it is kept for; one that is there and isn't named stands in red."""
    telemetry_retention_days: dict[TelemetryStore, Days] = Field(default_factory=dict)
    """Store → days that it may be kept: ``telemetry`` (lake, its quarantine, inboxes, feedback),
    ``results``, ``state``; ``signalbox telemetry retain`` removes what is older."""
    models_days: Days = 30
    """Days after an erasure within which models that learned from the subject are replaced."""


MEASURES = {
    "ledger/ledger.jsonl": "hash-chained, signed ledger",
    "dvc.lock": "hashes of all data, models and reports",
    "privacy/erased.txt": "list of erased people, by keyed hashes, whom later deliveries leave out",
}
"""Measures that Signalbox shows, each by a file that has to be there."""


def shown_measures(project: Path) -> list[str]:
    """List the security measures that the project's own files show.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    list of str
        In words, in the order of `MEASURES`.
    """
    return [told for path, told in MEASURES.items() if _has_content(project / path)]


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def record(
    params: Params,
    own: PrivacyParams,
    evidence: dict[str, Evidence],
    measures: Sequence[str] = (),
    telemetry: Sequence[HeldTelemetry] = (),
) -> list[RecordItem]:
    """Build the record of processing, in the order of Article 30(1) GDPR.

    Parameters
    ----------
    params : Params
        The stages' parameters.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    evidence : dict of str to Evidence
        Stage → its evidence.
    measures : sequence of str, default ()
        Security measures that files show, as `shown_measures` finds them.
    telemetry : sequence of HeldTelemetry, optional
        What is kept of telemetry; each of its parts is a line.

    Returns
    -------
    list of RecordItem
    """
    elsewhere = not own.is_about(params.data.name)
    own = own.facts_about(params.data.name)
    lines = [
        _said("30(1)(a)", "Controller", own.controller, "privacy.controller"),
        _said("30(1)(a)", "Contact", own.contact, "privacy.contact"),
        _said("30(1)(b)", "Purposes", params.report.purpose, "report.purpose"),
        _said("Art. 6", "Legal basis", own.legal_basis, "privacy.legal_basis"),
        _said("30(1)(c)", "Data subjects", _subjects(own, evidence), "privacy.data_subjects"),
        _columns(evidence),
        _special(own, evidence),
        _list("30(1)(d)", "Recipients", own.recipients, "privacy.recipients"),
        _list("30(1)(e)", "Transfers to third countries", own.transfers, "privacy.transfers"),
        _said("30(1)(f)", "Time limits for erasure", _limits(own), "privacy.retention_days"),
        _security(own, measures),
        RecordItem("Art. 14", "Source of the data", _source(params), True),
    ]
    lines = [line if line.given or not elsewhere else _about_other_data(line) for line in lines]
    parts = sorted({(held.part, held.store) for held in telemetry})
    return lines + [_part(part, store, own) for part, store in parts]


def special_columns(params: Params, own: PrivacyParams,
                    evidence: dict[str, Evidence]) -> list[tuple[str, str]]:  # fmt: skip
    """List the columns of special categories, and whether the model or only the audit sees them.

    Parameters
    ----------
    params : Params
        The stages' parameters.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    evidence : dict of str to Evidence
        Stage → its evidence.

    Returns
    -------
    list of tuple of (str, str)
        Column, and its use in words.
    """
    inputs = {str(column["name"]) for column in _details(evidence, "train", "inputs")}
    found = []
    for column in own.special_categories or []:
        if column in inputs:
            use = "model input: needs a reason under Article 9(2)"
        elif column in params.data.sensitive:
            use = "bias audit only, no model input (compare AI Act Art. 10(5))"
        else:
            use = "stored, but neither a model input nor audited: is it needed?"
        found.append((column, use))
    return found


def _part(part: str, store: str, own: PrivacyParams) -> RecordItem:
    """Line of a part of telemetry: purpose, owner and limit, or what nobody stated of them."""
    stated = {str(name): said for name, said in own.telemetry.items()}
    said, days = stated.get(part, TelemetryPurpose()), _telemetry_limits(own).get(store)
    found = {
        f"privacy.telemetry.{part}.purpose": said.purpose,
        f"privacy.telemetry.{part}.owner": f"owner: {said.owner}" if said.owner else None,
        f"privacy.telemetry_retention_days.{store}": f"kept for {days} days" if days else None,
    }
    missing = [not_filled_in(key) for key, text in found.items() if not is_filled_in(text)]
    text = "; ".join(missing or [str(text) for text in found.values()])
    return RecordItem("30(1)(b)", f"Telemetry: {part}", text, not missing)


def _telemetry_limits(own: PrivacyParams) -> dict[str, int]:
    return {str(store): days for store, days in own.telemetry_retention_days.items()}


def _said(article: str, term: str, text: str | None, key: str) -> RecordItem:
    if is_filled_in(text):
        return RecordItem(article, term, text, True)
    file = "params.yaml" if key.startswith("report.") else "release.yaml"
    return RecordItem(article, term, text or not_filled_in(key, file), False)


def _about_other_data(line: RecordItem) -> RecordItem:
    """Say of a key of section ``privacy`` that nobody has filled in that it is about other data."""
    text, start = str(line.text), not_filled_in("privacy.")
    return replace(line, text=f"{text} ({OTHER_DATA})") if text.startswith(start) else line


def _security(own: PrivacyParams, measures: Sequence[str]) -> RecordItem:
    """List the controller's own measures, and apart from them what files show."""
    article, term = "30(1)(g)", "Security measures"
    shown = "; ".join(measures) or "none"
    if own.security is None:
        said = not_filled_in("privacy.security")
        return RecordItem(article, term, f"{said} ([] = none); shown by files: {shown}", False)
    said = "; ".join(own.security) or "none beside these"
    return RecordItem(article, term, f"{said}; shown by files: {shown}", True)


def _list(article: str, term: str, values: list[str] | None, key: str) -> RecordItem:
    if values is None:
        return RecordItem(article, term, f"{not_filled_in(key)} ([] = none)", False)
    return RecordItem(article, term, ", ".join(values) or "none", True)


def _details(evidence: dict[str, Evidence], stage: str, key: str) -> Any:
    return evidence[stage].details.get(key, []) if stage in evidence else []


def _subjects(own: PrivacyParams, evidence: dict[str, Evidence]) -> str:
    if not (own.data_subjects or "").strip():
        return ""
    figure = evidence["ingest"].figure("ingest.subjects") if "ingest" in evidence else None
    number = f" ({figure.value:,.0f} of them)" if figure and figure.value is not None else ""
    return f"{own.data_subjects}{number}"


def _columns(evidence: dict[str, Evidence]) -> RecordItem:
    names = [str(column["name"]) for column in _details(evidence, "ingest", "columns")]
    text = ", ".join(names) or "evidence/ingest.json is not there"
    return RecordItem("30(1)(c)", "Personal data", text, bool(names))


def _special(own: PrivacyParams, evidence: dict[str, Evidence]) -> RecordItem:
    """Ask special categories for a ground of Article 9(2); a misspelt column must not pass."""
    article, term = "Art. 9", "Special categories"
    have = {str(column["name"]) for column in _details(evidence, "ingest", "columns")}
    marked = own.special_categories
    if not marked:
        return _list(article, term, marked, "privacy.special_categories")
    unknown = [name for name in marked if have and name not in have]
    if unknown:
        return RecordItem(article, term, f"no such column: {', '.join(unknown)}", False)
    columns = ", ".join(marked)
    if not is_filled_in(own.special_basis):
        return RecordItem(
            article, term, f"{columns}: {not_filled_in('privacy.special_basis')}", False
        )
    return RecordItem(article, term, f"{columns}: {own.special_basis}", True)


def _limits(own: PrivacyParams) -> str:
    return ", ".join(f"{store} {days} days" for store, days in own.retention_days.items())


def _source(params: Params) -> str:
    source = params.data.source
    if isinstance(source, SqlSource):
        return f"{params.data.name}: a query on a database"
    return f"{params.data.name}: {', '.join(source.paths)}"


FOLDERS: dict[Store, tuple[str, ...]] = {
    "tables": ("data/ingested.parquet", "data/validated.parquet", "data/split"),
    "quarantine": (QUARANTINE.parent.as_posix(),),
    "predictions": ("predictions",),
    "models": ("models",),
    "evidence": (EVIDENCE.as_posix(),),
    "runs": ("runs",),
    "cache": (".dvc/cache/files",),
}
"""Where each store's files lie."""


def too_old(
    project: Path,
    data: DataParams,
    own: PrivacyParams,
    now: datetime,
    telemetry: Sequence[HeldTelemetry] = (),
) -> list[tuple[str, str, int, int]]:
    """List every file that is older than its store's limit.

    A file's age is that of its last change on this machine: git and DVC write files anew at a
    checkout, so a fresh clone looks young.

    Parameters
    ----------
    project : Path
        Root of the project.
    data : DataParams
        Section ``data`` of ``params.yaml``.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    now : datetime
        Time to count ages from, with a time zone.
    telemetry : sequence of HeldTelemetry, optional
        What is kept of telemetry; its age is that of the day that it is of.

    Returns
    -------
    list of tuple of (str, str, int, int)
        Store, file, age in days and limit in days.
    """
    found: list[tuple[str, str, int, int]] = []
    for store, limit in sorted(own.retention_days.items()):
        for path in files(project, store, data):
            days = (now - datetime.fromtimestamp(path.stat().st_mtime, UTC)).days
            if days > limit:
                shown = path.relative_to(project) if path.is_relative_to(project) else path
                found.append((store, shown.as_posix(), days, limit))
    limits = _telemetry_limits(own)
    for held in telemetry:
        age = (now.astimezone(UTC).date() - held.day).days
        if age > limits.get(held.store, age):
            found.append((held.store, held.path, age, limits[held.store]))
    return found


def unlimited(project: Path, data: DataParams, own: PrivacyParams,
              telemetry: Sequence[HeldTelemetry] = ()) -> list[str]:  # fmt: skip
    """List stores that hold files and have no limit.

    Parameters
    ----------
    project : Path
        Root of the project.
    data : DataParams
        Section ``data`` of ``params.yaml``.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    telemetry : sequence of HeldTelemetry, optional
        What is kept of telemetry.

    Returns
    -------
    list of str
    """
    stores: list[Store] = ["source", *FOLDERS]
    return [
        *(
            store
            for store in stores
            if store not in own.retention_days and any(files(project, store, data))
        ),
        *sorted({held.store for held in telemetry} - _telemetry_limits(own).keys()),
    ]


def files(project: Path, store: Store, data: DataParams) -> Iterator[Path]:
    """List the files of a store, sorted.

    Parameters
    ----------
    project : Path
        Root of the project.
    store : Store
        Name of the store.
    data : DataParams
        Section ``data`` of ``params.yaml``; it names the source files.

    Yields
    ------
    Path
    """
    if store == "source":
        yield from local_files(data, project)
        return
    for name in FOLDERS[store]:
        path = project / name
        if path.is_file():
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(f for f in folders if f not in {".git", "__pycache__"})
            yield from (Path(folder) / name for name in sorted(names))


LOSS = 0.001
"""Rise of log loss (nats) below which a column's part is taken for noise: our judgement."""

AUC = 0.001
"""Drop of ROC AUC below which it is."""


def idle_inputs(evidence: dict[str, Evidence]) -> tuple[list[tuple[str, str]], str, bool]:
    """List inputs whose shuffling changed neither measure by more than the threshold.

    Parameters
    ----------
    evidence : dict of str to Evidence
        Stage → its evidence; that of ``train`` is read.

    Returns
    -------
    columns : list of tuple of (str, str)
        Name, and the figures behind it.
    how : str
        How it was measured, and what it doesn't say.
    measured : bool
        Whether there is a measurement at all.
    """
    importance: Any = evidence["train"].details.get("importance") if "train" in evidence else None
    if not importance or not importance.get("columns"):
        return [], "", False
    found = [
        (str(column["name"]), _why(column)) for column in importance["columns"] if _is_idle(column)
    ]
    how = (
        f"Measured as {importance['how']}; {numbers.count(importance['rows'])} rows. A column "
        f"counts as adding nothing measurable where log loss rises by less than {LOSS:g} and ROC "
        f"AUC drops by less than {AUC:g}. That line is engineering judgement; the evidence has no "
        "interval for importance. A column can look idle because another carries the same "
        "information, so train once without it (data.ignore) before taking it out of the source."
    )
    return found, how, True


def _is_idle(column: dict[str, Any]) -> bool:
    """Whether both measures are known and below their lines; unknown is not idle."""
    rise, drop = column.get("log_loss_rise"), column.get("roc_auc_drop")
    return rise is not None and drop is not None and rise < LOSS and drop < AUC


def _why(column: dict[str, Any]) -> str:
    rise, drop = column["log_loss_rise"], column["roc_auc_drop"]
    return (
        f"shuffled, log loss rises by {numbers.decimal(rise, 4)} and ROC AUC drops by "
        f"{numbers.decimal(drop, 4)}"
    )


def overview(
    project: Path,
    params: Params,
    own: PrivacyParams,
    evidence: dict[str, Evidence],
    now: datetime,
    *,
    telemetry: Sequence[HeldTelemetry] = (),
) -> Privacy:
    """Build the report's part on privacy: record, minimisation and retention.

    Parameters
    ----------
    project : Path
        Root of the project.
    params : Params
        The stages' parameters.
    own : PrivacyParams
        Section ``privacy`` of ``release.yaml``.
    evidence : dict of str to Evidence
        Stage → its evidence.
    now : datetime
        Time to count ages from; the report takes the ledger's last entry, so that it doesn't
        change with the clock.
    telemetry : sequence of HeldTelemetry, optional
        What the deployment keeps of telemetry.

    Returns
    -------
    Privacy
    """
    idle, how, measured = idle_inputs(evidence)
    stated = record(params, own, evidence, shown_measures(project), telemetry)
    own = own.facts_about(params.data.name)
    return Privacy(
        record=stated,
        kept_too_long=too_old(project, params.data, own, now, telemetry),
        limits=sorted(
            [
                *((str(store), days) for store, days in own.retention_days.items()),
                *_telemetry_limits(own).items(),
            ]
        ),
        unlimited=unlimited(project, params.data, own, telemetry),
        idle=idle,
        measured=measured,
        how=how,
        special=special_columns(params, own, evidence),
    )

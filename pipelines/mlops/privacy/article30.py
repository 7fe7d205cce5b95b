"""Article 30 record: what the artifacts say, what the controller said, what nobody said (red)."""

from typing import Any

from pipelines.base.evidence import Evidence
from pipelines.base.params import Params
from pipelines.base.params.data import SqlSource
from pipelines.mlops.privacy.params import PrivacyParams
from pipelines.reports.compliance.gdpr import RecordItem

OWN_MEASURES = (
    "hash-chained, signed ledger; SHA-256 of all data, models and reports; models loaded only from "
    "trusted types; erasure with proof; subjects named by keyed hashes in proofs"
)


def record(params: Params, own: PrivacyParams, evidence: dict[str, Evidence]) -> list[RecordItem]:
    """Build the record, in the order of Article 30(1)."""
    return [
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
        RecordItem("30(1)(g)", "Security measures", "; ".join([*own.security, OWN_MEASURES]), True),
        RecordItem("Art. 14", "Source of the data", _source(params), True),
    ]


def special_columns(params: Params, own: PrivacyParams,
                    evidence: dict[str, Evidence]) -> list[tuple[str, str]]:  # fmt: skip
    """Columns of special categories, and whether the model sees them or only the audit does."""
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


def _said(place: str, term: str, text: str, key: str) -> RecordItem:
    if text.strip():
        return RecordItem(place, term, text, True)
    return RecordItem(place, term, f"{key} says nothing", False)


def _list(place: str, term: str, values: list[str] | None, key: str) -> RecordItem:
    if values is None:
        return RecordItem(place, term, f"{key} in release.yaml says nothing ([] = none)", False)
    return RecordItem(place, term, ", ".join(values) or "none", True)


def _details(evidence: dict[str, Evidence], stage: str, key: str) -> Any:
    return evidence[stage].details.get(key, []) if stage in evidence else []


def _subjects(own: PrivacyParams, evidence: dict[str, Evidence]) -> str:
    if not own.data_subjects.strip():
        return ""
    figure = evidence["ingest"].figure("ingest.subjects") if "ingest" in evidence else None
    number = f" ({figure.value:,.0f} of them)" if figure and figure.value is not None else ""
    return own.data_subjects + number


def _columns(evidence: dict[str, Evidence]) -> RecordItem:
    names = [str(column["name"]) for column in _details(evidence, "ingest", "columns")]
    text = ", ".join(names) or "evidence/ingest.json is not there"
    return RecordItem("30(1)(c)", "Personal data", text, bool(names))


def _special(own: PrivacyParams, evidence: dict[str, Evidence]) -> RecordItem:
    """Ask special categories for a ground of Article 9(2); a misspelt column must not pass."""
    place, term = "Art. 9", "Special categories"
    have = {str(column["name"]) for column in _details(evidence, "ingest", "columns")}
    marked = own.special_categories
    if not marked:
        return _list(place, term, marked, "privacy.special_categories")
    unknown = [name for name in marked if have and name not in have]
    if unknown:
        return RecordItem(place, term, f"no such column: {', '.join(unknown)}", False)
    columns = ", ".join(marked)
    if not own.special_basis.strip():
        return RecordItem(place, term, f"{columns}: privacy.special_basis says nothing", False)
    return RecordItem(place, term, f"{columns}: {own.special_basis}", True)


def _limits(own: PrivacyParams) -> str:
    return ", ".join(f"{store} {days} days" for store, days in own.retention_days.items())


def _source(params: Params) -> str:
    source = params.data.source
    if isinstance(source, SqlSource):
        return f"{params.data.name}: a query on a database"
    return f"{params.data.name}: {', '.join(source.paths)}"

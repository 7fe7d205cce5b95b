"""Chapters that the ledger tells: who decided what, and where the KPIs stand and are heading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipelines.mlops.compliance.facts import PRODUCT, Entry, count_decisions, day
from pipelines.reporting.blocks import (
    WORDS,
    Block,
    Callout,
    Chapter,
    Column,
    Prose,
    Row,
    Table,
    Text,
    Tone,
    badge,
    code,
    icon,
    identifier,
    join,
)

KINDS: dict[str, tuple[str, Tone]] = {
    "gate": ("gate", "quiet"),
    "approval": ("approval", "good"),
    "rejection": ("rejection", "bad"),
    "override": ("override", "bad"),
    "refusal": ("refused release", "bad"),
    "release": ("release", "good"),
    "rollback": ("rollback", "open"),
}
"""Kind of entry → word and tone. An override is red: a failed check did not stop a release."""


@dataclass(frozen=True)
class ReportedKpi:
    """A KPI's facts as plain data, and its trend as an inline SVG made of escaped text."""

    facts: Mapping[str, Any]
    plot: str


def decisions(entries: Sequence[Entry]) -> Chapter:
    """Tell every decision, release and rollback of the ledger, oldest first."""
    product_entries = [e for e in entries if e["kind"] in KINDS and e["subject"] == PRODUCT]
    overrides = [entry for entry in product_entries if entry["kind"] == "override"]
    blocks: list[Block] = []
    if not product_entries:
        blocks.append(Prose("The ledger tells of none."))
    else:
        mine = count_decisions([e for e in entries if e["subject"] == PRODUCT])
        blocks.append(Prose(f"Counted from the ledger: {mine.description}."))
    for entry in overrides:
        blocks.append(
            Callout("bad", "A failed check was overridden", join(day(entry), ": ", _who_why(entry)))
        )
    if product_entries:
        blocks.append(
            Table(
                "From the ledger, oldest first",
                [Column("Day"), Column("Entry", numeric=True), Column("What"),
                 Column("Commit"), Column("Who and why", wide=True)],
                [_row(entry) for entry in product_entries],
                note="Approvals given on the command line are not authenticated and say so.",
            )
        )  # fmt: skip
    return Chapter("decisions", "Decisions and releases", blocks, "Decisions")


def kpis(reported: Sequence[ReportedKpi]) -> Chapter:
    """Value, target and trend of every KPI that release.yaml defines."""
    if not reported:
        return Chapter("kpis", "KPIs", [Prose("release.yaml defines no KPIs.")])
    table = Table(
        "Key performance indicators",
        [Column("KPI"), Column("Measures"), Column("Owner"),
         Column("Value", numeric=True), Column("Target", numeric=True), Column("Status"),
         Column("Trend", chart=True)],
        [_kpi(kpi) for kpi in reported],
        note="Trend: one point a commit in the ledger, the last with a dot; dashed: the target. "
        "A KPI decides nothing: the gate does, with intervals.",
    )  # fmt: skip
    return Chapter("kpis", "KPIs", [table])


def _row(entry: Entry) -> Row:
    word, tone = KINDS[entry["kind"]]
    what = Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), word)
    commit = str(entry["data"].get("commit") or "")[:12]
    return Row([day(entry), str(entry["seq"]), what, code(commit) if commit else "–",
                _who_why(entry)])  # fmt: skip


def _who_why(entry: Entry) -> Text:
    """Say who decided and why, from whatever this kind of entry carries."""
    data = entry["data"]
    if entry["kind"] == "gate":
        failed = ", ".join(data.get("failed") or [])
        verdict = str(data.get("verdict"))
        word = badge(verdict) if verdict in WORDS else "no verdict"
        return join(word, f" failed: {failed}" if failed else "")
    if entry["kind"] in {"release", "rollback"}:
        # A step that a crash interrupted is told again when it is completed or withdrawn.
        step = "" if data.get("step", "made") == "made" else f" ({data['step']})"
        who = data.get("who", "")
        return f"{data.get('version', '')} to {data.get('stage', '')}{step}, by {who}"
    if entry["kind"] == "refusal":
        return f"nothing was released: {data.get('reason', '')}"
    outcome = data.get("outcome") or {}
    answers = [_answer(answer) for answer in outcome.get("answers") or []]
    return "; ".join([str(outcome.get("policy") or outcome.get("kind") or ""), *answers])


def _answer(answer: Mapping[str, Any]) -> str:
    channel = " (command line)" if answer.get("channel") == "command_line" else ""
    reason = f", {answer['reason']}" if answer.get("reason") else ""
    return f"{answer.get('who', '')}{channel}: {'yes' if answer.get('approves') else 'no'}{reason}"


def _kpi(kpi: ReportedKpi) -> Row:
    facts = kpi.facts
    value, unit = facts["value"], facts.get("unit") or ""
    sign = "≥" if facts["direction"] == "at_least" else "≤"
    status: Text = "no value"
    if facts["met"] is not None and value is not None:
        status = _met() if facts["met"] else _missed()
    return Row([
        identifier(facts["id"]), facts["measures"], facts["owner"],
        "–" if value is None else f"{value:.4g} {unit}".strip(), f"{sign} {facts['target']:g}",
        status, Markup(kpi.plot),
    ])  # fmt: skip


def _met() -> Markup:
    return Markup('<span class="badge good">{}met</span>').format(icon("good"))


def _missed() -> Markup:
    return Markup('<span class="badge bad">{}missed</span>').format(icon("bad"))

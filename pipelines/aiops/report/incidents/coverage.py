"""What was examined, what was left out and why, and the settings: for every page."""

from collections.abc import Mapping
from typing import Any

from pipelines.aiops.params.artifacts import INCIDENTS
from pipelines.aiops.report.incidents import wording
from pipelines.aiops.report.incidents.evidence import LOGS, MAP, METRICS, Inputs
from pipelines.reporting import numbers
from pipelines.reporting.blocks import Block, Chapter, Column, Prose, Row, Section, Table, Text
from pipelines.reporting.provenance import Sources

MOST_REASONS = 30
_LABELS = {
    "series": ("Series of metrics", "series"),
    "points": ("Points examined", "points"),
    "uncertain": ("Events too common to be told", "events"),
    "lines": ("Log lines", "lines"),
    "templates": ("Kinds of messages", "templates"),
    "history_days": ("Days before, to compare with", "days"),
    "earlier_windows": ("Earlier windows read, so that incidents are whole", "windows"),
    "incidents": ("Incidents", "incidents"),
    "incidents_of_alerts_only": ("Of them seen in alerts only", "incidents"),
    "findings": ("Findings grouped", "findings"),
    "background_alerts": ("Background alerts, which join incidents and open none", "alerts"),
    "missing_windows": ("Earlier windows that are missing", "windows"),
    "spans": ("Spans", "spans"),
    "traces": ("Traces", "traces"),
    "skipped": ("Left out", ""),
}
"""Keys of counts that every run has: what they are, and their unit."""


def nothing_seen(inputs: Inputs) -> bool:
    """Test whether there was no telemetry at all.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    bool
        True without series, lines, spans and alerts.
    """
    seen = (
        inputs.metrics.counts.get("series"),
        inputs.logs.counts.get("lines"),
        inputs.service_map["counts"].get("spans"),
        (inputs.incidents.counts.get("findings") or {}).get("alert"),
        inputs.incidents.counts.get("background_alerts"),
    )
    return not any(seen)


def of_incidents(inputs: Inputs, sources: Sources) -> Chapter:
    """Build the chapter about coverage of the page about incidents.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    sources : Sources
        Numbers of the artifacts that the page rests on.

    Returns
    -------
    Chapter
        Tables of counts.
    """
    counted = (
        ("Metrics", METRICS, inputs.metrics.counts),
        ("Logs", LOGS, inputs.logs.counts),
        ("Service map", MAP, {k: inputs.service_map["counts"].get(k) for k in ("spans", "traces")}),
        ("Incidents", INCIDENTS, inputs.incidents.counts),
    )
    return Chapter(
        "coverage",
        "Coverage and method",
        [table(label, counts, sources.mark(path)) for label, path, counts in counted],
        "Coverage",
    )


def of_anomalies(inputs: Inputs, sources: Sources) -> Chapter:
    """Build the chapter about coverage of the page about anomalies: with settings.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    sources : Sources
        Numbers of the artifacts that the page rests on.

    Returns
    -------
    Chapter
        Tables of counts and settings.
    """
    blocks: list[Block] = [
        Prose(
            "The false discovery rate is controlled over everything that a run examined: how "
            "rare a finding is counts all of it. What is left out is counted with its reason."
        )
    ]
    for key, label, path, part in (
        ("metrics", "Metrics", METRICS, inputs.metrics),
        ("logs", "Logs", LOGS, inputs.logs),
    ):
        own: list[Block] = [table(f"{label}: coverage", part.counts, sources.mark(path))]
        if part.settings:
            own.append(_settings(f"{label}: settings", part.settings, sources.mark(path)))
        blocks.append(Section(f"coverage-{key}", label, own))
    return Chapter("coverage", "Coverage and method", blocks, "Coverage")


def table(caption: str, counts: Mapping[str, Any], mark: Text) -> Table:
    """Make a table of counts with units; a count by reason has a row each, words are a note.

    Parameters
    ----------
    caption : str
        Title of the table.
    counts : mapping of str to object
        Key to a number, a text, or numbers by reason.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.

    Returns
    -------
    Table
        The table.
    """
    rows: list[Row] = []
    said: list[str] = []
    for key, value in counts.items():
        label, unit = _LABELS.get(key, (wording.reason(key).capitalize(), ""))
        if isinstance(value, str):
            said.append(wording.plain(f"{label}: {value}.", 300))
        elif isinstance(value, Mapping):
            rows += _by_reason(label, value, unit or ("series" if "series" in counts else ""))
        else:
            rows.append(Row([label, _number(value), unit or numbers.NONE]))
    columns = [Column("What"), Column("How many", numeric=True), Column("Unit")]
    rows = rows or [Row(["Nothing is counted", numbers.NONE, numbers.NONE])]
    return Table(caption, columns, rows, mark, note=" ".join(said[:MOST_REASONS]))


def _by_reason(label: str, found: Mapping[str, Any], unit: str) -> list[Row]:
    if not found:
        return [Row([label, "0", unit or numbers.NONE])]
    kept = list(found.items())[:MOST_REASONS]
    rows = [
        Row([wording.shown(f"{label}: {_reason(key)}"), _number(n), unit or numbers.NONE])
        for key, n in kept
    ]
    more = len(found) - len(kept)
    return [*rows, Row([f"{label}: {more:,} more reasons", numbers.NONE, ""])] if more else rows


def _reason(key: str) -> str:
    return wording.SIGNALS[key][1] if key in wording.SIGNALS else wording.reason(key)


def _number(value: object) -> Text:
    if isinstance(value, bool) or value is None:
        return numbers.NONE if value is None else ("yes" if value else "no")
    if isinstance(value, int | float):
        whole = float(value).is_integer()
        return numbers.count(value) if whole else numbers.decimal(value, 2)
    if isinstance(value, list):
        return numbers.count(len(value))
    return wording.shown(str(value), 60)


def _settings(caption: str, settings: Mapping[str, Any], mark: Text) -> Table:
    rows = [
        Row([wording.shown(key, 60), wording.shown(_setting(value), 120)])
        for key, value in settings.items()
    ]
    return Table(caption, [Column("Setting"), Column("Value, in the unit that its name says")],
                 rows, mark)  # fmt: skip


def _setting(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

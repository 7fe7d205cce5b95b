"""Chapters "The data" and "Candidates that were dropped"."""

import re
from collections import Counter

from markupsafe import Markup

from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Facts,
    Fold,
    Prose,
    Row,
    Table,
    Text,
    code,
    join,
    name,
)

_FIGURES = (
    ("days_covered", "Days with alerts"),
    ("alerts", "Alerts"),
    ("series", "Series of alerts"),
    ("acted_known_share", "Alerts known to be acted on or not"),
    ("open_share", "Alerts without an end"),
    ("assumed_share", "Alerts with an assumed end"),
    ("zero_length_share", "Alerts that end as they start"),
    ("quarantined_share", "Records in quarantine"),
    ("incidents", "Ticketed incidents"),
    ("incidents_linked_share", "Incidents linked to alerts"),
    ("suspicious_links", "Suspicious links"),
)
_PARTS = (
    ("train", "Training", "candidates are mined here"),
    ("validation", "Validation", "the set is selected here"),
    ("test", "Test", "every figure of effect is from here, computed once"),
)
RENEWED = ", then rules were mined again with these days"
_TABLES = ("alerts", "tickets", "changes")


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the data that the report rests on.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    return Chapter(
        "data",
        "The data it rests on",
        [
            _facts(inputs),
            *_missing(inputs),
            _parts(inputs),
            *_needs(inputs),
            *_teams(inputs),
            *_suspicious(inputs),
            _sources(inputs),
            _quality(inputs),
        ],
        "The data",
    )


def _facts(inputs: Inputs) -> Facts:
    items: list[tuple[str, Text]] = []
    for key, label in _FIGURES:
        figure_id = f"alert_history.{key}"
        figure = inputs.figure(figure_id)
        if figure is None:
            continue
        value = numbers.figure_value(figure).partition(wording.SPACE)[0]
        items.append((label, join(value, inputs.sources.figure_mark(figure_id))))
    window = inputs.frozen.window
    first, last = (wording.one_line(day.isoformat()) for day in (window.first, window.last))
    items.insert(0, ("Window", join(first, " to ", last)))
    return Facts(items)


def _missing(inputs: Inputs) -> list[Block]:
    missing = inputs.frozen.days_missing
    if not missing:
        return [Prose("No day of the window is without alerts.")]
    shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if missing[10:] else "")
    label = f"{wording.number_of(len(missing), 'day')} without alerts"
    return [Callout("open", label, join(name(shown), ": none fired, or none was recorded."))]


def _parts(inputs: Inputs) -> Table:
    spans = inputs.mined.windows
    rows = [
        Row([label, wording.day(spans[key].start), wording.day(spans[key].end),
             f"{spans[key].length():g}", join(what, _more(inputs, key))])
        for key, label, what in _PARTS
        if key in spans
    ]  # fmt: skip
    return Table(
        caption="The three windows (UTC; the end is not part of it)",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[
            Column("Window"),
            Column("From"),
            Column("To"),
            Column("Days", numeric=True),
            Column("What for", wide=True),
        ],
        rows=rows,
    )


def _more(inputs: Inputs, part: str) -> str:
    return RENEWED if part == "validation" and inputs.renewed else ""


def _needs(inputs: Inputs) -> list[Block]:
    """How much history each family needs, beside what there is."""
    needs, families = inputs.mined.needs, inputs.mined.families
    if not needs:
        return []
    train = inputs.mined.windows.get("train")
    there = f"; the training window has {train.length():g} days" if train else ""
    rows = []
    for family, need in needs.items():
        tried = numbers.count(families[family].tried if family in families else None)
        rows.append(Row([wording.family(family), str(need.days), str(need.stretches), tried]))
    table = Table(
        caption=f"What a rule of each family needs at least{there}",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[
            Column("Family"),
            Column("Separate days", numeric=True),
            Column("Separate stretches, none against it", numeric=True),
            Column("Candidates tried", numeric=True),
        ],
        rows=rows,
        note="The more candidates are tried, the more stretches each needs.",
    )
    return [table]


def _teams(inputs: Inputs) -> list[Block]:
    """List what each team's records can prove."""
    if not inputs.frozen.teams:
        return []
    rows = [
        Row(
            [
                name(wording.short(each.team, 80) or "(no team)"),
                numbers.count(each.alerts),
                numbers.count(each.days),
                numbers.count(each.incidents),
                numbers.percent(each.acted_known_share),
            ]
        )
        for each in inputs.frozen.teams
    ]
    table = Table(
        caption="What each team’s records can prove",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[
            Column("Team"),
            Column("Alerts", numeric=True),
            Column("Days with alerts", numeric=True),
            Column("Incidents its alerts name", numeric=True),
            Column("Acted on or not is known", numeric=True),
        ],
        rows=rows,
    )
    return [Fold(f"Records of {wording.number_of(len(rows), 'team')}", [table])]


def _suspicious(inputs: Inputs) -> list[Block]:
    """Links that hardly hold: an incident is judged by the alerts that it is linked to."""
    found = inputs.frozen.suspicious_links
    if not found:
        return []
    rows = [
        Row([name(wording.short(each.ticket, 80)), name(wording.short(each.alert, 80)),
             name(wording.short(each.reason, 160))])
        for each in found
    ]  # fmt: skip
    table = Table(
        caption="Alerts and incidents that hardly belong together, the first of them",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[Column("Incident"), Column("Alert"), Column("The alert", wide=True)],
        rows=rows,
    )
    return [Fold("Suspicious links: the incident is judged by these alerts", [table])]


def _sources(inputs: Inputs) -> Table:
    found = sorted(inputs.frozen.sources.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        caption="Where the alerts come from",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[Column("Source"), Column("Alerts", numeric=True)],
        rows=[Row([name(wording.short(source, 80)), numbers.count(n)]) for source, n in found],
    )


def _quality(inputs: Inputs) -> Table:
    frozen = inputs.frozen
    rows = []
    for table in _TABLES:
        rules = frozen.rules.get(table, [])
        broken = [f"{rule.rule} ({rule.broken_rows:,})" for rule in rules if rule.broken_rows]
        count = numbers.count(frozen.counts.get(table))
        rows.append(Row([table, count, str(len(rules)), name("; ".join(broken) or "none")]))
    rows.append(Row(["quarantine", numbers.count(frozen.counts.get("quarantined")), "", ""]))
    return Table(
        caption="Records and the expectations they were checked against",
        mark=inputs.sources.mark(evidence_of("alert_history")),
        columns=[
            Column("Table"),
            Column("Records", numeric=True),
            Column("Expectations", numeric=True),
            Column("Not met (records)", wide=True),
        ],
        rows=rows,
    )


_KINDS = (
    (re.compile(r"^incident .+ would be missed$", re.DOTALL), "an incident would be missed"),
    (re.compile(r"^incident .+ would be notified .+ later$", re.DOTALL),
     "an incident would be notified too late"),
    (re.compile(r"^the median incident would be notified .+ later$"),
     "the median incident would be notified too late"),
    (re.compile(r"^\d+ of \d+ incidents would be notified late$"),
     "too many incidents would be notified late"),
)  # fmt: skip
MOST_KINDS = 12
RENEWED_NOTE = (
    "Rules that were mined again on later days stand among the dropped and the selected only, so "
    "rows need not add up."
)


def kind_of(why: str) -> str:
    """Reduce a reason to its kind: without the incident or figure that it names.

    Parameters
    ----------
    why : str
        Reason in words.

    Returns
    -------
    str
        The kind; the reason itself if it is of no known kind.
    """
    return next((kind for pattern, kind in _KINDS if pattern.match(why)), why)


def dropped_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about candidates that were dropped.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    dropped = inputs.selected.dropped
    blocks: list[Block] = [_families(inputs)]
    if dropped:
        blocks += [_reasons(inputs), _list(inputs)]
    else:
        blocks.append(Prose("Every candidate was selected."))
    return Chapter("dropped", "Candidates tried, found and dropped", blocks, "Candidates")


def _families(inputs: Inputs) -> Table:
    chosen: Counter[str] = Counter(done.rule.family for done in inputs.replayed.rules)
    dropped = Counter(dropped_rule.family for dropped_rule in inputs.selected.dropped)
    known = inputs.mined.families
    order = [*wording.FAMILIES, *sorted(set(known) - set(wording.FAMILIES))]
    rows = [
        Row(
            [
                wording.family(family),
                numbers.count(known[family].tried),
                numbers.count(known[family].found),
                numbers.count(dropped[family]),
                numbers.count(chosen[family]),
            ]
        )
        for family in order
        if family in known
    ]
    return Table(
        caption="From candidates to rules, counts",
        mark=inputs.sources.mark(evidence_of("mine_rules"), evidence_of("select_rules")),
        columns=[
            Column("Family"),
            Column("Tried", numeric=True),
            Column("Statistically supported", numeric=True),
            Column("Dropped in selection", numeric=True),
            Column("Selected", numeric=True),
        ],
        rows=rows,
        note=RENEWED_NOTE if inputs.renewed else "",
    )


def _reasons(inputs: Inputs) -> Table:
    counted = Counter(
        (dropped_rule.family, kind_of(dropped_rule.reason))
        for dropped_rule in inputs.selected.dropped
    )
    order = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        Row([name(wording.short(why, 160)), wording.family(family), numbers.count(n)])
        for (family, why), n in order[:MOST_KINDS]
    ]
    rest = sum(n for _, n in order[MOST_KINDS:])
    if rest:
        rows.append(Row(["other reasons, in the list below", "", numbers.count(rest)]))
    return Table(
        caption="Why candidates were dropped",
        mark=inputs.sources.mark(evidence_of("select_rules")),
        columns=[Column("Reason", wide=True), Column("Family"), Column("Candidates", numeric=True)],
        rows=rows,
    )


def _list(inputs: Inputs) -> Fold:
    """List every dropped candidate, those of one reason together."""
    dropped = inputs.selected.dropped
    reasons: dict[str, list[str]] = {}
    for dropped_rule in sorted(dropped, key=lambda rejected: (rejected.reason, rejected.rule)):
        reasons.setdefault(dropped_rule.reason, []).append(dropped_rule.rule)
    table = Table(
        caption="Every dropped candidate",
        mark=inputs.sources.mark(evidence_of("select_rules")),
        small=True,
        columns=[Column("Why"), Column("Candidates", wide=True)],
        rows=[Row([name(wording.short(why, 200)), _ids(ids)]) for why, ids in reasons.items()],
    )
    return Fold(f"All {wording.number_of(len(dropped), 'dropped candidate')}", [table])


def _ids(ids: list[str]) -> Text:
    return Markup(", ").join(wording.one_line(code(wording.short(rule_id, 60))) for rule_id in ids)

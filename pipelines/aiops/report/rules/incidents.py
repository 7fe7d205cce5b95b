"""Chapter "Incidents": those that would be missed, by title and service; how late others are."""

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import IncidentOutcome, WatchDetails
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
from pipelines.core.artifacts import evidence_of
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Fold,
    Prose,
    Row,
    Table,
    Text,
    icon,
    join,
    link,
    name,
)
from pipelines.reporting.numbers import NONE

MOST_NAMED = 5
MOST_LATE = 12
"""Late incidents that are listed without folding them away."""
MUCH_LATER = 300.0
"""Seconds beyond which a later first page is listed without folding it away."""
LATE = (
    ("late_1m_share", "later than 1 minute"),
    ("late_5m_share", "later than 5 minutes"),
    ("late_15m_share", "later than 15 minutes"),
    ("missed", "missed (credible)"),
    ("missed_of_all", "missed (all tickets, credible or not)"),
    ("strict_missed", "missed if only its own alerts count"),
)
"""Figures of the judgement, and what they say of first pages."""


def incidents_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about incidents that are missed or delayed.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    found = inputs.replayed.incidents
    missed = [incident for incident in found if incident.missed]
    notified = [
        incident
        for incident in found
        if incident.baseline_first_page is not None and not incident.missed
    ]
    later = sorted(
        (incident for incident in notified if (incident.delay_seconds or 0) > 0),
        key=lambda incident: (-(incident.delay_seconds or 0), incident.ticket),
    )
    much = [incident for incident in later if (incident.delay_seconds or 0) > MUCH_LATER]
    blocks: list[Block] = [_verdict(missed, later, notified), *_vanished(found)]
    if missed:
        blocks += _missed(inputs, missed)
    if missed or notified:
        blocks.append(_late(inputs))
    if much:
        caption = "Notified more than 5 minutes later, the latest first"
        blocks.append(_table(inputs, caption, much[:MOST_LATE]))
    if much[MOST_LATE:]:
        label = f"{wording.number_of(len(much) - MOST_LATE, 'more incident')} so late"
        caption = "Notified more than 5 minutes later, continued"
        blocks.append(Fold(label, [_table(inputs, caption, much[MOST_LATE:])]))
    blocks += _folds(inputs, later, found)
    blocks.append(_watched(inputs))
    return Chapter("incidents", "Incidents: missed and delayed", blocks, "Incidents")


def _verdict(
    missed: list[IncidentOutcome], later: list[IncidentOutcome], notified: list[IncidentOutcome]
) -> Block:
    known = len(missed) + len(notified)
    if not known:
        return Callout(
            "open",
            "No evidence",
            "Today’s configuration pages about no ticketed incident of these days, so none could "
            "be missed.",
        )
    of = f"of {wording.number_of(known, 'ticketed incident')} that page today"
    credible = sum(incident.credible for incident in missed)
    if missed:
        text = (
            f"No pager would be notified of {len(missed)} {of}; {credible} of them credible: the "
            "ticket names a fix, and its alert is of the ticket’s service. The gate counts these."
        )
        return Callout("bad" if credible else "open", "Missed", text)
    if not later:
        return Callout("good", "None missed", f"None {of} is missed, and none is notified later.")
    verb = "is" if len(later) == 1 else "are"
    return Callout(
        "good", "None missed", f"None {of} is missed; {len(later)} {verb} notified later."
    )


def _vanished(found: list[IncidentOutcome]) -> list[Block]:
    vanished = [incident for incident in found if incident.vanished]
    if not vanished:
        return []
    names = ", ".join(_title(incident) for incident in vanished[:MOST_NAMED])
    rest = len(vanished) - MOST_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return [Callout("bad", "Vanished", f"No receiver at all would be told of {names}{more}.")]


def _missed(inputs: Inputs, missed: list[IncidentOutcome]) -> list[Block]:
    """Every counted miss, as whoever decides has to weigh it; those that don't count apart."""
    counted = [incident for incident in missed if incident.credible]
    others = [incident for incident in missed if not incident.credible]
    blocks: list[Block] = []
    if counted:
        blocks.append(_misses(inputs, "Incidents missed, each of them", counted))
    if others:
        table = _misses(
            inputs, "Missed, but not credible: no fix is named, or the alert doesn’t fit", others
        )
        label = f"{wording.number_of(len(others), 'missed incident')} that the gate doesn’t count"
        blocks.append(Fold(label, [table]))
    return blocks


def _misses(inputs: Inputs, caption: str, missed: list[IncidentOutcome]) -> Table:
    return Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Incident", wide=True),
            Column("Service"),
            Column("Severity"),
            Column("Began (UTC)"),
            Column("Time until a person knew", numeric=True),
            Column("Held by"),
        ],
        rows=[
            Row(
                [
                    _named(incident),
                    _service(incident),
                    name(wording.short(incident.severity, 40)) if incident.severity else NONE,
                    wording.moment(incident.starts),
                    _time_to_notice(incident),
                    _held_by(inputs, incident),
                ],
                strong=incident.credible,
            )
            for incident in missed
        ],
        note="Counted: no pager is told of it by one of its own alerts, nor by a page about its "
        "service while it lasts. A person knew when "
        "the ticket was opened.",
    )


def _time_to_notice(incident: IncidentOutcome) -> Text:
    if incident.heard_after_seconds is None:
        return join(icon("bad"), "not known")
    return wording.duration(incident.heard_after_seconds)


def _late(inputs: Inputs) -> Table:
    """Shares of incidents by how much later their first page comes."""
    rows = []
    for key, said in LATE:
        figure = inputs.figure(f"replay_rules.{key}")
        if figure is None or figure.value is None:
            continue
        count = round(figure.value * (figure.n or 0)) if figure.unit == "share" else figure.value
        share = figure.value if figure.unit == "share" else figure.value / max(figure.n or 0, 1)
        rows.append(
            Row(
                [
                    join(said, inputs.sources.figure_mark(figure.id)),
                    numbers.count(count),
                    numbers.count(figure.n),
                    numbers.percent(share),
                ]
            )
        )
    return Table(
        caption="First pages of incidents against today’s",
        columns=[
            Column("First page", wide=True),
            Column("Incidents", numeric=True),
            Column("Of how many", numeric=True),
            Column("Share", numeric=True),
        ],
        rows=rows,
    )


def _folds(
    inputs: Inputs, later: list[IncidentOutcome], found: list[IncidentOutcome]
) -> list[Block]:
    """Fold away what nobody needs at first sight."""
    little = [one for one in later if (one.delay_seconds or 0) <= MUCH_LATER]
    silent = [one for one in found if one.baseline_first_page is None]
    same = [
        one
        for one in found
        if one.baseline_first_page is not None and not one.missed and (one.delay_seconds or 0) <= 0
    ]
    blocks: list[Block] = []
    for incidents, what, caption in (
        (little, "notified later by at most 5 minutes", "Notified later by at most 5 minutes"),
        (same, "notified as early as today, or earlier", "Notified as early as today, or earlier"),
        (silent, "that today’s configuration misses too", "Not paged today"),
    ):
        if incidents:
            label = f"{wording.number_of(len(incidents), 'incident')} {what}"
            blocks.append(Fold(label, [_table(inputs, caption, incidents)]))
    return blocks


def _watched(inputs: Inputs) -> Prose:
    """Say what the rules that are in production, or in shadow, did on the newest days."""
    watched = inputs.watched
    mark = inputs.sources.mark(evidence_of("watch_rules"))
    if watched.released is None:
        text = "No rule set is released yet, so there was none to watch in production."
    elif watched.harmful_rules:
        did = "would have hidden" if watched.shadow else "hid"
        text = f"Rules of the released set {did} incidents of late: see the first chapter."
    else:
        did = "would have hidden" if watched.shadow else "hid"
        text = f"The released rule set {did} no incident of the last days."
    return Prose(join(text, _measured(watched), mark))


def _measured(watched: WatchDetails) -> str:
    effect = watched.effect
    if effect is None or watched.window is None:
        return ""
    first, last = (moment[:10] for moment in watched.window)
    where = (
        "is in shadow, in no file of Alertmanager or Prometheus: it would have saved"
        if watched.shadow
        else "is in production: it saved"
    )
    late = numbers.percent(effect.late_15m_share)
    counted = (
        f"of {wording.number_of(effect.incidents, 'credible incident')} it "
        f"{'would have ' if watched.shadow else ''}missed {effect.missed}, and {late} "
        f"{'would have been' if watched.shadow else 'were'} told more than 15 minutes later"
        if effect.incidents
        else "no credible incident was paged"
    )
    return (
        f" From {first} to {last}: {watched.released} {where} "
        f"{numbers.percent(effect.saved_share)} of the pager pages; {counted}."
    )


def _table(inputs: Inputs, caption: str, found: list[IncidentOutcome]) -> Table:
    return Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Incident", wide=True),
            Column("Service"),
            Column("First page, with the rules", numeric=True),
            Column("First page, today (UTC)"),
            Column("Held by"),
        ],
        rows=[
            Row(
                [
                    _named(incident),
                    _service(incident),
                    NONE
                    if incident.baseline_first_page is None
                    else wording.delay(incident.delay_seconds),
                    wording.moment(incident.baseline_first_page),
                    _held_by(inputs, incident),
                ]
            )
            for incident in found
        ],
    )


def _title(incident: IncidentOutcome) -> str:
    return wording.short(incident.title or incident.ticket, 100)


def _named(incident: IncidentOutcome) -> Text:
    """Title, and the ticket's id where there is a title beside it."""
    ticket = f" ({wording.short(incident.ticket, 60)})" if incident.title else ""
    guessed = " (linked by service and time)" if incident.assumed_link else ""
    by_service = "; told by a page about its service alone" if incident.told_by_service else ""
    return join(name(_title(incident)), name(ticket) if ticket else "", guessed, by_service)


def _service(incident: IncidentOutcome) -> Text:
    return name(wording.short(incident.service, 80)) if incident.service else NONE


def _held_by(inputs: Inputs, incident: IncidentOutcome) -> Text:
    """Alert names that were held, each leading to its rule; else the rules."""
    if not incident.names:
        shown = [inputs.rule_link(rule) for rule in incident.rules]
        return Markup(", ").join(shown) if shown else NONE
    links: list[Text] = []
    for alertname in incident.names:
        text = name(wording.short(alertname, 80))
        rules = [rule.id for rule in inputs.holds_of.get(alertname, [])]
        anchor = inputs.anchors.get(rules[0]) if rules else None
        links.append(link(anchor, text) if anchor else text)
    return Markup(", ").join(links)

"""Chapter "Incidents": what would be lost, and what would nearly be."""

from pipelines.base.artifacts import evidence_of
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.inputs import Inputs
from pipelines.reports.alert_rules.shapes import Incident
from pipelines.reports.blocks import (
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
    name,
)
from pipelines.reports.numbers import NONE


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    found = inputs.replayed.incidents
    lost = [one for one in found if one.lost]
    heard = [one for one in found if one.paged_today is not None and not one.lost]
    later = [one for one in heard if (one.delay_seconds or 0) > 0]
    same = [one for one in heard if (one.delay_seconds or 0) <= 0]
    silent = [one for one in found if one.paged_today is None]
    blocks: list[Block] = [_verdict(lost, later, heard)]
    if lost or later:
        caption = "Incidents lost or heard later, the worst first"
        blocks.append(_table(inputs, caption, [*lost, *later]))
    if same:
        label = f"{words.number_of(len(same), 'incident')} heard as early as today, or earlier"
        blocks.append(Fold(label, [_table(inputs, "Heard as early as today", same)]))
    if silent:
        label = f"{words.number_of(len(silent), 'incident')} that today’s configuration misses too"
        blocks.append(Fold(label, [_table(inputs, "Not paged today", silent)]))
    blocks.append(_watched(inputs))
    return Chapter("incidents", "Incidents: lost and nearly lost", blocks, "Incidents")


def _verdict(lost: list[Incident], later: list[Incident], heard: list[Incident]) -> Block:
    known = len(lost) + len(heard)
    if not known:
        return Callout(
            "open",
            "Nothing to judge by",
            "No ticketed incident of this window is paged today, so none could be lost.",
        )
    of = f"of {words.number_of(known, 'ticketed incident')} that page today"
    if lost:
        return Callout("bad", "Lost", f"Nobody would hear of {len(lost)} {of}.")
    if not later:
        return Callout("good", "None lost", f"None {of} is lost, and none is heard later.")
    verb = "is" if len(later) == 1 else "are"
    return Callout("good", "None lost", f"None {of} is lost; {len(later)} {verb} heard later.")


def _watched(inputs: Inputs) -> Prose:
    """Say what became of the rules that are in production already."""
    watched = inputs.watched
    mark = inputs.sources.mark(evidence_of("watch_rules"))
    if watched.released is None:
        told = "No rule set is released yet, so there was none to watch in production."
    elif watched.bad:
        told = "Rules of the released set hid incidents of late: see the first chapter."
    else:
        told = "The released rule set hid no incident of the last window."
    return Prose(join(told, mark))


def _table(inputs: Inputs, caption: str, found: list[Incident]) -> Table:
    return Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Incident"),
            Column("Heard later by", numeric=True),
            Column("First page today (UTC)"),
            Column("First page with the rules"),
            Column("By rule"),
        ],
        rows=[_row(inputs, one) for one in found],
    )


def _row(inputs: Inputs, one: Incident) -> Row:
    return Row(
        [
            name(words.short(one.ticket, 80)),
            _delay(one),
            words.moment(one.paged_today),
            words.moment(one.paged_with_rules),
            _rules(inputs, one.rules),
        ],
        strong=one.lost,
    )


def _delay(one: Incident) -> Text:
    if one.lost:
        return join(icon("bad"), "lost")
    return NONE if one.paged_today is None else words.duration(one.delay_seconds)


def _rules(inputs: Inputs, ids: list[str]) -> Text:
    shown: list[Text] = []
    for rule in ids:
        shown += [", ", inputs.rule_link(rule)] if shown else [inputs.rule_link(rule)]
    return join(*shown) if shown else NONE

"""Chapter "Candidates that were dropped": how many of which family, and why."""

import re
from collections import Counter

from markupsafe import Markup

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.inputs import Inputs
from pipelines.reports.blocks import (
    Block,
    Chapter,
    Column,
    Fold,
    Prose,
    Row,
    Table,
    Text,
    code,
    name,
)

_KINDS = (
    (re.compile(r"^incident .+ would be lost$", re.DOTALL), "an incident would be lost"),
    (re.compile(r"^incident .+ would be heard .+ later$", re.DOTALL),
     "an incident would be heard too late"),
    (re.compile(r"^the median incident would be heard .+ later$"),
     "the median incident would be heard too late"),
    (re.compile(r"^\d+ of \d+ incidents would be heard late$"),
     "too many incidents would be heard late"),
)  # fmt: skip
MOST_KINDS = 12
RENEWED = (
    "Rules that were mined again on later days stand among the dropped and the chosen only, so "
    "rows need not add up."
)


def kind_of(why: str) -> str:
    """Reason without the incident or figure that it names."""
    return next((kind for pattern, kind in _KINDS if pattern.match(why)), why)


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    dropped = inputs.selected.dropped
    blocks: list[Block] = [_families(inputs)]
    if dropped:
        blocks += [_reasons(inputs), _list(inputs)]
    else:
        blocks.append(Prose("Every candidate was chosen."))
    return Chapter("dropped", "Candidates tried, found and dropped", blocks, "Candidates")


def _families(inputs: Inputs) -> Table:
    chosen = Counter(done.rule.family for done in inputs.replayed.rules)
    dropped = Counter(one.family for one in inputs.selected.dropped)
    known = inputs.mined.families
    order = [*words.FAMILIES, *sorted(set(known) - set(words.FAMILIES))]
    rows = [
        Row(
            [
                words.family(family),
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
            Column("Held by statistics", numeric=True),
            Column("Dropped in the choice", numeric=True),
            Column("Chosen", numeric=True),
        ],
        rows=rows,
        note=RENEWED if inputs.renewed else "",
    )


def _reasons(inputs: Inputs) -> Table:
    counted = Counter((one.family, kind_of(one.why)) for one in inputs.selected.dropped)
    order = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        Row([name(words.short(why, 160)), words.family(family), numbers.count(n)])
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
    for one in sorted(dropped, key=lambda one: (one.why, one.rule)):
        reasons.setdefault(one.why, []).append(one.rule)
    table = Table(
        caption="Every dropped candidate",
        mark=inputs.sources.mark(evidence_of("select_rules")),
        small=True,
        columns=[Column("Why"), Column("Candidates", wide=True)],
        rows=[Row([name(words.short(why, 200)), _ids(ids)]) for why, ids in reasons.items()],
    )
    return Fold(f"All {words.number_of(len(dropped), 'dropped candidate')}", [table])


def _ids(ids: list[str]) -> Text:
    return Markup(", ").join(words.one_line(code(words.short(one, 60))) for one in ids)

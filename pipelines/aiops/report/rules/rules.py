"""Chapter "The rules": each in a sentence, what it rests on, where it went, three examples."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY, RuleOutcome
from pipelines.aiops.alerting.rules import Bound, Example, Matcher, Rule
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
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    code,
    join,
    link,
    name,
)

MOST_LABELS = 8
"""Labels of an example that are shown."""
LONG_MATCHER = 200
MOST_DIGITS = 9
TO_DO = (
    "A person has to set them by hand. Until then the figures of this report, which count them in, "
    "are too good."
)
FEW = 6
"""Points that are listed without folding them away."""


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the rules, by family.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    done = inputs.replayed.rules
    blocks: list[Block] = [_introduction(inputs), *_by_hand(inputs)]
    known = [
        known_family
        for known_family in wording.FAMILIES
        if any(d.rule.family == known_family for d in done)
    ]
    others = sorted({d.rule.family for d in done} - set(wording.FAMILIES))
    for family in [*known, *others]:
        blocks.append(_family(inputs, family, [d for d in done if d.rule.family == family]))
    blocks.append(_configuration(inputs))
    return Chapter("rules", f"The rules ({len(done)})", blocks, "The rules")


def _introduction(inputs: Inputs) -> Prose:
    supports = [done.rule.support for done in inputs.replayed.rules]
    days = ""
    if supports:
        first, last = (
            min(support.first for support in supports),
            max(support.last for support in supports),
        )
        days = f"Mined from {wording.day(first)} to {wording.day(last)} (UTC). "
    return Prose(
        f"{days}“Stretches” are separate occasions, so that one bad "
        "afternoon with a thousand alerts counts once. Confidence is high because every bound "
        "already pays for the number of candidates that were tried. A rule applies only to "
        "names and label values that the history knows: what is new pages. "
        "After its last day a rule must be proven anew."
    )


def _by_hand(inputs: Inputs) -> list[Block]:
    left = [placed for placed in inputs.exported.rules if not placed.exported]
    if not left:
        return []
    reasons: dict[str, list[str]] = {}
    for placed in left:
        reasons.setdefault(wording.short("; ".join(placed.reasons), 300), []).append(placed.id)
    shown = [
        join(name(why), ": ", Markup(", ").join(inputs.rule_link(rule) for rule in ids))
        for why, ids in reasons.items()
    ]
    listed = Items(shown)
    few = len(shown) <= FEW
    label = f"{wording.number_of(len(left), 'rule')} could not be exported"
    return [Callout("open", label, TO_DO),
            listed if few else Fold("Which, and why", [listed])]  # fmt: skip


def _family(inputs: Inputs, family: str, done: list[RuleOutcome]) -> Section:
    mark = inputs.sources.mark(evidence_of("replay_rules"), evidence_of("export_rules"))
    title = wording.family(family)
    measures = {outcome.rule.bound.measures for outcome in done}
    common = measures.pop() if len(measures) == 1 else ""
    head: list[Block] = [Prose(f"Bound on: {common}.", quiet=True)] if common else []
    table = Table(
        caption=f"{wording.number_of(len(done), 'rule')}, in the order in which they were chosen",
        mark=mark,
        columns=[
            Column("Rule", wide=True),
            Column("Pages saved, estimate", numeric=True),
            Column("Alerts touched", numeric=True),
            Column("Evidence", wide=True),
            Column("Last day; exported to"),
        ],
        rows=[_row(inputs, outcome, common) for outcome in done],
    )
    details = Fold(
        "What each matches, and three example episodes of each", [_matches(inputs, done),
                                                                 _examples(inputs, done)]
    )  # fmt: skip
    return Section(f"family-{family}", title, [*head, table, details])


def _row(inputs: Inputs, done: RuleOutcome, common: str) -> Row:
    rule = done.rule
    team = join(" · team ", name(wording.short(rule.team, 60))) if rule.team else ""
    return Row(
        anchor=inputs.anchors[rule.id],
        cells=[
            join(name(rule.sentence), " ", code(rule.id), team),
            numbers.count(done.pages_saved),
            numbers.count(done.alerts),
            join(_support(rule), Markup("<br>"), _bound(rule.bound, common)),
            join(
                wording.one_line(rule.expires.isoformat()), Markup("<br>"), _where(inputs, rule.id)
            ),
        ],
    )


def _support(rule: Rule) -> str:
    support = rule.support
    days = wording.number_of(support.days, "day")
    return f"{days}, {wording.number_of(support.episodes, 'episode')}"


def _bound(bound: Bound, common: str) -> Text:
    parts = []
    if bound.low is not None:
        parts.append(f"at least {numbers.percent(bound.low)}")
    if bound.high is not None:
        parts.append(f"at most {numbers.percent(bound.high)}")
    said = " and ".join(parts) or "no bound"
    level = _level(bound.level)
    tried = numbers.count(bound.tried)
    what = join(name(bound.measures), ": ") if not common else ""
    return join(
        what,
        f"{said}, found {numbers.percent(bound.value)} of {numbers.count(bound.n)}; "
        f"{level} confidence, {tried} tried",
    )


def _level(level: float) -> str:
    """Level in per cent, rounded down, with the digits that tell it from certainty."""
    if not 0 < level < 1:
        return f"{level * 100:g}%"
    digits = min(max(-math.floor(math.log10(1 - level) + 1e-9) - 2, 0), MOST_DIGITS)
    return f"{math.floor(level * 100 * 10**digits + 1e-6) / 10**digits:.{digits}f}%"


def _where(inputs: Inputs, rule_id: str) -> Text:
    placed = inputs.placed.get(rule_id)
    if placed is None:
        return "not exported"
    files = dict.fromkeys(location.partition(": ")[0] for location in placed.locations)
    if placed.exported:
        shown = [name(wording.short(file, 80)) for file in files]
        return Markup(", ").join(shown) if shown else "exported"
    why = name(wording.short("; ".join(placed.reasons), 200))
    return join("not exported: ", why)


def _matches(inputs: Inputs, done: list[RuleOutcome]) -> Table:
    return Table(
        caption="What each matches, as Alertmanager writes it",
        small=True,
        columns=[Column("Rule"), Column("All of", wide=True)],
        rows=[
            Row([_link(inputs, outcome.rule), _matchers(outcome.rule.matchers)]) for outcome in done
        ],
        note=join(
            f"Values are cut after {LONG_MATCHER} characters; in full they stand in ",
            code("rules/rule_set.json"),
            ".",
        ),
    )  # fmt: skip


def _matchers(matchers: Sequence[Matcher]) -> Text:
    if not matchers:
        return "every alert"
    shown: list[Text] = []
    for m in matchers:
        text = f"{wording.short(m.label, 80)}{m.op}{wording.short(m.value, LONG_MATCHER)!r}"
        shown += [" ", code(text)] if shown else [code(text)]
    return join(*shown)


def _examples(inputs: Inputs, done: list[RuleOutcome]) -> Table:
    said = {example.sentence for outcome in done for example in outcome.rule.examples}
    common = said.pop() if len(said) == 1 else ""
    rows = []
    for outcome in done:
        fixed = {m.label for m in outcome.rule.matchers if m.op == "="}
        for number, example in enumerate(outcome.rule.examples):
            first = _link(inputs, outcome.rule) if number == 0 else ""
            last = [] if common else [name(wording.short(example.sentence, 120))]
            rows.append(Row([first, *_example(example, fixed), *last]))
    return Table(
        caption=join("Example episodes", ": " if common else "", name(common) if common else ""),
        small=True,
        columns=[
            Column("Rule"),
            Column("Began (UTC)"),
            Column("Lasted"),
            Column("Labels that the rule leaves open", wide=True),
            *([] if common else [Column("What it shows")]),
        ],
        rows=rows,
        note="From the beginning, the middle and the end of the history.",
    )


def _example(example: Example, fixed: set[str]) -> list[Text]:
    labels = {k: v for k, v in sorted(example.labels.items()) if k not in fixed}
    more = len(labels) - MOST_LABELS
    shown = [
        f"{wording.short(key, 60)}={wording.short(value, 80)}"
        for key, value in list(labels.items())[:MOST_LABELS]
    ]
    if more > 0:
        shown.append(f"and {more:,} more")
    lasted = (
        wording.duration((example.ends_at - example.starts_at).total_seconds())
        if example.ends_at
        else "still firing"
    )
    return [wording.moment(example.starts_at), lasted, name(", ".join(shown))]


def _link(inputs: Inputs, rule: Rule) -> Text:
    return link(inputs.anchors[rule.id], code(rule.id))


def _configuration(inputs: Inputs) -> Section:
    baseline = inputs.params.export_rules.alertmanager_yml
    lines = wording.number_of(inputs.summary.changed_lines, "line")
    items: list[Text] = [
        join(
            "Merged into ",
            code(baseline) if baseline else "Alertmanager’s documented defaults",
            f": {lines} added or taken out. The difference to review is ",
            code("rules/export/changes.diff"),
            inputs.sources.mark(EXPORT_SUMMARY),
            ".",
        )
    ]
    items.append(
        join(
            "Checked by ",
            code("amtool"),
            " and ",
            code("promtool"),
            " where they are installed (the export stops at a file that they refuse), and read "
            "back by Signalbox: it means what was proven here.",
        )
    )
    pagerduty = inputs.summary.pagerduty
    items.append(
        f"PagerDuty’s event orchestration expresses {wording.number_of(pagerduty.rules, 'rule')}, "
        f"{len(pagerduty.weaker):,} of them without all of their guards; "
        f"{len(pagerduty.not_expressed):,} it cannot."
    )
    return Section("configuration", "As configuration", [Items(items)])

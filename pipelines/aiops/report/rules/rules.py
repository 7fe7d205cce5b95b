"""Chapters about the rules: when a held alert pages, what each name touched, what was left out."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import (
    EXPORT_SUMMARY,
    NameOutcome,
    RuleOutcome,
)
from pipelines.aiops.alerting.rules import Bound, Example, HoldRule, Matcher, Rule
from pipelines.aiops.lake.feedback import harmful_names, precision
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs, told_at_once, values_of
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
    identifier,
    join,
    link,
    name,
)

MOST_LABELS = 8
"""Labels of an example that are shown."""
LONG_MATCHER = 200
MOST_DIGITS = 9
MOST_NAMES = 15
"""Alert names that are shown without folding them away."""
TO_DO = (
    "They change nothing until a person sets them by hand: the figures of the exported files don’t "
    "count them."
)
FEW = 6
"""Points that are listed without folding them away."""


def paging_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter that says in words when a held alert pages.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    title, short = "What makes a held alert page", "When a held alert pages"
    if not inputs.holding:
        return Chapter("paging", title, [Prose("No rule holds an alert.")], short)
    rule = inputs.holding[0]
    return Chapter(
        "paging",
        title,
        [
            Prose(
                "Held are alerts of the names and services below: noisy ones, of which most are "
                f"over by themselves. {told_at_once(inputs.holding)} "
                "The pager is told as soon as there is a reason:"
            ),
            _reasons(rule),
            Prose(_one_page(rule)),
            Prose(
                "Everything else pages at once as today: names that page rarely, services and "
                "label values that the history doesn’t know, and whatever no rule lists."
            ),
            Fold("The nine rules of Prometheus, in the order of evaluation", [_nine(rule)]),
        ],
        short,
    )


def _reasons(rule: HoldRule) -> Table:
    lasts, fresh = wording.duration(rule.wait_seconds), wording.duration(rule.fresh_seconds)
    again = wording.duration(rule.again_seconds)
    return Table(
        caption="Reasons to page, the first that holds",
        columns=[Column("Reason"), Column("In words", wide=True), Column("Pages")],
        rows=[
            Row(
                [
                    "Company",
                    f"{rule.names} alert names or more, held or not, began on its service within "
                    f"{fresh}.",
                    "at once",
                ]
            ),
            Row(
                [
                    "Instances",
                    f"It began on {rule.instances} instances or more of its service within "
                    f"{fresh}.",
                    "at once",
                ]
            ),
            Row(
                [
                    "Storm",
                    f"One alert name began on {rule.services} services or more within "
                    f"{wording.duration(rule.storm_seconds)}, anywhere in the company; this alert "
                    f"began within {fresh}.",
                    "at once",
                ]
            ),
            Row(["Back again", f"It began twice within {again}.", "at its second beginning"]),
            Row(
                [
                    "More than usual",
                    f"In {wording.duration(rule.rate_seconds)} it began on its service "
                    f"{rule.rise} times, and {rule.rise} times more for each time that is usual: "
                    f"in the {wording.duration(rule.rate_seconds * rule.usual_rates)} before the "
                    "last.",
                    "at once",
                ]
            ),
            Row(["It lasts", "It is still firing.", f"after {lasts}"]),
        ],
    )


def _one_page(rule: HoldRule) -> str:
    window = wording.duration(rule.window_seconds)
    return (
        f"Then the service has one page for each pager and {window}, counted from the onset, the "
        "moment of that page. The page names every alert that fires on the service, since when and "
        "on how many instances. A second page within that time takes "
        f"{rule.names + 1} alerts in company, or one "
        f"on {rule.instances} instances, of which none before told in company. Pages of several "
        "services that begin at the same evaluation are one notification."
    )


def _nine(rule: HoldRule) -> Table:
    """Each rule as whoever reads the file at night needs it."""
    fresh, again = wording.duration(rule.fresh_seconds), wording.duration(rule.again_seconds)
    window, lasts = wording.duration(rule.window_seconds), wording.duration(rule.wait_seconds)
    words = (
        ("signalbox:held", "A held alert is firing: one series for each alert name, service and "
         "pager."),
        ("signalbox:since", "Since when it has been firing without a gap."),
        ("signalbox:started", "It began just now."),
        ("signalbox:fresh", "On how many instances each alert name of a service, held or not, "
         f"began within the last {fresh}."),
        ("signalbox:several", f"Held alerts that don’t come alone: {rule.names} names began on the "
         f"service, or {rule.instances} instances of one name; in a storm, a name on "
         f"{rule.services} services at once, all that began lately."),
        ("signalbox:due", "Held alerts with a reason to page: they don’t come alone, they have "
         f"lasted {lasts}, they began twice within {again}, or they began {rule.rise} times "
         "as often as is usual."),
        ("signalbox:onset", "When a service’s page began: now, if something is due that no page of "
         f"the last {window} told of, or if company came that none told of."),
        ("signalbox:told", "What a page has told: in company or alone. Nothing is told twice for "
         "as long as it goes on."),
        ("SignalboxPage", "The page: one for each onset, with the service, the alerts that fire on "
         "it, since when and on how many instances, and which chat was told at once."),
    )  # fmt: skip
    return Table(
        caption="Rules of the group signalbox-hold, over the series ALERTS; no rule of yours "
        "changes",
        columns=[Column("Rule"), Column("In words", wide=True)],
        rows=[Row([identifier(record), said]) for record, said in words],
    )


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the rules: held alert names, and known fixes.

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
    blocks: list[Block] = [*_names(inputs), *_by_hand(inputs)]
    if done:
        blocks.append(_introduction(inputs))
    known = [
        family for family in wording.FAMILIES if any(each.rule.family == family for each in done)
    ]
    blocks += [
        _family(inputs, family, [each for each in done if each.rule.family == family])
        for family in known
    ]
    blocks.append(_configuration(inputs))
    return Chapter("rules", f"The rules ({len(done)})", blocks, "The rules")


def _names(inputs: Inputs) -> list[Block]:
    """List what each held alert name touched on the judged windows."""
    found = [each for each in inputs.replayed.names if each.held or each.value in inputs.holds_of]
    if not found:
        return []
    ordered = sorted(found, key=lambda each: (not each.missed, -each.saved, each.value))
    shown, rest = ordered[:MOST_NAMES], ordered[MOST_NAMES:]
    blocks: list[Block] = [_names_table(inputs, shown, "Held alert names, what each touched")]
    if rest:
        label = f"{wording.number_of(len(rest), 'more held alert name')}, which save less"
        blocks.append(Fold(label, [_names_table(inputs, rest, "Further held alert names")]))
    return blocks


def _names_table(inputs: Inputs, found: Sequence[NameOutcome], caption: str) -> Table:
    days = inputs.days
    return Table(
        caption=caption,
        mark=inputs.sources.mark(evidence_of("replay_rules")),
        columns=[
            Column("Alert name"),
            Column("Pager pages a week", numeric=True),
            Column("of these at night", numeric=True),
            Column("Alerts held", numeric=True),
            Column("Median length", numeric=True),
            Column("Incidents touched", numeric=True),
            Column("later than 1 min", numeric=True),
            Column("missed", numeric=True),
            Column("Services", numeric=True),
        ],
        rows=[
            Row(
                [
                    _to_rule(inputs, each.value),
                    _arrow(each.baseline, each.candidate, days),
                    _arrow(each.baseline_night, each.candidate_night, days),
                    f"{numbers.count(each.held)} of {numbers.count(each.alerts)}",
                    wording.duration(each.median_seconds),
                    numbers.count(each.incidents),
                    numbers.count(each.delayed),
                    numbers.count(each.missed),
                    _services(inputs, each.value),
                ],
                strong=bool(each.missed),
            )
            for each in found
        ],
        note="Pages: today → with the rules; a page about several names is shared out among them. "
        "Incidents touched: tickets, credible or not, that today are paged and one of whose alerts "
        "was held; of them those told later than today by more than a minute, and those missed.",
    )


def _arrow(before: float, after: float, days: float) -> Text:
    """Write pages a week, today and with the rules, on one line."""
    shown = (wording.per_week(each, days) for each in (before, after))
    return wording.one_line(f"{wording.SPACE}→{wording.SPACE}".join(shown))


def _to_rule(inputs: Inputs, alertname: str) -> Text:
    shown = identifier(wording.short(alertname, 120))
    rules = inputs.holds_of.get(alertname)
    return link(inputs.anchors[rules[0].id], shown) if rules else shown


def _services(inputs: Inputs, alertname: str) -> str:
    """Count the services that rules of this set hold a name for; each stands in its matchers."""
    rules = inputs.holds_of.get(alertname, [])
    return numbers.count(len({s for rule in rules for s in values_of(rule, rule.service_label)}))


def _introduction(inputs: Inputs) -> Prose:
    supports = [done.rule.support for done in inputs.replayed.rules]
    first = min(support.first for support in supports)
    last = max(support.last for support in supports)
    return Prose(
        f"Mined from {wording.day(first)} to {wording.day(last)} (UTC). A rule applies only to "
        "names and label values that the history knows: what is new pages. After its last day a "
        "rule must be proven anew."
    )


def _by_hand(inputs: Inputs) -> list[Block]:
    left = [
        placed
        for placed in inputs.exported.rules
        if not placed.exported and placed.family != "known_fix"  # changes no configuration
    ]
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
    done = sorted(done, key=lambda each: (-each.pages_saved, each.rule.id))
    measures = {outcome.rule.bound.measures for outcome in done}
    common = measures.pop() if len(measures) == 1 else ""
    head: list[Block] = [Prose(f"Bound on: {common}.", quiet=True)] if common else []
    holds = family == "hold"
    number = wording.number_of(len(done), "rule")
    table = Table(
        caption=f"{number}, those that save most first" if holds else number,
        mark=mark,
        columns=[
            Column("Rule", wide=True),
            *([Column("Pages saved, estimate", numeric=True)] if holds else []),
            Column("Alerts held" if holds else "Alerts touched", numeric=True),
            Column("Evidence", wide=True),
            Column("Last day; exported to"),
        ],
        rows=[_row(inputs, outcome, common) for outcome in done],
    )
    details = Fold(
        "What each matches, and three example episodes of each", [_matches(inputs, done),
                                                                 _examples(inputs, done)]
    )  # fmt: skip
    if len(done) > MOST_NAMES:
        label = f"{wording.number_of(len(done), 'rule')}: sentence, evidence, last day, files"
        return Section(f"family-{family}", title, [Fold(label, [*head, table]), details])
    return Section(f"family-{family}", title, [*head, table, details])


def _row(inputs: Inputs, done: RuleOutcome, common: str) -> Row:
    rule = done.rule
    team = join(" · team ", name(wording.short(rule.team, 60))) if rule.team else ""
    return Row(
        anchor=inputs.anchors[rule.id],
        cells=[
            join(name(rule.sentence), " ", code(rule.id), team),
            *([numbers.count(done.pages_saved)] if isinstance(rule, HoldRule) else []),
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
    tried = f", {numbers.count(bound.tried)} tried" if bound.tried > 1 else ""
    what = join(name(bound.measures), ": ") if not common else ""
    return join(
        what,
        f"{said}, found {numbers.percent(bound.value)} of {numbers.count(bound.n)}; "
        f"{level} confidence{tried}",
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
    if inputs.holding:
        held = wording.number_of(inputs.summary.pagerduty.rules, "rule")
        judged = link("pagerduty", "judged by itself")
        items.append(join(f"PagerDuty’s form holds {held}; it is ", judged, "."))
    return Section("configuration", "As configuration", [Items(items)])


def people_chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about what people say of rules, and of what their alerts belonged to.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter
        Numbers of people a rule, and how often each detector is right.
    """
    title, short = "What people say", "What people say"
    judged = inputs.judged
    if not judged:
        nobody = (
            "Nobody has judged a rule, a finding or an incident yet. In Airflow’s menu, Signalbox "
            "asks beside each of them."
        )
        return Chapter("people", title, [Prose(nobody)], short)
    spared = harmful_names(judged)
    blocks: list[Block] = [_people_of_rules(inputs), _people_of_detectors(inputs)]
    if spared:
        said = join("No rule holds ", names_of(spared), ": people say that a rule held one of them "
                    "that should have paged.")  # fmt: skip
        blocks.insert(0, Callout("open", "Held in vain", said))
    return Chapter("people", title, blocks, short)


def names_of(alerts: Sequence[str]) -> Text:
    """List alert names, a few at most."""
    more = f" and {len(alerts) - FEW} more" if len(alerts) > FEW else ""
    return join(Markup(", ").join(name(wording.short(each, 60)) for each in alerts[:FEW]), more)


def _people_of_rules(inputs: Inputs) -> Block:
    """Count answers a rule: of the rule itself, and of what has an alert of its names."""
    of_rule = {each.subject: each for each in inputs.judged if each.about == "rule"}
    others = [each for each in inputs.judged if each.about != "rule"]
    held = {rule.id: frozenset(values_of(rule, "alertname")) for rule in inputs.holding}
    held |= {id_: frozenset(said.names) for id_, said in of_rule.items() if id_ not in held}
    rows = []
    for rule_id, alerts in sorted(held.items()):
        said = of_rule.get(rule_id)
        about = [each for each in others if alerts & set(each.names)]
        if said is None and not about:
            continue
        of_them = [sum(getattr(each, verdict) for each in about)
                   for verdict in ("right", "wrong_cause", "noise")]  # fmt: skip
        of_it = [said.right, said.harmful] if said else [0, 0]
        rows.append(
            Row([inputs.rule_link(rule_id), *(numbers.count(n) for n in (*of_it, *of_them))])
        )
    if not rows:
        return Prose("Nobody has judged a rule, or anything that has alerts of one.")
    labels = ("It holds noise", "It held what should have paged", "Right", "Wrong cause", "Noise")
    return Table(
        caption="Answers a rule, each person’s last",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[Column("Rule", wide=True), *(Column(label, numeric=True) for label in labels)],
        rows=rows,
        note="The last three columns: of incidents and findings with alerts of its names.",
    )


def _people_of_detectors(inputs: Inputs) -> Block:
    """Say how much of what each detector found is right."""
    found = precision(inputs.judged)
    if not found:
        return Prose("Nobody has judged an incident or a finding.")
    return Table(
        caption="How much of what was found is right",
        mark=inputs.sources.mark(evidence_of("mine_rules")),
        columns=[Column("Detector", wide=True), Column("Judged", numeric=True),
                 Column("Right", numeric=True), Column("Share", numeric=True),
                 Column("Interval", numeric=True)],
        rows=[
            Row([
                name(each.detector) if each.detector else "all",
                numbers.count(each.judged),
                numbers.count(each.right),
                numbers.percent(each.share),
                f"{numbers.percent(each.low)} to {numbers.percent(each.high)}",
            ])
            for each in found
        ],
        note="Incidents and findings, each once, by what most people say; Wilson, 95%. Whoever "
        "judges chooses what to judge, so it needn’t hold for the rest.",
    )  # fmt: skip

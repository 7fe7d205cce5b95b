"""What stands above the chapters, and the first of them: harmful rules, and what to do next."""

import json
from dataclasses import replace

from markupsafe import Markup

from pipelines.aiops.alerting.evidence import HarmfulRuleDetails
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Figure
from pipelines.reporting import decision as gate
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Code,
    Column,
    Facts,
    Fold,
    Headline,
    Prose,
    Row,
    Table,
    Text,
    Tone,
    code,
    icon,
    identifier,
    join,
    link,
    name,
    strong,
)
from pipelines.reporting.blocks import names as listed
from pipelines.reporting.numbers import NONE
from pipelines.reporting.page import Banner

SYNTHETIC = (
    "The alerts, tickets and people of this report are simulated: Signalbox made them up so that "
    "the pipeline can be seen at work. No figure here says anything about a real system."
)
Item = tuple[Text, Text, Text]


def banner(inputs: Inputs, decided: gate.Decision) -> Banner:
    """Build the banner with the decision; a rule that hid an incident comes before all else.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    decided : Decision
        The gate's decision.

    Returns
    -------
    Banner
        The banner.
    """
    made = gate.banner(decided, "rule set")
    harmful = inputs.watched.harmful_rules
    if not harmful:
        return made
    shadow = inputs.watched.shadow
    rules = wording.number_of(len(harmful), "rule" if shadow else "published rule")
    sentence = join(
        strong(f"{rules} {'in shadow would have done' if shadow else 'did'} harm"),
        " and should be withdrawn: see ",
        link("harmful-rules", "the first chapter"),
        ".",
    )
    tone: Tone = "open" if decided.decision == "approve" else made.tone
    return replace(made, tone=tone, sentences=[sentence, *made.sentences])


def notice(inputs: Inputs) -> tuple[str, Text]:
    """Return the label and text of what a reader must know about the data.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    (str, Text)
        Label and text; the text may be "".
    """
    said = inputs.params.report_rules.notice
    if inputs.synthetic:
        return "Synthetic data", " ".join(part for part in (SYNTHETIC, said) if part)
    return "About the data", said


def facts(inputs: Inputs) -> Facts:
    """List who answers for the rules and what they are for.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Facts
        Facts above the chapters.
    """
    report = inputs.params.report_rules
    return Facts(
        [
            ("Purpose", report.purpose),
            ("Not for", report.not_for),
            ("Owner", report.owner),
            ("Contact", report.contact),
        ]
    )


def headline(inputs: Inputs) -> Headline:
    """Build the headline figures: pager pages a week, those at night, missed, late.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Headline
        The figures.
    """
    return Headline([_pages(inputs), _nights(inputs), _missed(inputs), _late(inputs)])


def _change(inputs: Inputs, before: float | None, after: float | None) -> str:
    return f"{wording.per_week(before, inputs.days)} → {wording.per_week(after, inputs.days)}"


def _pages(inputs: Inputs) -> Item:
    before, after = (
        inputs.value(f"replay_rules.{which}_pages") for which in ("baseline", "candidate")
    )
    saved = inputs.figure("replay_rules.saved_share")
    return (
        "Pager pages a week",
        _change(inputs, before, after),
        _with_interval(inputs, saved, "fewer, today → with the rules"),
    )


def _nights(inputs: Inputs) -> Item:
    title = f"Of these at night, {wording.NIGHT}"
    mark = inputs.sources.mark(evidence_of("replay_rules"))
    if inputs.nights is None:
        return title, numbers.NONE, join("no pager is sent anything", mark)
    before, after = inputs.nights
    change = wording.change(before, after)
    return title, _change(inputs, before, after), join(f"a week, UTC; {change}", mark)


def _missed(inputs: Inputs) -> Item:
    missed, share = inputs.figure("replay_rules.missed"), inputs.figure("replay_rules.missed_share")
    mark = inputs.sources.figure_mark("replay_rules.missed_share")
    if missed is None or share is None or share.value is None:
        why = share.missing if share else "not measured"
        return "Incidents missed", numbers.NONE, join(why, mark)
    level = numbers.level(share.level)
    bound = f"of credible ones, at most {numbers.percent(share.high)} with {level} confidence"
    text = f"{numbers.count(missed.value)} of {numbers.count(share.n)}"
    shown = join(icon("bad"), text) if missed.value else text
    return "Incidents missed", shown, join(bound, mark)


def _late(inputs: Inputs) -> Item:
    title, late = "Later than 5 minutes", inputs.figure("replay_rules.late_5m_share")
    longest = inputs.figure("replay_rules.longest_delay")
    mark = inputs.sources.figure_mark("replay_rules.late_5m_share")
    if late is None or late.value is None:
        return title, numbers.NONE, join(late.missing if late else "not measured", mark)
    most = wording.delay(longest.value if longest else None)
    return title, numbers.percent(late.value), join(
        f"of {numbers.count(late.n)} incidents’ first pages; at the worst {most}", mark
    )  # fmt: skip


def _with_interval(inputs: Inputs, figure: Figure | None, of: str) -> Text:
    if figure is None:
        return of
    mark = inputs.sources.figure_mark(figure.id)
    if figure.value is None:
        return join(figure.missing, mark)
    shown = f"{numbers.figure_value(figure)} {of}"
    if figure.low is not None:
        interval = numbers.figure_interval(figure)
        shown += f"; {numbers.level(figure.level)} interval {interval}"
    return join(shown, mark)


def next_step(inputs: Inputs, decided: gate.Decision) -> Chapter:
    """Build the chapter that says what to do now, whatever the gate decided.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.
    decided : Decision
        The gate's decision.

    Returns
    -------
    Chapter
        The chapter.
    """
    blocks: list[Block] = []
    if not inputs.enough:
        blocks.append(_too_few(inputs))
    if decided.decision == "reject":
        blocks += _smaller_set(inputs)
    elif inputs.replayed.rules and inputs.enough:
        blocks.append(
            Prose(
                "Read which incidents would be late or missed, choose the wait from the curve, and "
                "approve or not. After the release every scheduled run judges the published rules "
                "on the days since."
            )
        )
    if decided.decision != "reject" and inputs.replayed.smaller_set:
        label = "If what is missed is too much: the guilty alert names, and a smaller set"
        blocks.append(Fold(label, _smaller_set(inputs)))
    if not blocks:
        blocks.append(Prose("There is no rule to release: go on recording alerts and tickets."))
    return Chapter("next-step", "What to do next", blocks, "Next step")


def _too_few(inputs: Inputs) -> Callout:
    """Propose what can be done before there are enough incidents to judge by."""
    known = wording.number_of(inputs.selected.credible_incidents, "credible incident")
    minutes = inputs.params.select_rules.short_wait_seconds / 60
    wait = inputs.selected.wait_seconds
    return Callout(
        "open",
        "Too few incidents",
        join(
            f"The history has {known}, fewer than the {inputs.needed} that a judgement needs; that "
            "alone is no rejection. Proposed: structure now (one page per service and storm, hold "
            f"≤ {minutes:g} minutes), the rest in shadow, judged every week until {inputs.needed} "
            "are known.",
            f" Every rule of this set holds for {wording.duration(wait)}." if wait else "",
            inputs.sources.mark(evidence_of("select_rules")),
        ),
    )


def _smaller_set(inputs: Inputs) -> list[Block]:
    """Name what hid incidents, and the set without it."""
    smaller = inputs.replayed.smaller_set
    if smaller is None or not smaller.guilty:
        return [
            Prose(
                "No alert name is the cause of a missed credible incident: see the "
                "checks that failed for what has to change."
            )
        ]
    mark = inputs.sources.mark(evidence_of("replay_rules"))
    outcome, names = smaller.outcome, wording.number_of(len(smaller.guilty), "alert name")
    missed = f"{numbers.count(outcome.missed)} of {numbers.count(outcome.incidents)}"
    proposed = Callout(
        "info",
        "Proposed: a smaller set",
        join(
            f"Without the {names} below: {wording.per_week(outcome.pages, inputs.days)} pager "
            f"pages a week, {numbers.percent(outcome.saved_share)} fewer than today, {missed} "
            "incidents missed. It was chosen on the very days that found these names guilty, so "
            "they can’t prove it: to be judged on coming weeks.",
            mark,
        ),
    )
    table = Table(
        caption="Guilty: alert names whose hold hid a counted incident",
        mark=mark,
        columns=[
            Column("Alert name"),
            Column("Incidents missed", wide=True),
            Column("Rules"),
        ],
        rows=[_guilty(inputs, alertname) for alertname in smaller.guilty],
    )
    entries = [
        "    - {" + ", ".join(f"{key}: {_yaml(value)}" for key, value in entry.items()) + "}"
        for entry in smaller.exclude
    ]
    lines = ["aiops:", "  mine_rules:", "    exclude:", *entries]
    return [proposed, table, Code(lines, "To leave them out, in params.yaml; then run again")]


def _yaml(value: str) -> str:
    """Write a text so that YAML reads it as it is: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _guilty(inputs: Inputs, alertname: str) -> Row:
    hid = [
        wording.short(each.title or each.ticket, 100)
        for each in inputs.replayed.missed
        if alertname in each.names
    ]
    rules = [inputs.rule_link(rule.id) for rule in inputs.holds_of.get(alertname, [])]
    return Row(
        [
            identifier(wording.short(alertname, 120)),
            listed(hid) if hid else NONE,
            Markup(", ").join(rules) if rules else NONE,
        ]
    )


def harmful_rules_chapter(inputs: Inputs) -> Chapter | None:
    """Build the chapter about rules, published or in shadow, that hid an incident.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Chapter or None
        None if there are none.
    """
    harmful = inputs.watched.harmful_rules
    if not harmful:
        return None
    shadow = inputs.watched.shadow
    verb = "would be" if shadow else "is" if len(harmful) == 1 else "are"
    rules = wording.number_of(len(harmful), "rule" if shadow else "published rule")
    return Chapter(
        anchor="harmful-rules",
        title="Withdraw: harmful rules",
        short="Harmful rules",
        blocks=[
            Callout(
                "bad",
                "Withdraw",
                f"{rules} {'in shadow ' if shadow else ''}{verb} the cause of "
                "missed or late pages: without them, these incidents would have paged, or earlier.",
            ),
            Prose(
                "Found by replaying the last days of the history twice: with today’s "
                "configuration alone and with the released rules."
            ),
            Table(
                caption="Rules to withdraw, the worst first",
                mark=inputs.sources.mark(evidence_of("watch_rules")),
                columns=[
                    Column("What happened", wide=True),
                    Column("Incidents missed"),
                    Column("Incidents notified late: a person had found them"),
                    Column("Sole cause"),
                    Column("To withdraw it"),
                ],
                rows=[_row(harmful_rule) for harmful_rule in harmful],
            ),
        ],
    )


def _row(harmful_rule: HarmfulRuleDetails) -> Row:
    return Row(
        [
            name(harmful_rule.sentence),
            _tickets(harmful_rule.missed),
            _tickets(harmful_rule.late),
            "yes" if harmful_rule.sole_cause else "no, with other rules",
            code(harmful_rule.command),
        ],
        strong=bool(harmful_rule.missed),
    )


def _tickets(tickets: list[str]) -> Text:
    return listed([wording.short(ticket, 60) for ticket in tickets]) if tickets else NONE

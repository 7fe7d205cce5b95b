"""What stands above the chapters, and the first of them: published rules that hid an incident."""

from dataclasses import replace

from pipelines.aiops.alerting.evidence import HarmfulRuleDetails
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import Inputs
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Figure
from pipelines.reporting import decision as gate
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Callout,
    Chapter,
    Column,
    Facts,
    Headline,
    Prose,
    Row,
    Table,
    Text,
    Tone,
    code,
    icon,
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
    sentence = join(
        strong(f"{wording.number_of(len(harmful), 'published rule')} did harm"),
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
    """Build the headline figures: pages a day, saved, missed, delayed.

    Parameters
    ----------
    inputs : Inputs
        Everything the pages are made from.

    Returns
    -------
    Headline
        The figures.
    """
    return Headline([_pages(inputs), _saved(inputs), _missed(inputs), _delay(inputs)])


def per_day(pages: float | None, days: float) -> str:
    """Write pages a day; with a decimal where there are few.

    Parameters
    ----------
    pages : float or None
        Number of pages, None if not known.
    days : float
        Length of the window, days.

    Returns
    -------
    str
        Number, or a dash.
    """
    if pages is None or days <= 0:
        return numbers.NONE
    rate = pages / days
    return numbers.decimal(rate, 1) if rate < 100 else numbers.count(rate)


def _pages(inputs: Inputs) -> Item:
    span = inputs.replayed.window
    before, after = (
        inputs.value(f"replay_rules.{which}_pages") for which in ("baseline", "candidate")
    )
    return (
        "Pages a day",
        f"{per_day(before, span.days)} → {per_day(after, span.days)}",
        join(
            f"today’s configuration → with the rules, over the last {span.days:g} days",
            inputs.sources.figure_mark("replay_rules.candidate_pages"),
        ),
    )


def _saved(inputs: Inputs) -> Item:
    figure = inputs.figure("replay_rules.saved_share")
    return (
        "Pages saved",
        _value(figure),
        _with_interval(inputs, figure, "of the pages of today’s configuration"),
    )


def _missed(inputs: Inputs) -> Item:
    missed, share = inputs.figure("replay_rules.missed"), inputs.figure("replay_rules.missed_share")
    mark = inputs.sources.figure_mark("replay_rules.missed_share")
    if missed is None or share is None or share.value is None:
        why = share.missing if share else "not measured"
        return "Incidents missed", numbers.NONE, join(why, mark)
    level = numbers.level(share.level)
    bound = f"of all such, at most {numbers.percent(share.high)} with {level} confidence"
    text = f"{numbers.count(missed.value)} of {numbers.count(share.n)}"
    shown = join(icon("bad"), text) if missed.value else text
    return "Incidents missed", shown, join(bound, mark)


def _delay(inputs: Inputs) -> Item:
    middle, longest = (
        inputs.figure(f"replay_rules.{key}") for key in ("median_delay", "longest_delay")
    )
    mark = inputs.sources.figure_mark("replay_rules.longest_delay")
    if middle is None or middle.value is None:
        return "Detection delay", numbers.NONE, join(middle.missing if middle else "", mark)
    most = wording.delay(longest.value if longest else None)
    return "Detection delay, median", wording.delay(middle.value), join(
        f"of an incident’s first page; at the worst {most}", mark
    )  # fmt: skip


def _value(figure: Figure | None) -> str:
    return numbers.figure_value(figure) if figure else numbers.NONE


def _with_interval(inputs: Inputs, figure: Figure | None, of: str) -> Text:
    if figure is None:
        return of
    mark = inputs.sources.figure_mark(figure.id)
    if figure.value is None:
        return join(figure.missing, mark)
    if figure.low is None:
        return join(of, mark)
    shown = f"{of}; {numbers.level(figure.level)} interval {numbers.figure_interval(figure)}"
    return join(shown, mark)


def harmful_rules_chapter(inputs: Inputs) -> Chapter | None:
    """Build the chapter about published rules that hid an incident.

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
    verb = "is" if len(harmful) == 1 else "are"
    return Chapter(
        anchor="harmful-rules",
        title="Withdraw: harmful rules",
        short="Harmful rules",
        blocks=[
            Callout(
                "bad",
                "Withdraw",
                f"{wording.number_of(len(harmful), 'published rule')} {verb} the cause of "
                "missed or late pages: without them, these incidents would have paged, or earlier.",
            ),
            Prose(
                "Found by replaying the test window of the history twice: with today’s "
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

"""What stands above the chapters, and the first of them: published rules that hid an incident."""

from dataclasses import replace

from pipelines.aiops.alerting.evidence import HarmDone
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
    """Say the decision; a rule that hid an incident comes before all else."""
    made = gate.banner(decided, "rule set")
    bad = inputs.watched.bad
    if not bad:
        return made
    told = join(
        strong(f"{wording.number_of(len(bad), 'published rule')} went bad"),
        " and should be withdrawn: see ",
        link("bad", "the first chapter"),
        ".",
    )
    tone: Tone = "open" if decided.decision == "approve" else made.tone
    return replace(made, tone=tone, sentences=[told, *made.sentences])


def notice(inputs: Inputs) -> tuple[str, Text]:
    """Label and text of what a reader must know about the data."""
    said = inputs.params.report_rules.notice
    if inputs.synthetic:
        return "Synthetic data", " ".join(part for part in (SYNTHETIC, said) if part)
    return "About the data", said


def facts(inputs: Inputs) -> Facts:
    """Who and what for."""
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
    """Pages a day, saved, lost, delayed."""
    return Headline([_pages(inputs), _saved(inputs), _lost(inputs), _delay(inputs)])


def per_day(pages: float | None, days: float) -> str:
    """Pages a day; with a decimal where there are few."""
    if pages is None or days <= 0:
        return numbers.NONE
    rate = pages / days
    return numbers.decimal(rate, 1) if rate < 100 else numbers.count(rate)


def _pages(inputs: Inputs) -> Item:
    span = inputs.replayed.window
    today, after = (inputs.value(f"replay_rules.{key}") for key in ("pages_today", "pages"))
    return (
        "Pages a day",
        f"{per_day(today, span.days)} → {per_day(after, span.days)}",
        join(
            f"today → with the rules, over the last {span.days:g} days",
            inputs.sources.figure_mark("replay_rules.pages"),
        ),
    )


def _saved(inputs: Inputs) -> Item:
    figure = inputs.figure("replay_rules.saved_share")
    return ("Pages saved", _value(figure), _with_interval(inputs, figure, "of today’s pages"))


def _lost(inputs: Inputs) -> Item:
    lost, share = inputs.figure("replay_rules.lost"), inputs.figure("replay_rules.lost_share")
    mark = inputs.sources.figure_mark("replay_rules.lost_share")
    if lost is None or share is None or share.value is None:
        why = share.missing if share else "not measured"
        return "Incidents lost", numbers.NONE, join(why, mark)
    level = numbers.level(share.level)
    bound = f"of all such, at most {numbers.percent(share.high)} with {level} confidence"
    text = f"{numbers.count(lost.value)} of {numbers.count(share.n)}"
    shown = join(icon("bad"), text) if lost.value else text
    return "Incidents lost", shown, join(bound, mark)


def _delay(inputs: Inputs) -> Item:
    middle, longest = (
        inputs.figure(f"replay_rules.{key}") for key in ("median_delay", "longest_delay")
    )
    mark = inputs.sources.figure_mark("replay_rules.longest_delay")
    if middle is None or middle.value is None:
        return "Heard later by", numbers.NONE, join(middle.missing if middle else "", mark)
    most = wording.duration(longest.value if longest else None)
    return "Heard later by, median", wording.duration(middle.value), join(
        f"at the worst {most} later", mark
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
    """Build the chapter; None where no rule went bad."""
    bad = inputs.watched.bad
    if not bad:
        return None
    verb = "is" if len(bad) == 1 else "are"
    return Chapter(
        anchor="bad",
        title="Withdraw: rules that went bad",
        short="Rules that went bad",
        blocks=[
            Callout(
                "bad",
                "Withdraw",
                f"{wording.number_of(len(bad), 'published rule')} {verb} to blame for "
                "incidents that would have paged without them, or earlier.",
            ),
            Prose(
                "Found by replaying the last window of the history twice: with today’s "
                "configuration alone and with the released rules."
            ),
            Table(
                caption="Rules to withdraw, the worst first",
                mark=inputs.sources.mark(evidence_of("watch_rules")),
                columns=[
                    Column("What happened", wide=True),
                    Column("Incidents it hid"),
                    Column("Incidents paged only after a person had found them"),
                    Column("To blame alone"),
                    Column("To withdraw it"),
                ],
                rows=[_row(harmful_rule) for harmful_rule in bad],
            ),
        ],
    )


def _row(harmful_rule: HarmDone) -> Row:
    return Row(
        [
            name(harmful_rule.says),
            _tickets(harmful_rule.lost),
            _tickets(harmful_rule.late),
            "yes" if harmful_rule.alone else "no, with other rules",
            code(harmful_rule.do),
        ],
        strong=bool(harmful_rule.lost),
    )


def _tickets(tickets: list[str]) -> Text:
    return listed([wording.short(ticket, 60) for ticket in tickets]) if tickets else NONE

"""First chapter where there is anything to tell: published rules that hid an incident."""

from pipelines.base.artifacts import evidence_of
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.inputs import Inputs
from pipelines.reports.alert_rules.shapes import Bad
from pipelines.reports.blocks import (
    Callout,
    Chapter,
    Column,
    Prose,
    Row,
    Table,
    Text,
    code,
    name,
)
from pipelines.reports.blocks import names as listed
from pipelines.reports.numbers import NONE


def chapter(inputs: Inputs) -> Chapter | None:
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
                f"{words.number_of(len(bad), 'published rule')} {verb} to blame for incidents that "
                "would have paged without them, or earlier.",
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
                rows=[_row(one) for one in bad],
            ),
        ],
    )


def _row(one: Bad) -> Row:
    return Row(
        [
            name(one.says),
            _tickets(one.lost),
            _tickets(one.late),
            "yes" if one.alone else "no, with other rules",
            code(one.do) if one.do else NONE,
        ],
        strong=bool(one.lost),
    )


def _tickets(tickets: list[str]) -> Text:
    return listed([words.short(one, 60) for one in tickets]) if tickets else NONE

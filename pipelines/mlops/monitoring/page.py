"""``monitoring/<date>.html``: one day's watch for people, on one self-contained page."""

from datetime import UTC, datetime

from markupsafe import Markup

from pipelines.core.evidence import Figure
from pipelines.mlops.monitoring.result import State, Watching
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Column,
    Facts,
    Items,
    Prose,
    Row,
    Table,
    Text,
    Tone,
    code,
    icon,
    identifier,
    join,
    name,
    reason,
)
from pipelines.reporting.numbers import count, interval, with_unit
from pipelines.reporting.page import Banner, Page, render

_STATES: dict[State, tuple[str, Tone]] = {
    "well": ("well", "good"),
    "alarm": ("alarm", "bad"),
    "inconclusive": ("inconclusive", "open"),
    "no_data": ("no data", "quiet"),
}


def page(result: Watching) -> str:
    """Render the page of a day: what goes off first, then every figure behind it.

    Parameters
    ----------
    result : Watching
        What the day's watch found.

    Returns
    -------
    str
        HTML, self-contained.
    """
    return render(
        Page(
            kind="Monitoring",
            title=f"{result.product}, {result.date}",
            banner=_banner(result),
            facts=_facts(result),
            chapters=[
                Chapter("watches", "What is watched", [_watches(result)]),
                Chapter("outcomes", "How decisions turned out", _labels(result)),
                Chapter("drift", "Columns against the training data", [_drift(result)]),
                Chapter("figures", "All figures", [_figures(result.figures)]),
            ],
            foot=join("The same for programs: ", code(f"monitoring/{result.date}.json"), "."),
        )
    )


def _banner(result: Watching) -> Banner:
    alarms = result.alarms()
    sentences = [f"{alarm.id}: {alarm.sentence}" for alarm in alarms]
    if result.retrain.requested:
        sentences.append(
            f"A new training was asked for, because of {', '.join(result.retrain.because)}."
        )
    elif result.retrain.held_back:
        sentences.append(f"A new training was not asked for: {result.retrain.held_back}.")
    if alarms:
        return Banner(f"{len(alarms)} of {len(result.watches)} alarms", "bad", sentences)
    if all(watch.state == "no_data" for watch in result.watches):
        return Banner("No data", "quiet", ["Too little was scored to say anything."])
    unsure = sum(watch.state in ("inconclusive", "no_data") for watch in result.watches)
    words = [f"{unsure} of {len(result.watches)} watches cannot tell yet."] if unsure else []
    return Banner("No alarm", "open" if unsure else "good", words)


def _facts(result: Watching) -> Facts:
    return Facts(
        [
            ("Model", join(name(result.model_version), ", commit ", code(result.commit[:12]))),
            ("From", _time(result.after)),
            ("Until", _time(result.until)),
            ("Batches", join(count(len(result.batches)), ": ", name(", ".join(result.batches)))),
            ("Rows of other versions", join(count(result.other_rows), ", not part of the figures")),
        ]
    )


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _state(state: State) -> Markup:
    word, tone = _STATES[state]
    return Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), word)


def _watches(result: Watching) -> Table:
    return Table(
        caption="A figure against its bound; an alarm needs the whole interval to be out of bounds",
        columns=[
            Column("Watch"),
            Column("State"),
            Column("Owner"),
            Column("Why", wide=True),
            Column("Where the bound comes from", wide=True),
        ],
        rows=[
            Row(
                [
                    identifier(watch.id),
                    _state(watch.state),
                    watch.owner,
                    watch.sentence,
                    watch.bound,
                ]
            )
            for watch in result.watches
        ],
    )


def _labels(result: Watching) -> list[Block]:
    counts = result.labels
    return [
        Prose(f"Of {count(counts.predictions)} predictions of the window and the delay before it:"),
        Items(
            [
                f"{count(counts.matched)} have a label and count,",
                f"{count(counts.waiting)} are younger than the delay and wait,",
                f"{count(counts.unmatched)} should have a label and have none.",
            ]
        ),
    ]


def _drift(result: Watching) -> Table | Prose:
    if result.drift is None:
        return Prose("Not compared: too few rows.")
    return Table(
        caption="Distance of each column; drifted = distance or change of missing values is large",
        columns=[Column("Column"), Column("Distance", numeric=True), Column("Drifted"),
                 Column("Method", wide=True)],
        rows=[
            Row([name(column["column"]), _number(column["distance"], column["problem"]),
                 "yes" if column["drifted"] else "no", column["method"]])
            for column in result.drift["columns"]
        ],
    )  # fmt: skip


def _figures(figures: list[Figure]) -> Table:
    return Table(
        caption="Everything that was measured",
        columns=[Column("Figure"), Column("Value", numeric=True), Column("Interval", numeric=True),
                 Column("n", numeric=True)],
        rows=[
            Row([identifier(figure.id), _number(figure.value, figure.missing, figure.unit),
                 interval(figure.low, figure.high, figure.unit), count(figure.n)])
            for figure in figures
        ],
        small=True,
    )  # fmt: skip


def _number(value: float | None, why: str, unit: str = "") -> Text:
    return reason(why) if value is None else with_unit(value, unit)

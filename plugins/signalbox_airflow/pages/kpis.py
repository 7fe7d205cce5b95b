"""KPIs: each product's against their targets, and operations by week, team and receiver."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.core.errors import SignalboxError
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chart,
    Charts,
    Column,
    Fold,
    Prose,
    Row,
    Section,
    Table,
    join,
    strong,
)
from pipelines.reporting.charts.axes import Scale, covering, short_number
from pipelines.reporting.charts.svg import BLUE, GRID, QUIET, line, path, picture, tag, text
from pipelines.reporting.numbers import NONE, interval, percent
from signalbox_airflow.pages.access import Project, Sees, require, respond
from signalbox_airflow.pages.layout import draw, page, word
from signalbox_airflow.pages.subjects import RULES_DAG, Source, lake_of, newest_evidence

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation.operations import Operations, OperationsRow
    from pipelines.core.evidence import Figure
    from pipelines.release.kpis import KpiResult, KpisParams

router = APIRouter()
UNKNOWN = "unknown"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 170, 52, 16, 12, 28
Dated = tuple[date, float | None]


@router.get("/kpis")
def show(project: Project, sees: Sees) -> HTMLResponse:
    """Answer with the KPIs of every product that the reader may see."""
    from pipelines.release.config import load_section
    from pipelines.release.kpis import KpisParams
    from pipelines.release.lifecycle.view import title_of

    params = load_section(project, "kpis", KpisParams)
    blocks: list[Block] = []
    seen = [name for name in params.products() if sees(name)]
    for product in seen:
        results = kpis_of(project, product, params)
        blocks.append(
            Section(
                f"kpis-{product}",
                title_of(product),
                [_table(title_of(product), results), *_trends(results)],
            )
        )
    if RULES_DAG in seen or sees(RULES_DAG):
        blocks += _operations(project)
        blocks += _precision(project)
    if not blocks:
        require(sees, RULES_DAG)
        blocks = [Callout("quiet", "No KPIs", "Define them in release.yaml, section kpis.")]
    return respond(page("KPIs", "kpis", draw(*blocks)))


def kpis_of(project: Path, product: str, params: "KpisParams") -> "list[KpiResult]":
    """Evaluate a product's KPIs on the newest evidence, with their trend in the ledger."""
    from pipelines.release.kpis import kpi_results
    from pipelines.release.kpis.formula import LIVE
    from pipelines.release.kpis.values import LedgerEntry, latest, read_days
    from pipelines.release.ledger import Ledger

    entries = Ledger.of(project).entries()
    days = read_days(project, product)
    records: list[LedgerEntry] = [*entries, *days]
    figures = _figures(project, product) | latest(days)
    stages = {name.split(".")[0] for name in figures} | {LIVE}
    return [
        replace(result, missing=f"no run of stage {missing[0]} can be read yet")
        if (missing := sorted({name.split(".")[0] for name in result.figures} - stages))
        else result
        for result in kpi_results(params, figures, records, product)
    ]


def _figures(project: Path, product: str) -> "dict[str, Figure]":
    """Figures of the newest run's evidence, where it can be read; else of the work tree's."""
    from pipelines.core.artifacts import EVIDENCE
    from pipelines.release.config import load_section
    from pipelines.release.kpis import KpisParams
    from pipelines.release.kpis.formula import LIVE, figures_in, parse
    from pipelines.release.kpis.values import read_figures

    try:
        found = read_figures(project / EVIDENCE)
    except SignalboxError:
        found = {}
    kpis = load_section(project, "kpis", KpisParams).of(product)
    stages = {name.split(".")[0] for kpi in kpis for name in figures_in(parse(kpi.formula))}
    for stage in sorted(stages - {LIVE}):
        source = newest_evidence(project, product, stage)
        if source is not None:
            found |= {figure.id: figure for figure in source.evidence.figures}
    return found


def _table(title: str, results: "Sequence[KpiResult]") -> Block:
    rows = []
    for result in results:
        kpi = result.kpi
        state = {True: word("good", "met"), False: word("bad", "missed")}
        sign = "≥" if kpi.direction == "at_least" else "≤"
        last = next((point for point in reversed(result.trend) if point.value is not None), None)
        known = f"last in the ledger {last.time[:10]}" if last else "not in the ledger yet"
        now = (
            word("quiet", UNKNOWN)
            if result.value is None or result.met is None
            else join(number(result.value, kpi.unit), " ", state[result.met])
        )
        rows.append(
            Row(
                [
                    join(strong(kpi.id), " ", kpi.measures),
                    now,
                    f"{sign} {number(kpi.target, kpi.unit)}",
                    kpi.owner,
                    result.missing or known,
                ]
            )
        )
    return Table(
        f"KPIs of {title}",
        [
            Column("KPI", wide=True),
            Column("Now"),
            Column("Target"),
            Column("Owner"),
            Column("Why unknown, or since when", wide=True),
        ],
        rows,
        note="A KPI decides nothing: the gate does. What nobody recorded is unknown, never zero.",
    )


_PLURALS = ("pages", "rules", "incidents", "alerts", "rows", "days")
"""Units of KPIs that lose their s beside a one."""


def number(value: float, unit: str) -> str:
    """Write a KPI's value: shares as percent, the rest with three digits at most."""
    if unit == "share":
        return percent(value)
    counted = unit.removesuffix("s") if value == 1 and unit in _PLURALS else unit
    return f"{short_number(float(f'{value:.3g}'))} {counted}".rstrip()


def _trends(results: "Sequence[KpiResult]") -> list[Block]:
    """Draw the trends that have two points at least, each with its table."""
    charts, rows = [], []
    for result in results:
        points = [(_day(point.time), point.value) for point in result.trend]
        known = [point for point in points if point[1] is not None]
        if len(known) >= 2:
            kpi = result.kpi
            drawn = trend_chart(f"{kpi.id}: {kpi.measures}", points, target=kpi.target)
            charts.append(Chart(drawn, kpi.id))
        rows += [
            Row([result.kpi.id, point.time[:16].replace("T", " "), point.run,
                 UNKNOWN if point.value is None else number(point.value, result.kpi.unit)])
            for point in result.trend
        ]  # fmt: skip
    blocks: list[Block] = [Charts(charts)] if charts else []
    if rows:
        table = Table(
            "Values by date, from the ledger",
            [Column("KPI"), Column("Date (UTC)"), Column("Run"), Column("Value", numeric=True)],
            rows[-200:],
        )
        blocks.append(Fold("The trends in numbers", [table]))
    return blocks


def _day(time: str) -> date:
    return datetime.fromisoformat(time).astimezone(UTC).date()


def operations_of(project: Path) -> "tuple[Operations, Source] | None":
    """Read what the newest run says of operations; None where none does."""
    from pipelines.aiops.alerting.evaluation.operations import Operations
    from pipelines.core.settings import validate_as

    source = newest_evidence(project, RULES_DAG, "replay_rules")
    if source is None or "operations" not in source.evidence.details:
        return None
    raw = source.evidence.details["operations"]
    return validate_as(Operations, raw, "operations: ", "run replay_rules anew"), source


def _operations(project: Path) -> list[Block]:
    found = operations_of(project)
    if found is None:
        words = "Run the DAG alert_noise_reduction: stage replay_rules measures them."
        return [Section("operations", "Operations", [Callout("quiet", "Not measured yet", words)])]
    said, source = found
    weeks = said.weeks()
    about = Prose(
        f"Pages are those of a replay of {said.start:%Y-%m-%d} to {said.end:%Y-%m-%d} with "
        f"today’s configuration, and with the rules; a shift is {said.shift_hours} hours, the "
        f"night {said.night[0]}:00 to {said.night[1]:02d}:00 UTC. Who acted, and when, is what "
        f"alerts and tickets say: what nobody recorded is unknown. From {source.words}.",
        quiet=True,
    )
    charts = [
        Chart(trend_chart(title, [(row.week or date.min, value(row)) for row in weeks]), title)
        for title, value in _TRENDS
    ]
    return [
        Section(
            "operations",
            "Operations by week",
            [
                about,
                Charts(charts),
                _work("Weeks, all teams and receivers", "Week from", weeks, _week_name),
            ],
        ),
        Section(
            "teams",
            "Operations by team",
            [_work("Teams, the whole history", "Team", said.whole("team"), _value_name),
             *_folded(said, "team")],
        ),
        Section(
            "receivers",
            "Operations by receiver",
            [_load("Pagers, the whole history", "Receiver", said.whole("receiver"), _value_name),
             *_folded(said, "receiver")],
        ),
    ]  # fmt: skip


def _folded(said: "Operations", scope: str) -> list[Block]:
    """Fold the weeks of each team or receiver."""
    make = _work if scope == "team" else _load
    return [
        Fold(
            f"{row.value or '(no team)'} by week",
            [make(f"{row.value or '(no team)'} by week", "Week from",
                  said.weeks(scope, row.value), _week_name)],
        )
        for row in said.whole(scope)
    ]  # fmt: skip


def _week_name(row: "OperationsRow") -> str:
    part = "" if row.days >= 7 else f" ({row.days:g} days)"
    return f"{row.week.isoformat() if row.week else ''}{part}"


def _value_name(row: "OperationsRow") -> str:
    return row.value or "(none)"


def _load(
    caption: str,
    first: str,
    rows: "Sequence[OperationsRow]",
    name: "Callable[[OperationsRow], str]",
) -> Table:
    """Tell of pages alone: which pager an acknowledgement answers isn't recorded."""
    return Table(
        caption,
        [Column(first), *_PAGE_COLUMNS],
        [Row([name(row), *_page_cells(row)]) for row in rows],
    )


def _work(
    caption: str,
    first: str,
    rows: "Sequence[OperationsRow]",
    name: "Callable[[OperationsRow], str]",
) -> Table:
    columns = [
        Column(first),
        *_PAGE_COLUMNS,
        Column("Acted on", numeric=True),
        Column("To acknowledge, median / p90", numeric=True),
        Column("To resolve, median / p90", numeric=True),
        Column("Told first by a person", numeric=True),
    ]
    return Table(caption, columns, [
        Row([
            name(row),
            *_page_cells(row),
            _share(row.acted_share, row.acted, row.acted_known),
            _times(row.acknowledge_median_seconds, row.acknowledge_p90_seconds, row.acknowledged),
            _times(row.resolve_median_seconds, row.resolve_p90_seconds, row.resolved),
            _share(row.first_by_person_share, row.first_by_person, row.first_known),
        ])
        for row in rows
    ], note="In brackets: of how many it is known.")  # fmt: skip


_PAGE_COLUMNS = (
    Column("Pages a shift, today", numeric=True),
    Column("Pages a shift, with the rules", numeric=True),
    Column("Pages a night, today", numeric=True),
    Column("Pages a night, with the rules", numeric=True),
)


def _page_cells(row: "OperationsRow") -> list[str]:
    values = (
        row.per_shift(row.pages_baseline),
        row.per_shift(row.pages_candidate),
        row.per_night(row.night_baseline),
        row.per_night(row.night_candidate),
    )
    return [NONE if value is None else f"{value:,.1f}" for value in values]


def _share(share: float | None, part: int | None, known: int | None) -> str:
    if share is None:
        return UNKNOWN
    return f"{percent(share)} ({part or 0:,} of {known or 0:,})"


def _times(median: float | None, p90: float | None, n: int | None) -> str:
    if median is None or p90 is None:
        return UNKNOWN
    return f"{_length(median)} / {_length(p90)} ({n or 0:,})"


def _length(seconds: float) -> str:
    from pipelines.core.time import largest_parts

    return " ".join(f"{n} {unit}" for n, unit in largest_parts(round(seconds))) or "0 s"


_TRENDS: "tuple[tuple[str, Callable[[OperationsRow], float | None]], ...]" = (
    ("Pages a shift, all pagers, today", lambda row: row.per_shift(row.pages_baseline)),
    ("Pages a shift, all pagers, with the rules", lambda row: row.per_shift(row.pages_candidate)),
    ("Pages a night, all pagers, today", lambda row: row.per_night(row.night_baseline)),
    (
        "Minutes to acknowledge, 90th percentile",
        lambda row: None if row.acknowledge_p90_seconds is None
        else row.acknowledge_p90_seconds / 60,
    ),
    (
        "Hours to resolve, 90th percentile",
        lambda row: None if row.resolve_p90_seconds is None else row.resolve_p90_seconds / 3600,
    ),
    (
        "Alerts acted on, percent of those known",
        lambda row: None if row.acted_share is None else 100 * row.acted_share,
    ),
)  # fmt: skip


def _precision(project: Path) -> list[Block]:
    """Say how much of what detectors found people call right, from the store itself."""
    from pipelines.aiops.lake.feedback import LEVEL, precision, read_answers, weigh

    answers, unreadable = read_answers(lake_of(project))
    judged = weigh(answers)
    title = "Detectors, as people judge them"
    if not judged:
        words = "Open an incident, a finding or a rule and say whether it is right."
        return [
            Section("detectors", title, [Callout("quiet", "Nobody has judged anything yet", words)])
        ]
    found = precision(judged, weekly=True)
    blocks: list[Block] = [
        Table(
            f"Share of judged findings and incidents that is right, with its {LEVEL:.0%} interval",
            [
                Column("Detector"), Column("Right", numeric=True), Column("Interval", numeric=True),
                Column("Judged", numeric=True),
            ],
            [
                Row([row.detector or strong("all"), percent(row.share),
                     interval(row.low, row.high, "share"), f"{row.judged:,}"])
                for row in found if row.week is None
            ],
            note="Whoever judges chooses what to judge, so it needn’t hold for the rest.",
        )
    ]  # fmt: skip
    weeks: list[Dated] = [(row.week, row.share) for row in found if not row.detector and row.week]
    if len(weeks) >= 2:
        name = "Share that is right, by week"
        blocks.append(Charts([Chart(trend_chart(name, weeks), name)]))
    if weeks:
        rows = [
            Row([row.week.isoformat(), row.detector or "all", percent(row.share),
                 interval(row.low, row.high, "share"), f"{row.judged:,}"])
            for row in found if row.week
        ]  # fmt: skip
        columns = [Column("Week from"), Column("Detector"), Column("Right", numeric=True),
                   Column("Interval", numeric=True), Column("Judged", numeric=True)]  # fmt: skip
        blocks.append(Fold("By week", [Table("By week of the last answer", columns, rows)]))
    if unreadable:
        blocks.append(
            Callout("open", "Not readable", f"{len(unreadable)} lines: {', '.join(unreadable[:3])}")
        )
    return [Section("detectors", title, blocks)]


def trend_chart(title: str, points: Sequence[Dated], *, target: float | None = None) -> Markup:
    """Draw values by date; a gap where a value is unknown.

    Parameters
    ----------
    title : str
        Name of the picture, read aloud by screen readers.
    points : sequence of (date, float or None)
        In order of time.
    target : float, optional
        Drawn dashed.

    Returns
    -------
    Markup
        An ``svg`` element; a table beside it says the same in numbers.
    """
    include = [0.0] if target is None else [0.0, target]
    low, high = covering([value for _, value in points], include=include)
    first, last = points[0][0].toordinal(), points[-1][0].toordinal()
    across = Scale(first, max(last, first + 1), LEFT, WIDTH - RIGHT)
    up = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = []
    for tick in up.ticks(4):
        parts += [
            line(LEFT, up(tick), WIDTH - RIGHT, up(tick), stroke=GRID),
            text(LEFT - 6, up(tick) + 4, short_number(tick), anchor="end"),
        ]
    for day, anchor in ((points[0][0], "start"), (points[-1][0], "end")):
        x = across(day.toordinal())
        parts.append(text(x, HEIGHT - 8, day.isoformat(), anchor=anchor))
    if target is not None:
        parts.append(
            line(LEFT, up(target), WIDTH - RIGHT, up(target), stroke=QUIET, stroke_dasharray="4 3")
        )
    stretch: list[tuple[float, float]] = []
    for day, value in [*points, (points[-1][0], None)]:
        if value is not None:
            stretch.append((across(day.toordinal()), up(value)))
            continue
        if len(stretch) > 1:
            parts.append(path(stretch, stroke=BLUE, stroke_width=2))
        parts += [tag("circle", cx=x, cy=y, r=3, fill=BLUE) for x, y in stretch]
        stretch = []
    known = [(day, value) for day, value in points if value is not None]
    describe = (
        f"From {short_number(known[0][1])} ({known[0][0]}) to {short_number(known[-1][1])} "
        f"({known[-1][0]})."
        if known
        else "Nothing is known."
    )
    return picture(WIDTH, HEIGHT, title, parts, describe=describe)

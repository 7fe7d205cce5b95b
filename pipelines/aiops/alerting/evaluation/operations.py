"""What being on call is like: pages a shift and a night, times to acknowledge and to resolve.

Pages are those of a replay: no source records which notification was sent when. Who acted, and
when, is what the history's alerts and tickets say. What nobody recorded is unknown, never zero:
PagerDuty's API, for example, empties acknowledgements once an incident is resolved.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipelines.aiops.alerting.evaluation.backtest import Fold
from pipelines.aiops.alerting.evaluation.incidents import NOT_PAGED, TicketedIncident
from pipelines.aiops.alerting.evaluation.tables import FURTHER, NIGHT, at_night, page_shares
from pipelines.aiops.alerting.evidence import Details
from pipelines.aiops.alerting.windows import HistoryWindow, moment
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Ints
from pipelines.core.evidence import Figure
from pipelines.core.stats import normal_quantile, wilson_interval
from pipelines.core.time import DAY_US, MINUTE_US, SECOND_US

SHIFT_HOURS = 12
"""Length of a shift: Google's SRE book asks for at most two incidents in one (chapter 11)."""
SAME_US = 5 * MINUTE_US
"""A ticket that is opened less than this before the first page may be the work of a machine that
waited for no group: it isn't taken for a person who was first."""
LEVEL = 0.95
MOST = 20
"""Teams, and receivers, of which weeks are told; those with most pages."""
_MONDAY = 3  # 1970-01-01 was a Thursday
_STAGE = "replay_rules"


class OperationsRow(Details):
    """Operations of a team or receiver (or all of them), in a week or in the whole history.

    Attributes
    ----------
    scope : {"all", "team", "receiver"}
        What `value` is.
    value : str
        Team or receiver; empty for all.
    week : date or None
        Monday (UTC) of the week; None: the whole history.
    days : float
        Days of the history in it.
    pages_baseline, pages_candidate, night_baseline, night_candidate : float
        Pages with today's configuration and with the rules, and of them those of the night. Of
        all: the sum over pagers.
    paged_alerts, acted_known, acted : int or None
        Alerts that page today; of them those of which it is known whether somebody acted; and
        those on which somebody did. None of a receiver: nobody records which pager an
        acknowledgement answers.
    acknowledged : int or None
        Of them those with a time of acknowledgement.
    acknowledge_median_seconds, acknowledge_p90_seconds : float or None
        From the alert's beginning to its acknowledgement; None where none is known.
    incidents, resolved : int or None
        Ticketed incidents that were opened, and those that are closed.
    resolve_median_seconds, resolve_p90_seconds : float or None
        From a ticket's opening to its end.
    first_known, first_by_person : int or None
        Incidents of which it is known who told first, and those that a person did.
    """

    scope: Literal["all", "team", "receiver"]
    value: str = ""
    week: date | None = None
    days: float
    pages_baseline: float = 0.0
    pages_candidate: float = 0.0
    night_baseline: float = 0.0
    night_candidate: float = 0.0
    paged_alerts: int | None = None
    acted_known: int | None = None
    acted: int | None = None
    acknowledged: int | None = None
    acknowledge_median_seconds: float | None = None
    acknowledge_p90_seconds: float | None = None
    incidents: int | None = None
    resolved: int | None = None
    resolve_median_seconds: float | None = None
    resolve_p90_seconds: float | None = None
    first_known: int | None = None
    first_by_person: int | None = None

    def per_shift(self, pages: float) -> float | None:
        """Pages in a shift of `SHIFT_HOURS`; None without a day."""
        return pages / (self.days * 24 / SHIFT_HOURS) if self.days else None

    def per_night(self, pages: float) -> float | None:
        """Pages of the night, a night; None without a day."""
        return pages / self.days if self.days else None

    @property
    def acted_share(self) -> float | None:
        """Share of the alerts that paged on which somebody acted; None where nobody knows."""
        return (self.acted or 0) / self.acted_known if self.acted_known else None

    @property
    def first_by_person_share(self) -> float | None:
        """Share of incidents of which a person told first; None where nobody knows."""
        return (self.first_by_person or 0) / self.first_known if self.first_known else None


class Operations(Details):
    """Key ``operations`` of the details of ``replay_rules``.

    Attributes
    ----------
    shift_hours : int
        Length of a shift.
    night : tuple of int
        Hours (UTC) at which the night begins and ends.
    start, end : datetime
        The history.
    rows : list of OperationsRow
        All, teams and receivers; of each the whole history first, then its weeks.
    """

    shift_hours: int = SHIFT_HOURS
    night: tuple[int, int] = NIGHT
    start: datetime
    end: datetime
    rows: list[OperationsRow] = Field(default_factory=list)

    def whole(self, scope: str = "all") -> list[OperationsRow]:
        """Rows of the whole history, those with most pages first."""
        return [row for row in self.rows if row.scope == scope and row.week is None]

    def weeks(self, scope: str = "all", value: str = "") -> list[OperationsRow]:
        """Weeks of something, in order of time."""
        found = [row for row in self.rows if (row.scope, row.value) == (scope, value) and row.week]
        return sorted(found, key=lambda row: row.week or date.min)


@dataclass(frozen=True)
class PageLoad:
    """Pages of a judged window by week and by who gets them.

    Attributes
    ----------
    pages : Counter of (str, str, int, int) to float
        Scope, value, number of the week and 0 (today's configuration), 1 (the rules), 2
        or 3 (the same at night) → pages.
    """

    pages: Counter[tuple[str, str, int, int]]

    @classmethod
    def of(cls, fold: Fold) -> "PageLoad":
        """Count the pages of a fold inside its window."""
        found: Counter[tuple[str, str, int, int]] = Counter()
        window = fold.backtest.window
        for at, replay in enumerate((fold.backtest.baseline, fold.candidate)):
            notes = replay.notifications
            times = notes["time"].to_numpy(dtype=np.int64)
            counts = notes["page"].to_numpy(dtype=bool) & window.holds(times)
            names = notes["receiver"].to_numpy().astype(object)[counts]
            _count(found, ("receiver", at), names, times[counts], np.ones(int(counts.sum())))
            shares = page_shares(fold, replay, _team)
            teams = np.array([*shares.values, FURTHER], dtype=object)[shares.code]
            _count(found, ("team", at), teams, shares.time, shares.weight)
        return cls(found)


def _team(labels: Labels) -> str:
    return labels.get("team", "")


def week_of(times: Ints) -> Ints:
    """Return the number of the week (Monday to Sunday, UTC) of times in microseconds since 1970."""
    return (times // DAY_US + _MONDAY) // 7


def _monday(week: int) -> int:
    """Microseconds since 1970 at which a week begins."""
    return (week * 7 - _MONDAY) * DAY_US


def _count(
    found: Counter[tuple[str, str, int, int]],
    key: tuple[str, int],
    values: NDArray[np.object_],
    times: Ints,
    weight: NDArray[np.float64],
) -> None:
    (scope, at), night = key, at_night(times)
    rows = zip(
        values.tolist(), week_of(times).tolist(), weight.tolist(), night.tolist(), strict=True
    )
    for value, week, pages, is_night in rows:
        found[scope, value, week, at] += pages
        if is_night:
            found[scope, value, week, 2 + at] += pages


@dataclass(frozen=True)
class Answers:
    """What is known of how people answered; row i of every array is the same alert.

    Attributes
    ----------
    team : array of object, shape (alerts,)
        Label ``team``.
    week : array of int64, shape (alerts,)
        Of its first page.
    acted : array of int8, shape (alerts,)
        1, 0 or -1 where nobody knows.
    seconds : array of float64, shape (alerts,)
        From its beginning to its acknowledgement; nan where nobody knows.
    """

    team: NDArray[np.object_]
    week: Ints
    acted: NDArray[np.int8]
    seconds: NDArray[np.float64]


def read_answers(history: Path, outcomes: Sequence[Any], memory_mb: int) -> Answers:
    """Read how people answered the alerts that page today.

    Parameters
    ----------
    history : Path
        Folder of the frozen history.
    outcomes : sequence of pyarrow.Table
        Columns ``alert_id`` and ``baseline_first_page`` of each judged window.
    memory_mb : int
        Limit of the engine's memory, MB.

    Returns
    -------
    Answers
        Rows of one series with the same first page are one alert.
    """
    import pyarrow as pa

    pages = pa.concat_tables(
        [table.select(["alert_id", "baseline_first_page"]) for table in outcomes]
    )
    with opened(max(memory_mb // 2, 256)) as raw:
        raw.register("pages", pages)
        raw.execute(
            f"CREATE TEMP VIEW alerts AS SELECT * FROM {parquet([history / 'alerts.parquet'])}"
        )
        names = {row[0] for row in raw.execute("DESCRIBE alerts").fetchall()}
        acked = "acknowledged_at" if "acknowledged_at" in names else "NULL::TIMESTAMPTZ"
        found = raw.execute(
            "SELECT coalesce(any_value(labels['team']), '') AS team, "
            "baseline_first_page AS page, coalesce(max(CASE "
            f"WHEN {acked} IS NOT NULL OR acted THEN 1 WHEN NOT acted THEN 0 END), -1)::TINYINT "
            f"AS acted, coalesce((min(epoch_us({acked})) - min(epoch_us(starts_at))) "
            f"/ {SECOND_US}.0, 'nan')::DOUBLE AS seconds "
            "FROM alerts JOIN pages USING (alert_id) WHERE baseline_first_page >= 0 "
            "GROUP BY fingerprint, baseline_first_page ORDER BY page, fingerprint"
        ).fetchnumpy()
    plain = {name: np.ma.getdata(values) for name, values in found.items()}
    seconds = plain["seconds"].astype(np.float64)
    seconds = np.where(seconds >= 0, seconds, np.nan)  # clocks that disagree say nothing
    return Answers(
        plain["team"].astype(object),
        week_of(plain["page"].astype(np.int64)),
        plain["acted"].astype(np.int8),
        seconds,
    )


@dataclass(frozen=True)
class Handled:
    """A ticketed incident of the window: whose, when it was opened, and who told first.

    Attributes
    ----------
    team : str
        The ticket's team; empty where it names none.
    week : int
        Of its opening.
    seconds : float
        From opening to end; nan while it is open.
    by_person : bool or None
        Whether a person told of it before any page; None: nobody knows.
    """

    team: str
    week: int
    seconds: float
    by_person: bool | None


def read_handled(
    history: Path,
    window: HistoryWindow,
    incidents: Iterable[TicketedIncident],
    linked: Iterable[str],
) -> list[Handled]:
    """Read the incidents that were opened in a window.

    Parameters
    ----------
    history : Path
        Folder of the frozen history; without ``tickets.parquet`` there are none.
    window : HistoryWindow
        Where they are opened.
    incidents : iterable of TicketedIncident
        Those with alerts, of the judged windows.
    linked : iterable of str
        Tickets that any alert of the history belongs to.

    Returns
    -------
    list of Handled
        One a ticket of kind incident.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = history / "tickets.parquet"
    if not path.is_file():
        return []
    columns = ["ticket_id", "kind", "opened_at", "closed_at", "team", "service"]
    table: Any = pq.read_table(path, columns=columns)
    table = table.filter(pc.equal(table["kind"], "incident"))
    times = [table[name].cast("int64").to_pylist() for name in ("opened_at", "closed_at")]
    texts = [table[name].to_pylist() for name in ("ticket_id", "team", "service")]
    by_ticket, with_alerts = {each.ticket: each for each in incidents}, set(linked)
    found, seen = [], set()
    for opened_at, closed_at, ticket, team, service in zip(*times, *texts, strict=True):
        if ticket in seen or not window.start <= opened_at < window.end:
            continue
        seen.add(ticket)
        done = closed_at is not None and closed_at >= opened_at
        found.append(
            Handled(
                team or "",
                int(week_of(np.array([opened_at]))[0]),
                (closed_at - opened_at) / SECOND_US if done else float("nan"),
                _by_person(by_ticket.get(ticket), ticket in with_alerts, opened_at, service),
            )
        )
    return found


def _by_person(
    incident: TicketedIncident | None, has_alerts: bool, opened_at: int, service: str | None
) -> bool | None:
    if incident is not None:
        page = incident.baseline_first_page
        return page == NOT_PAGED or page - opened_at >= SAME_US
    # Without a service no alert could be found for it; that isn't a sign that there was none.
    return None if has_alerts or not service else True


def operations(
    window: HistoryWindow,
    loads: Sequence[PageLoad],
    pagers: Iterable[str],
    answers: Answers,
    handled: Sequence[Handled],
) -> Operations:
    """Put pages, answers and incidents together.

    Parameters
    ----------
    window : HistoryWindow
        The whole history.
    loads : sequence of PageLoad
        Of each judged window.
    pagers : iterable of str
        Receivers that page; one that nobody is paged through has a row of zeros.
    answers : Answers
        Alerts that page.
    handled : sequence of Handled
        Incidents.

    Returns
    -------
    Operations
    """
    pages: Counter[tuple[str, str, int, int]] = Counter()
    for load in loads:
        pages.update(load.pages)
    for (scope, _, week, at), count in list(pages.items()):
        if scope == "receiver":
            pages["all", "", week, at] += count
    totals: Counter[tuple[str, str]] = Counter()
    for (scope, value, _, at), count in pages.items():
        totals[scope, value] += count if at < 2 else 0.0  # type: ignore[assignment]
    teams = {*answers.team.tolist(), *(each.team for each in handled)}
    for key in [("all", ""), *(("team", t) for t in teams), *(("receiver", p) for p in pagers)]:
        totals[key] += 0
    by_scope: dict[str, list[str]] = {"all": [""], "team": [], "receiver": []}
    for scope, value in sorted(totals, key=lambda key: (-totals[key], key)):
        if scope != "all" and value != FURTHER and len(by_scope[scope]) < MOST:
            by_scope[scope].append(value)
    first, last = (int(week_of(np.array([t]))[0]) for t in (window.start, window.end - 1))
    rows = [
        OperationsRow(
            scope=scope,  # type: ignore[arg-type]
            value=value,
            week=None if week is None else moment(_monday(week)).date(),
            days=_days(window, week),
            **_sums(pages, scope, value, week),
            **_known(answers, handled, (scope, value), week),
        )
        for scope, values in by_scope.items()
        for value in values
        for week in (None, *range(first, last + 1))
    ]
    return Operations(start=moment(window.start), end=moment(window.end), rows=rows)


def _days(window: HistoryWindow, week: int | None) -> float:
    start, end = window.start, window.end
    if week is not None:
        start, end = max(start, _monday(week)), min(end, _monday(week + 1))
    return round((end - start) / DAY_US, 4)


def _sums(
    pages: Mapping[tuple[str, str, int, int], float], scope: str, value: str, week: int | None
) -> dict[str, Any]:
    sums = [0.0] * 4
    for (of, name, number, at), count in pages.items():
        if (of, name) == (scope, value) and week in (None, number):
            sums[at] += count
    names = ("pages_baseline", "pages_candidate", "night_baseline", "night_candidate")
    return {name: round(count, 1) for name, count in zip(names, sums, strict=True)}


def _known(
    answers: Answers, handled: Sequence[Handled], key: tuple[str, str], week: int | None
) -> dict[str, Any]:
    if key[0] == "receiver":
        return {}
    team = key[1] if key[0] == "team" else None
    mine = np.ones(len(answers.week), dtype=bool)
    if team is not None:
        mine &= answers.team == team
    if week is not None:
        mine &= answers.week == week
    handled = [h for h in handled if team in (None, h.team) and week in (None, h.week)]
    acted = answers.acted[mine]
    acknowledge = answers.seconds[mine & ~np.isnan(answers.seconds)]
    resolve = np.array([h.seconds for h in handled if not np.isnan(h.seconds)], np.float64)
    first = [h.by_person for h in handled if h.by_person is not None]
    return {
        "paged_alerts": int(mine.sum()),
        "acted_known": int((acted >= 0).sum()),
        "acted": int((acted == 1).sum()),
        "acknowledged": len(acknowledge),
        "acknowledge_median_seconds": _quantile(acknowledge, 0.5),
        "acknowledge_p90_seconds": _quantile(acknowledge, 0.9),
        "incidents": len(handled),
        "resolved": len(resolve),
        "resolve_median_seconds": _quantile(resolve, 0.5),
        "resolve_p90_seconds": _quantile(resolve, 0.9),
        "first_known": len(first),
        "first_by_person": sum(first),
    }


def _quantile(values: NDArray[np.float64], q: float) -> float | None:
    return round(float(np.quantile(values, q)), 1) if len(values) else None


def operation_figures(found: Operations, no_page: str) -> list[Figure]:
    """Make the figures that KPIs are made of.

    Parameters
    ----------
    found : Operations
        Of the whole history.
    no_page : str
        Why today's configuration sends no page; empty where it does.

    Returns
    -------
    list of Figure
        What nobody recorded has no value, and says why.
    """
    (whole,) = found.whole()
    return [
        *_loads(found, no_page),
        _share(
            "acted_share",
            "Share of paging alerts that somebody acted on",
            (whole.acted, whole.acted_known),
            f"of {whole.paged_alerts:,} alerts that page, those of which it is known",
            "no source of these alerts says whether anybody acted on them",
        ),
        *_times(
            ("acknowledge", "Time to acknowledge"),
            (whole.acknowledge_median_seconds, whole.acknowledge_p90_seconds),
            whole.acknowledged,
            "from an alert's beginning to its acknowledgement, of those acknowledged",
            "no source of these alerts says when they were acknowledged",
        ),
        *_times(
            ("resolve", "Time to resolve"),
            (whole.resolve_median_seconds, whole.resolve_p90_seconds),
            whole.resolved,
            f"from opening to closing; of {whole.incidents} incidents those that are closed",
            "no incident's ticket of this history is closed",
        ),
        _share(
            "first_by_person_share",
            "Share of incidents that a person told of before any page",
            (whole.first_by_person, whole.first_known),
            "tickets opened before the first replayed page about their alerts (by more than "
            f"{SAME_US // MINUTE_US} minutes), or never paged; of {whole.incidents} incidents "
            "those of which it is known",
            "no incident's ticket of this history can be held against pages",
        ),
    ]


def _loads(found: Operations, no_page: str) -> Iterable[Figure]:
    """Pages a shift and a night of the pager that gets most."""
    pagers = found.whole("receiver")
    days = max(round(found.whole()[0].days), 1)
    method = "pages of the pager that gets most, from a replay of the history"
    at_night = f", from {NIGHT[0]}:00 to {NIGHT[1]:02d}:00 UTC"
    for which, words in (("baseline", "today's configuration"), ("candidate", "the rules")):
        shifts = [row.per_shift(getattr(row, f"pages_{which}")) or 0.0 for row in pagers]
        nights = [row.per_night(getattr(row, f"night_{which}")) or 0.0 for row in pagers]
        for name, span, values, when in (
            ("shift", f"a shift of {SHIFT_HOURS} hours", shifts, ""),
            ("night", "a night", nights, at_night),
        ):
            yield Figure(
                id=f"{_STAGE}.{which}_pages_per_{name}",
                label=f"Pages {span} with {words}",
                value=None if no_page else round(max(values, default=0.0), 4),
                missing=no_page,
                method=method + when,
                n=days,
                unit="pages",
            )


def _times(
    name: tuple[str, str],
    values: tuple[float | None, float | None],
    n: int | None,
    method: str,
    missing: str,
) -> list[Figure]:
    """Median and 90th percentile of something that takes time."""
    return [
        Figure(
            id=f"{_STAGE}.{name[0]}_{which}",
            label=f"{name[1]}, {words}",
            value=value,
            missing="" if value is not None else missing,
            method=method,
            n=n or 0,
            unit="seconds",
        )
        for which, words, value in (
            ("median", "median", values[0]),
            ("p90", "90th percentile", values[1]),
        )
    ]


def _share(
    name: str, label: str, counts: tuple[int | None, int | None], method: str, missing: str
) -> Figure:
    good, n = counts
    if not n:
        return Figure(
            id=f"{_STAGE}.{name}", label=label, value=None, missing=missing, method=method,
            n=0, unit="share",
        )  # fmt: skip
    share = (good or 0) / n
    low, high = wilson_interval(share, n, normal_quantile(LEVEL))
    return Figure(
        id=f"{_STAGE}.{name}", label=label, value=round(share, 6), low=round(float(low), 6),
        high=round(float(high), 6), level=LEVEL, n=n, unit="share",
        method=f"{method}; Wilson, as if one had nothing to do with another",
    )  # fmt: skip

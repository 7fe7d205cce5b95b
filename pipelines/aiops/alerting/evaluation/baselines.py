"""Other methods on the same window, for comparison: coarser groups, and a cool-down."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config import HOUR, MINUTE, Config, Route
from pipelines.aiops.alerting.evaluation.backtest import Backtest, BacktestResult
from pipelines.aiops.alerting.evaluation.incidents import NOT_PAGED, FirstPages
from pipelines.core.arrays import Ints, spread


@dataclass(frozen=True)
class Baseline:
    """Another method.

    Attributes
    ----------
    name, label : str
        Short name, and in words.
    measure : callable
        What it does in a backtest's window.
    """

    name: str
    label: str
    measure: Callable[[Backtest], BacktestResult]


def grouped(config: Config) -> Config:
    """Group what pages by alert name and cluster, told every 5 minutes and again after 12 hours.

    Parameters
    ----------
    config : Config
        Today's configuration.

    Returns
    -------
    Config
        The same; routes to receivers that don't page are as they were.
    """

    def coarser(route: Route) -> Route:
        found = replace(route, routes=tuple(coarser(child) for child in route.routes))
        if not config.receiver(route.receiver).pages:
            return found
        return replace(
            found,
            group_by=("alertname", "cluster"),
            group_interval=5 * MINUTE,
            repeat_interval=12 * HOUR,
        )

    return replace(config, route=coarser(config.route))


def told_keys(
    backtest: Backtest, replay: Any, codes: Ints
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Say what each page of a replay is about.

    A page is about the alerts that are first told by it, in any of their episodes; one that tells
    nothing new (a repeat) is about all that its group ever told of.

    Parameters
    ----------
    backtest : Backtest
        Knows the rows.
    replay : Replay
        Replay of them.
    codes : array of int64, shape (series,)
        What is counted, as a number a series.

    Returns
    -------
    times : array of int64, shape (pages,), microseconds since 1970
        All pages of the replay, ascending.
    page, code : array of int64, shape (pairs,)
        Pairs of a page and what it is about, sorted by page; -1 = nobody knows.
    """
    notes = replay.notifications
    alerts = replay.alerts
    is_page = notes["page"].to_numpy(dtype=bool)
    times = notes["time"].to_numpy(dtype=np.int64)[is_page]
    group = notes["group"].to_numpy(dtype=np.int64)[is_page]
    order = np.argsort(times, kind="stable")
    times, group = times[order], group[order]
    first = alerts["first_page"].to_numpy(dtype=np.int64)
    of_group = alerts["group"].to_numpy(dtype=np.int64)
    code = codes[backtest.rows.series] if len(codes) else np.empty(0, np.int64)
    told = first != NOT_PAGED
    page, about = _pairs(times, first[told], code[told])
    rest = np.flatnonzero(np.bincount(page, minlength=len(times)) == 0)
    again, more = _pairs(group[rest], of_group[told], code[told])
    left = rest[np.bincount(again, minlength=len(rest)) == 0]
    page = np.concatenate([page, rest[again], left])
    about = np.concatenate([about, more, np.full(len(left), -1, np.int64)])
    order = np.lexsort((about, page))
    return times, page[order], about[order]


def _pairs(wanted: Ints, keys: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """For each wanted key the distinct codes that stand beside it."""
    if not len(keys):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((codes, keys))
    keys, codes = keys[order], codes[order]
    new = np.append(True, (keys[1:] != keys[:-1]) | (codes[1:] != codes[:-1]))
    keys, codes = keys[new], codes[new]
    first = np.searchsorted(keys, wanted)
    owner, at = spread(first, np.searchsorted(keys, wanted, side="right") - first)
    return owner, codes[at]


def cool_down(hours: int) -> Callable[[Backtest], BacktestResult]:
    """Make a model of a cool-down: what paged about (alert name, service) is silent for so long.

    A page is kept if anything that it is about wasn't paged within that time. An alert is told by
    the first page about its name and service that is kept while it lasts.

    Parameters
    ----------
    hours : int
        Length.

    Returns
    -------
    callable
        What it does in a backtest's window.
    """

    def measure(backtest: Backtest) -> BacktestResult:
        rows = backtest.rows
        names = [
            f"{labels.get('alertname', '')}\0{service}"
            for labels, service in zip(rows.labels, backtest.attribution.services, strict=True)
        ]
        _, codes = np.unique(np.array(names, dtype=str), return_inverse=True)
        times, page, about = told_keys(backtest, backtest.baseline, codes.astype(np.int64))
        keep = kept_pages(times, page, about, hours * HOUR)
        on = keep[page]
        first = _first_of_key(
            (times[page[on]], about[on]), codes[rows.series], rows.starts, rows.ends
        )
        today = FirstPages.of(backtest.baseline)
        first = np.where(today.page == NOT_PAGED, NOT_PAGED, first)
        found = times[keep]
        return backtest.compare(
            found[backtest.window.holds(found)],
            FirstPages(first, today.notification),
            np.full(len(rows.labels), "", dtype=object),
        )

    return measure


def kept_pages(times: Ints, page: Ints, about: Ints, silence: int) -> NDArray[np.bool_]:
    """Say which pages a cool-down keeps.

    Parameters
    ----------
    times : array of int64, shape (pages,), microseconds since 1970
        Ascending.
    page, about : array of int64, shape (pairs,)
        As `told_keys` returns them.
    silence : int, microseconds
        Length of the cool-down, from a page that is kept.

    Returns
    -------
    array of bool, shape (pages,)
    """
    keep = np.zeros(len(times), dtype=bool)
    last: dict[int, int] = {}
    bounds = np.searchsorted(page, np.arange(len(times) + 1)).tolist()
    keys, at = about.tolist(), times.tolist()
    for number, time in enumerate(at):
        mine = keys[bounds[number] : bounds[number + 1]]
        if any(time - last.get(key, -(2**62)) >= silence for key in mine):
            keep[number] = True
            last |= dict.fromkeys(mine, time)
    return keep


def _first_of_key(pages: tuple[Ints, Ints], key: Ints, starts: Ints, ends: Ints) -> Ints:
    """First page of each row's key within the row's time."""
    times, about = pages
    order = np.lexsort((times, about))
    times, about = times[order], about[order]
    found = np.full(len(key), NOT_PAGED, np.int64)
    by_key = np.argsort(key, kind="stable")
    edges = np.searchsorted(key[by_key], np.unique(key))
    for mine in np.split(by_key, edges[1:]):
        if not len(mine):
            continue
        low, high = np.searchsorted(about, [key[mine[0]], key[mine[0]] + 1])
        sent = times[low:high]
        if not len(sent):
            continue
        at = np.searchsorted(sent, starts[mine])
        page = sent[np.minimum(at, len(sent) - 1)]
        found[mine] = np.where((at < len(sent)) & (page < ends[mine]), page, NOT_PAGED)
    return found


def all_grouped(backtest: Backtest) -> BacktestResult:
    """Measure what coarser groups do, without any rule."""
    return backtest.effect(backtest.replay((), grouped(backtest.config)), ())


BASELINES = (
    Baseline(
        "grouped",
        "Today's routes, grouped by alertname and cluster (every 5 minutes, again after 12 hours)",
        all_grouped,
    ),
    Baseline("cool_down_1h", "Cool-down of an hour for each (alertname, service)", cool_down(1)),
    Baseline("cool_down_4h", "Cool-down of 4 hours for each (alertname, service)", cool_down(4)),
    Baseline("cool_down_24h", "Cool-down of a day for each (alertname, service)", cool_down(24)),
)
"""In the order of reports."""

"""Family known_fix: the same fix ended it again and again, so it could run by itself."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.history import Family, History, Mined, members
from pipelines.aiops.alerting.rules import KnownFixRule, Rule, with_id
from pipelines.core.stats import bonferroni_level, clopper_pearson_lower

if TYPE_CHECKING:
    import pandas as pd


class _Fixes:
    """Fix and minutes to its end for each ticket of a frame, "" where none is known."""

    def __init__(self, history: History, tickets: "pd.DataFrame") -> None:
        import pandas as pd

        rows = tickets.drop_duplicates("ticket_id", keep="last").set_index("ticket_id")
        rows = rows.reindex(history.frame.tickets)
        taken = pd.to_datetime(rows["closed_at"], utc=True) - pd.to_datetime(
            rows["opened_at"], utc=True
        )
        self.minutes = np.asarray(taken.dt.total_seconds() / 60, np.float64)
        self.fix: list[str] = rows["fix"].fillna("").astype(str).to_list()


def fixes_miner(tickets: "pd.DataFrame | None") -> Family:
    """Return a miner of known fixes over these tickets.

    Parameters
    ----------
    tickets : DataFrame or None
        Columns ``ticket_id``, ``opened_at``, ``closed_at`` and ``fix``; None: nothing is found.

    Returns
    -------
    Family
        A family's miner.
    """

    def mine(history: History) -> Mined:
        return Mined([], 0) if tickets is None else mine_known_fix(history, tickets)

    return mine


def mine_known_fix(history: History, tickets: "pd.DataFrame") -> Mined:
    """Find fixes that ended most of a pattern's tickets; a ticket counts once however noisy.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    tickets : DataFrame
        Columns ``ticket_id``, ``opened_at``, ``closed_at`` and ``fix``.

    Returns
    -------
    Mined
        Rules of family known_fix.
    """
    fixes = _Fixes(history, tickets)
    params, counted = history.params.known_fix, []
    for index in _patterns_with_tickets(history):
        rows = _first_of_ticket(history, index)
        rows = rows[[bool(fixes.fix[t]) for t in history.episodes.ticket[rows].tolist()]]
        days = np.unique(history.episodes.days()[rows])
        if len(rows) >= params.min_tickets and len(days) >= history.params.min_days:
            counted.append((index, rows))
    rules: list[Rule] = []
    done: set[int] = set()
    for index, rows in counted:
        rule = _rule(history, index, rows, fixes, len(counted))
        if rule is not None and not done.intersection(history.patterns.ancestors(index)):
            done.add(index)
            rules.append(rule)
    return Mined(rules[: history.params.max_rules], len(counted))


def _patterns_with_tickets(history: History) -> list[int]:
    ticketed = np.unique(history.episodes.series[history.episodes.ticket >= 0])
    found = [of_level[ticketed] for of_level in history.patterns.levels]
    return [int(index) for index in np.unique(np.concatenate(found)) if index >= 0]


def _first_of_ticket(history: History, index: int) -> NDArray[np.int64]:
    """Give the pattern's first episode of each of its tickets."""
    episodes = history.episodes
    rows = members(history, index)
    rows = rows[episodes.ticket[rows] >= 0]
    order = rows[np.lexsort((episodes.start[rows], episodes.ticket[rows]))]
    _, first = np.unique(episodes.ticket[order], return_index=True)
    return np.sort(order[first])


def _rule(
    history: History, index: int, rows: NDArray[np.int64], fixes: _Fixes, tried: int
) -> KnownFixRule | None:
    tickets = history.episodes.ticket[rows].tolist()
    names = [fixes.fix[t] for t in tickets]
    fix = min(set(names), key=lambda name: (-names.count(name), name))
    good, n = names.count(fix), len(names)
    low = float(clopper_pearson_lower(good, n, bonferroni_level(history.params.alpha, tried)))
    matchers = history.patterns.matchers(index)
    if low < history.params.known_fix.min_share or matchers is None:
        return None
    same = np.array([name == fix for name in names])
    minutes = fixes.minutes[np.array(tickets)[same]]
    taken = float(np.median(minutes[~np.isnan(minutes)])) if (~np.isnan(minutes)).any() else 0.0
    return with_id(KnownFixRule(
        id="",
        matchers=matchers,
        fix=fix,
        median_minutes=round(taken, 2),
        sentence=(
            f"'{fix}' ended {good:,} of {n:,} tickets of {history.patterns.items[index]} (at least "
            f"{support.percent(low)} with confidence), after {taken:.0f} minutes in the median: a "
            f"candidate for automation. Pages stay as they are."
        ),
        support=support.support_of(history.episodes, rows, n),
        bound=support.bound_of(
            f"share of tickets that '{fix}' ended", good, n, low=low,
            alpha=history.params.alpha, tried=tried,
        ),
        expires=support.expiry(history),
        team=history.patterns.team(index),
        examples=support.examples_of(
            history, rows[same],
            lambda i: f"ticket {history.frame.tickets[history.episodes.ticket[i]]}: {fix}",
        ),
    ))  # fmt: skip

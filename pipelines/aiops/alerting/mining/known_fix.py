"""Family known_fix: the same fix ended it again and again, so it could run by itself."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.history import History, Mined, excluded_pairs, is_left_out
from pipelines.aiops.alerting.rules import KnownFixRule, with_id
from pipelines.core.arrays import Ints

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


def mine_known_fix(history: History, tickets: "pd.DataFrame") -> Mined:
    """Find fixes that ended most tickets of an alert name, or of one of its services.

    A ticket counts once, however noisy.

    Parameters
    ----------
    history : History
        The alerts.
    tickets : DataFrame
        Columns ``ticket_id``, ``opened_at``, ``closed_at`` and ``fix``.

    Returns
    -------
    Mined
        Rules of family known_fix. A service has a rule of its own where its alert name has none.
    """
    fixes = _Fixes(history, tickets)
    params = history.params.known_fix
    fixed = np.array([bool(text) for text in fixes.fix], dtype=bool)
    episodes, services = history.episodes, len(history.services)
    rows = np.flatnonzero(episodes.ticket >= 0)
    rows = rows[fixed[episodes.ticket[rows]]]
    pair = history.pair[episodes.series[rows]]
    excluded = excluded_pairs(history, "known_fix")
    left = ~excluded[pair]
    rows, pair = rows[left], pair[left]
    named = np.array([bool(name) for name in history.names])[pair // services]
    served = named & np.array([bool(name) for name in history.services])[pair % services]
    candidates = []
    for of_name, code, keep in ((True, pair // services, named), (False, pair, served)):
        for number, members in _first_of_tickets(history, rows[keep], code[keep]):
            days = np.unique(episodes.days()[members])
            if len(members) >= params.min_tickets and len(days) >= params.min_days:
                candidates.append((of_name, number, members))
    rules: list[KnownFixRule] = []
    done: set[int] = set()
    for of_name, number, members in candidates:
        if not of_name and number // services in done:
            continue
        code_of_series = history.pair // services if of_name else history.pair
        series = np.flatnonzero((code_of_series == number) & ~excluded[history.pair])
        rule = _rule(history, members, series, fixes, tried=len(candidates), of_name=of_name)
        if rule is not None and not is_left_out(rule, history.params.exclude):
            rules.append(rule)
            if of_name:
                done.add(number)
    return Mined(rules, len(candidates))


def _first_of_tickets(
    history: History, rows: NDArray[np.int64], code: Ints
) -> list[tuple[int, NDArray[np.int64]]]:
    """Give each code with the first episode of each of its tickets, ascending."""
    episodes = history.episodes
    order = np.lexsort((episodes.start[rows], episodes.ticket[rows], code))
    rows, code = rows[order], code[order]
    ticket = episodes.ticket[rows]
    first = np.ones(len(rows), bool)
    first[1:] = (code[1:] != code[:-1]) | (ticket[1:] != ticket[:-1])
    rows, code = rows[first], code[first]
    numbers, begins = np.unique(code, return_index=True)
    parts = np.split(rows, begins[1:]) if len(rows) else []
    return [(int(n), np.sort(part)) for n, part in zip(numbers, parts, strict=True)]


def _rule(
    history: History, rows: NDArray[np.int64], series: Ints, fixes: _Fixes, *, tried: int,
    of_name: bool,
) -> KnownFixRule | None:  # fmt: skip
    episodes, params = history.episodes, history.params.known_fix
    tickets = episodes.ticket[rows].tolist()
    names = [fixes.fix[t] for t in tickets]
    fix = min(set(names), key=lambda name: (-names.count(name), name))
    good, n = names.count(fix), len(names)
    bound = support.bound_of(
        f"share of tickets that '{fix}' ended", good, n, alpha=params.alpha, tried=tried
    )
    if (bound.low or 0.0) < params.min_share:
        return None
    pair = int(history.pair[series[0]])
    alert = history.names[pair // len(history.services)]
    if not of_name:
        alert = f"{alert} of {history.services[pair % len(history.services)]}"
    same = np.array([name == fix for name in names])
    minutes = fixes.minutes[np.array(tickets)[same]]
    taken = float(np.median(minutes[~np.isnan(minutes)])) if (~np.isnan(minutes)).any() else 0.0
    return with_id(KnownFixRule(
        id="",
        matchers=history.matchers(series),
        fix=fix,
        median_minutes=round(taken, 2),
        sentence=(
            f"'{fix}' ended {good:,} of {n:,} tickets of {alert} (at least "
            f"{support.percent(bound.low or 0.0)} with confidence), after {taken:.0f} minutes in "
            "the median: a candidate for automation. Pages stay as they are."
        ),
        support=support.support_of(episodes, rows),
        bound=bound,
        expires=support.expiry(history),
        team=history.team(series),
        examples=support.examples_of(
            history, rows[same],
            lambda i: f"ticket {history.frame.tickets[episodes.ticket[i]]}: {fix}",
        ),
    ))  # fmt: skip

"""What stands beside a rule: support, bound, examples, expiry; figures in words."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.episodes import Episodes, days_of
from pipelines.aiops.alerting.mining.history import History
from pipelines.aiops.alerting.rules import Bound, Example, Support
from pipelines.core.evidence import round_floats
from pipelines.core.stats import METHOD, bonferroni_level, clopper_pearson_lower
from pipelines.core.time import EPOCH

MAX_LABELS = 20
"""Labels that an example shows."""


def moment(episodes: Episodes, at: int) -> datetime:
    """Turn milliseconds since the origin of `episodes` into a date in UTC.

    Parameters
    ----------
    episodes : Episodes
        Episodes that give the origin.
    at : int
        Milliseconds since the origin.

    Returns
    -------
    datetime
        Time in UTC.
    """
    return EPOCH + timedelta(milliseconds=episodes.origin // 1000 + at)


def support_of(episodes: Episodes, rows: NDArray[np.int64]) -> Support:
    """Sum up the support of a rule that rests on these episodes.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the history.
    rows : array of int64, shape (n,)
        Positions of the episodes, at least one.

    Returns
    -------
    Support
        Alerts, episodes, days, first and last.
    """
    starts = episodes.start[rows]
    return Support(
        alerts=int(episodes.rows[rows].sum()),
        episodes=len(rows),
        days=days_of(episodes, starts),
        first=moment(episodes, int(starts.min())),
        last=moment(episodes, int(starts.max())),
    )


def examples_of(
    history: History, rows: NDArray[np.int64], sentence: Callable[[int], str]
) -> tuple[Example, ...]:
    """Pick episodes from the beginning, the middle and the end of `rows`, in order of time.

    Parameters
    ----------
    history : History
        The alerts.
    rows : array of int64, shape (n,)
        Positions of episodes.
    sentence : callable
        Describes an episode, given its position.

    Returns
    -------
    tuple of Example
        At most `MineRulesParams.examples` examples.
    """
    return examples_at(history, rows, moments_of(history, history.episodes.start[rows]), sentence)


def moments_of(history: History, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pick the starts of examples: the first, the last and some between.

    Parameters
    ----------
    history : History
        The alerts.
    starts : array of int64, shape (n,), milliseconds
        Starts of episodes, any order.

    Returns
    -------
    array of int64, milliseconds
        Chosen starts, ascending.
    """
    wanted = min(history.params.examples, len(starts))
    # Partition instead of sort: only a handful of order statistics is needed.
    ranks = np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(int))
    return np.unique(np.partition(starts, ranks)[ranks])


def examples_at(
    history: History,
    rows: NDArray[np.int64],
    moments: NDArray[np.int64],
    sentence: Callable[[int], str],
) -> tuple[Example, ...]:
    """Show an episode of `rows` for each of the moments, at which one must start.

    Parameters
    ----------
    history : History
        The alerts.
    rows : array of int64, shape (n,)
        Positions of episodes.
    moments : array of int64, milliseconds
        Starts since the origin.
    sentence : callable
        Describes an episode, given its position.

    Returns
    -------
    tuple of Example
        One example a moment.
    """
    episodes, labels = history.episodes, history.frame.labels
    chosen = [_at(history, rows, int(start)) for start in moments]
    return tuple(
        Example(
            starts_at=moment(episodes, int(episodes.start[i])),
            ends_at=moment(episodes, int(episodes.end[i])) if episodes.ended[i] else None,
            labels=dict(sorted(labels[episodes.series[i]].items())[:MAX_LABELS]),
            sentence=sentence(i),
        )
        for i in chosen
    )


def _at(history: History, rows: NDArray[np.int64], start: int) -> int:
    """Of the episodes that start at this moment the first by labels, however they are numbered."""
    episodes, labels = history.episodes, history.frame.labels
    same = rows[episodes.start[rows] == start].tolist()
    best: int = min(same, key=lambda i: sorted(labels[episodes.series[i]].items()))
    return best


def expiry(history: History) -> date:
    """Return the day after which a rule must be proven anew.

    Parameters
    ----------
    history : History
        The alerts.

    Returns
    -------
    date
        End of the last window and `MineRulesParams.expiry_days` more.
    """
    end = EPOCH + timedelta(microseconds=history.end)
    return (end + timedelta(days=history.params.expiry_days)).date()


def bound_of(measures: str, good: int, n: int, *, alpha: float, tried: int = 1) -> Bound:
    """Compute the lower confidence bound of a share, as it stands in a rule.

    Parameters
    ----------
    measures : str
        What the share is a share of, in words.
    good, n : int
        What speaks for the rule, and all.
    alpha : float
        Chance of an error over all candidates together.
    tried : int, default 1
        Candidates that share `alpha` (Bonferroni).

    Returns
    -------
    Bound
        Rounded; the method of Clopper and Pearson.
    """
    level = bonferroni_level(alpha, tried)
    low = float(clopper_pearson_lower(good, n, level)) if n else 0.0
    return Bound(
        measures=measures, value=round_floats(good / n if n else 0.0), low=round_floats(low),
        n=n, level=round_floats(level), method=METHOD, tried=tried,
    )  # fmt: skip


def seconds_in_words(seconds: float) -> str:
    """Format a duration for people.

    Parameters
    ----------
    seconds : float
        Duration, seconds.

    Returns
    -------
    str
        Whole days, hours or minutes where it is one; else seconds.
    """
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {word}{'s' if count != 1 else ''}"
    return f"{seconds:g} s"


def percent(share: float) -> str:
    """Format a share in per cent, one digit, never rounded up to certainty.

    Parameters
    ----------
    share : float
        Share between 0 and 1.

    Returns
    -------
    str
        Such as "99.9 %".
    """
    text = min(share * 100, 99.9) if share < 1 else 100.0
    return f"{text:.1f} %" if text < 100 else "100 %"

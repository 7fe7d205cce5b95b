"""What stands beside a rule: support, examples, expiry, words."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.bounds import METHOD, level
from pipelines.aiops.noise.mining.episodes import Episodes, days_of
from pipelines.aiops.noise.mining.history import History
from pipelines.aiops.noise.rules import Bound, Example, Matcher, Support, rule_id
from pipelines.base.numbers import tidy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_LABELS = 20
"""Labels that an example shows."""


def moment(episodes: Episodes, at: int) -> datetime:
    """Turn milliseconds since the origin of `episodes` into a date in UTC."""
    return EPOCH + timedelta(milliseconds=episodes.origin // 1000 + at)


def support_of(episodes: Episodes, rows: NDArray[np.int64], count: int | None = None) -> Support:
    """Support of a rule that rests on these episodes; `count` is the number of independent ones."""
    starts = episodes.start[rows]
    return Support(
        alerts=int(episodes.rows[rows].sum()),
        episodes=len(rows) if count is None else count,
        days=days_of(episodes, starts),
        first=moment(episodes, int(starts.min())),
        last=moment(episodes, int(starts.max())),
    )


def examples_of(
    history: History, rows: NDArray[np.int64], says: Callable[[int], str]
) -> tuple[Example, ...]:
    """Pick episodes from the beginning, the middle and the end of `rows`, in order of time."""
    return examples_at(history, rows, moments_of(history, history.episodes.start[rows]), says)


def moments_of(history: History, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pick starts of examples: the first, the last and some between."""
    wanted = min(history.params.examples, len(starts))
    places = np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(int))
    return np.unique(np.partition(starts, places)[places])


def examples_at(
    history: History,
    rows: NDArray[np.int64],
    moments: NDArray[np.int64],
    says: Callable[[int], str],
) -> tuple[Example, ...]:
    """Show an episode of `rows` for each of the moments, at which one must start."""
    episodes, labels = history.episodes, history.patterns.labels
    chosen = [_at(history, rows, int(start)) for start in moments]
    return tuple(
        Example(
            starts_at=moment(episodes, int(episodes.start[i])),
            ends_at=moment(episodes, int(episodes.end[i])) if episodes.ended[i] else None,
            labels=dict(sorted(labels[episodes.series[i]].items())[:MAX_LABELS]),
            says=says(i),
        )
        for i in chosen
    )


def _at(history: History, rows: NDArray[np.int64], start: int) -> int:
    """Of the episodes that start at this moment the first by labels, however they are numbered."""
    episodes, labels = history.episodes, history.patterns.labels
    same = rows[episodes.start[rows] == start].tolist()
    best: int = min(same, key=lambda i: sorted(labels[episodes.series[i]].items()))
    return best


def expiry(history: History) -> date:
    """Day after which a rule must be proven anew."""
    end = EPOCH + timedelta(microseconds=history.window.end)
    return (end + timedelta(days=history.params.expiry_days)).date()


def bound_of(
    measures: str,
    good: int,
    n: int,
    *,
    low: float | None = None,
    high: float | None = None,
    alpha: float,
    tried: int,
    method: str = METHOD,
) -> Bound:
    """Give a share's bound as it stands in a rule."""
    return Bound(
        measures=measures, value=tidy(good / n if n else 0.0),
        low=None if low is None else tidy(float(low)),
        high=None if high is None else tidy(float(high)),
        n=n, level=tidy(level(alpha, tried)), method=method, tried=tried,
    )  # fmt: skip


def identity(family: str, matchers: tuple[Matcher, ...], **does: Any) -> str:
    """Id of a rule from what it does."""
    return rule_id(family, {"matchers": [m.model_dump() for m in matchers], **does})


def seconds_in_words(seconds: float) -> str:
    """Duration as people say it."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {word}{'s' if count != 1 else ''}"
    return f"{seconds:g} s"


def percent(share: float) -> str:
    """Share in per cent, one digit, never rounded up to certainty."""
    shown = min(share * 100, 99.9) if share < 1 else 100.0
    return f"{shown:.1f} %" if shown < 100 else "100 %"

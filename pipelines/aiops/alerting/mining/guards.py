"""How many quiet alerts are too many: a bound that the next windows keep, if nothing changes."""

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.history import History
from pipelines.aiops.alerting.rules import Guard
from pipelines.core.stats import bonferroni_level

METHOD = (
    "upper prediction bound of a Poisson count with unknown rate (Jeffreys prior), of a negative "
    "binomial one where windows differ more; Bonferroni over windows and rules"
)


def most_within(starts: NDArray[np.int64], window: int) -> int:
    """Largest number of `starts` (ascending) within any sliding window, its end exclusive."""
    if not len(starts):
        return 0
    inside = np.searchsorted(starts, starts + window, "left") - np.arange(len(starts))
    return int(inside.max())


def counts_by_window(starts: NDArray[np.int64], window: int, span: int) -> NDArray[np.int64]:
    """Count the starts in each window that `span` has room for, side by side from time 0."""
    windows = max(-(-span // window), 1)
    place = np.minimum(starts // window, windows - 1)
    return np.bincount(place, minlength=windows)


def prediction_bound(counts: NDArray[np.int64], confidence: float) -> int:
    """Count that one more window like these exceeds with a chance of at most 1 - `confidence`.

    Parameters
    ----------
    counts
        Counts of the history's windows, shape (windows,).

    Notes
    -----
    Of a Poisson count whose rate was seen in n windows the predictive distribution is negative
    binomial (k + 1/2 successes, probability n / (n + 1)): little history gives a wide bound. Where
    the windows differ more than Poisson's do, a negative binomial distribution with their mean and
    variance holds as well; the larger bound counts.
    """
    from scipy.stats import nbinom

    n, total = len(counts), float(counts.sum())
    bounds = [nbinom.isf(1 - confidence, total + 0.5, n / (n + 1))]
    mean = total / n
    variance = float(counts.var(ddof=1)) if n > 1 else 0.0
    if mean > 0 and variance > mean:
        bounds.append(nbinom.isf(1 - confidence, mean**2 / (variance - mean), mean / variance))
    return int(max(bounds))


def max_count(
    starts: NDArray[np.int64], span: int, *, window: int, alpha: float, rules: int
) -> int:
    """Most starts in a sliding window that are still routine.

    Parameters
    ----------
    starts
        Starts of the episodes, ascending, counted from the history's beginning; one unit of time
        for this, `span` (the history's length) and `window`.
    alpha
        Chance that any of the `rules` guards trips within another `span` of the same.

    Returns
    -------
    Never less than the history had.
    """
    counts = counts_by_window(starts, window, span)
    # A sliding window meets bursts that the fixed ones cut in two: it is tried twice as often.
    confidence = bonferroni_level(alpha, 2 * len(counts) * max(rules, 1))
    return max(most_within(starts, window), prediction_bound(counts, confidence))


def routine_guard(history: History, rows: NDArray[np.int64], rules: int) -> Guard:
    """Guard of a rule that hides routine: neither more of them nor longer ones than the routine.

    Parameters
    ----------
    rows
        Episodes of the routine, of which it is known that nobody acted on them.
    rules
        Rules that are guarded like this.
    """
    quiet, episodes = history.params.quiet, history.episodes
    lasting = episodes.end[rows] - episodes.start[rows]
    # Not the longest: one freak of a history would keep the guard quiet for ever.
    usual = float(np.quantile(lasting, quiet.lasting_quantile, method="higher"))
    longest = usual / 1000 * quiet.lasting_factor
    return Guard(
        window_seconds=quiet.guard_window_seconds,
        max_count=max_count(
            np.sort(episodes.start[rows]),
            episodes.span,
            window=quiet.guard_window_seconds * 1000,
            alpha=quiet.guard_alpha,
            rules=rules,
        ),
        max_seconds=max(int(np.ceil(longest)), 1) if quiet.lasting_factor else None,
    )


def guard_says(guard: Guard) -> str:
    """Say what a guard does, for a rule's sentence."""
    window = support.seconds_in_words(guard.window_seconds)
    lasting = (
        ""
        if guard.max_seconds is None
        else f", or one that lasts longer than {support.seconds_in_words(guard.max_seconds)}"
    )
    return (
        f"More than {guard.max_count:,} within {window}{lasting}, "
        "which its history doesn't explain, pages."
    )

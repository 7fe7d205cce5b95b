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
    """Return the largest number of starts within any sliding window, its end exclusive.

    Parameters
    ----------
    starts : array of int64, shape (n,)
        Starts, ascending.
    window : int
        Length of the window, in the unit of `starts`.

    Returns
    -------
    int
        Number of starts, 0 without any.
    """
    if not len(starts):
        return 0
    # A window with the most starts can be moved to begin with one of them.
    inside = np.searchsorted(starts, starts + window, "left") - np.arange(len(starts))
    return int(inside.max())


def counts_by_window(starts: NDArray[np.int64], window: int, span: int) -> NDArray[np.int64]:
    """Count the starts in each window that `span` has room for, side by side from time 0.

    Parameters
    ----------
    starts : array of int64, shape (n,)
        Starts since the beginning of the history.
    window : int
        Length of a window, in the unit of `starts`.
    span : int
        Length of the history, in the unit of `starts`.

    Returns
    -------
    array of int64, shape (windows,)
        Starts in each; the last window takes what is left over.
    """
    windows = max(-(-span // window), 1)
    window_of = np.minimum(starts // window, windows - 1)
    return np.bincount(window_of, minlength=windows)


def prediction_bound(counts: NDArray[np.int64], confidence: float) -> int:
    """Predict the count that one more window exceeds with chance 1 - `confidence` at most.

    Parameters
    ----------
    counts : array of int64, shape (windows,)
        Counts of the history's windows.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    int
        Upper prediction bound.

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
    """Compute the largest number of starts in a sliding window that is still routine.

    Parameters
    ----------
    starts : array of int64
        Starts of the episodes, ascending, counted from the history's beginning; one unit of time
        for this, `span` (the history's length) and `window`.
    span : int
        Length of the history.
    window : int
        Length of the sliding window.
    alpha : float
        Chance that any of the `rules` guards trips within another `span` of the same.
    rules : int
        Guards that share `alpha`.

    Returns
    -------
    int
        Never less than the history had.
    """
    counts = counts_by_window(starts, window, span)
    # A sliding window meets bursts that the fixed ones cut in two: it is tried twice as often.
    confidence = bonferroni_level(alpha, 2 * len(counts) * max(rules, 1))
    return max(most_within(starts, window), prediction_bound(counts, confidence))


def routine_guard(history: History, rows: NDArray[np.int64], rules: int) -> Guard:
    """Build the guard of a rule that hides routine: no more episodes and no longer ones than usual.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    rows : array of int64, shape (n,)
        Episodes of the routine, of which it is known that nobody acted on them.
    rules : int
        Number of rules that are guarded like this.

    Returns
    -------
    Guard
        Guard with a count, and with a duration if `lasting_factor` isn't 0.
    """
    quiet, episodes = history.params.demotion, history.episodes
    # Ends that nobody saw say nothing about how long it lasts, unless there are no others.
    seen = rows[episodes.ended[rows]] if episodes.ended[rows].any() else rows
    lasting = episodes.end[seen] - episodes.start[seen]
    # Not the longest: one freak of a history would keep the guard quiet for ever.
    typical = float(np.quantile(lasting, quiet.lasting_quantile, method="higher"))
    longest = typical / 1000 * quiet.lasting_factor
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
    """Describe what a guard does, for a rule's sentence.

    Parameters
    ----------
    guard : Guard
        A rule's guard.

    Returns
    -------
    str
        One sentence.
    """
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

"""Metrics and their replicates as figures."""

from typing import TYPE_CHECKING

from pipelines.core.evidence import Figure, round_floats
from pipelines.core.stats import mover_difference
from pipelines.mlops.evaluation.bootstrap import METHOD, interval
from pipelines.mlops.evaluation.closed_forms import ClosedForms, Limits
from pipelines.mlops.evaluation.metrics import LOSSES, METHODS, METRICS, UNITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DELTAS = ("log_loss", "brier", "calibration_error", "roc_auc", "average_precision", "accuracy")
"""Metrics compared with the released model."""

OF_ALL_ROWS = ("accuracy", "selection_rate")

UNDEFINED = "undefined on these rows: one label only, or nobody selected"


def metric_figures(
    point: "NDArray[np.float64]",
    replicates: "NDArray[np.float64]",
    *,
    n: int,
    confidence: float,
    closed: ClosedForms,
    prefix: str = "evaluate",
    where: dict[str, str] | None = None,
    rate: str = METRICS["selection_rate"],
) -> list[Figure]:
    """Make one figure a metric.

    Parameters
    ----------
    point : ndarray of float64, shape (k,)
        Metrics of the rows, in the order of `METRICS`; NaN where undefined.
    replicates : ndarray of float64, shape (r, k)
        Metrics of every bootstrap replicate.
    n : int
        Number of rows.
    confidence : float
        Confidence level of the intervals.
    closed : ClosedForms
        What replaces values and intervals of the bootstrap.
    prefix : str, default="evaluate"
        Begins every figure's id: ``<prefix>.<metric>``.
    where : dict of str to str, optional
        Column -> value of the slice that the rows are.
    rate : str, default="Selection rate"
        What the share of positive decisions is called.

    Returns
    -------
    list of Figure, length k
        In the order of `METRICS`.
    """
    bounds = _bounds(replicates, confidence, closed.rarer)
    how = f"interval: {METHOD}, {len(replicates)} replicates"
    found = []
    for column, (name, label) in enumerate(METRICS.items()):
        limits = closed.limits.get(name) or Limits(float(point[column]), *bounds[column], how)
        blank = Figure(
            id=f"{prefix}.{name}",
            label=rate if name == "selection_rate" else label,
            value=None,
            method=f"{METHODS[name]}; {limits.how}",
            n=n,
            unit=UNITS.get(name, ""),
            where=where or {},
        )
        found.append(_figure(blank, limits.value, (limits.low, limits.high), confidence))
    return found


def delta_figures(
    points: "tuple[NDArray[np.float64], NDArray[np.float64]]",
    replicates: "tuple[NDArray[np.float64], NDArray[np.float64]]",
    *,
    closed: tuple[ClosedForms, ClosedForms],
    n: int,
    confidence: float,
) -> list[Figure]:
    """Compare losses with the released model's, on the same replicates.

    All are oriented alike: above 0 the new model is worse.

    Parameters
    ----------
    points : tuple of two ndarray of float64, each of shape (k,)
        Metrics of the new model, then of the released one.
    replicates : tuple of two ndarray of float64, each of shape (r, k)
        The same in every replicate; row by row from the same draw, so that differences are paired.
    closed : tuple of two ClosedForms
        What replaces values of the bootstrap, of the new model and of the released one. The
        interval of the difference of two calibration errors joins those of both as if they were
        independent (MOVER): the same luck hits both, so it is rather too wide.
    n : int
        Number of test rows.
    confidence : float
        Confidence level of the intervals.

    Returns
    -------
    list of Figure
        ``evaluate.delta_<metric>`` for each of `DELTAS`.
    """
    import numpy as np

    # Shape (k,): turns a metric of which more is better into a loss.
    sign = np.array([1.0 if name in LOSSES else -1.0 for name in METRICS])
    point = sign * (points[0] - points[1])
    drawn = sign * (replicates[0] - replicates[1])
    bounds = _bounds(drawn, confidence, closed[0].rarer)
    how = f"interval: {METHOD}, {len(replicates[0])} paired replicates"
    found = {
        name: Limits(float(point[column]), *bounds[column], how)
        for column, name in enumerate(METRICS)
    }
    new, old = (one.limits["calibration_error"] for one in closed)
    # Of two models that score alike the errors are one and the same.
    if not np.array_equal(*replicates, equal_nan=True):
        found["calibration_error"] = _difference(new, old)
    return [
        _figure(
            _delta(name, n, found[name].how),
            found[name].value,
            (found[name].low, found[name].high),
            confidence,
        )
        for name in DELTAS
    ]


def _bounds(
    replicates: "NDArray[np.float64]", confidence: float, rarer: float
) -> list[tuple[float | None, float | None]]:
    """Intervals of all metrics: shares of all rows don't hang on how rare a label is."""
    plain, expanded = interval(replicates, confidence), interval(replicates, confidence, rarer)
    return [
        plain[column] if name in OF_ALL_ROWS else expanded[column]
        for column, name in enumerate(METRICS)
    ]


def _difference(new: Limits, old: Limits) -> Limits:
    how = "interval: MOVER of both intervals (Zou & Donner 2008), as if they were independent"
    value = new.value - old.value
    if new.low is None or new.high is None or old.low is None or old.high is None:
        return Limits(value, None, None, how)
    low, high = mover_difference(new.value, (new.low, new.high), old.value, (old.low, old.high))
    return Limits(value, float(low), float(high), how)


def missing_deltas(reason: str, n: int) -> list[Figure]:
    """Return the figures of `delta_figures` without values.

    Parameters
    ----------
    reason : str
        Why there is nothing to compare with.
    n : int
        Number of test rows.

    Returns
    -------
    list of Figure
        One for each of `DELTAS`.
    """
    return [
        _delta(name, n, "not computed").model_copy(update={"missing": reason}) for name in DELTAS
    ]


def _delta(name: str, n: int, how: str) -> Figure:
    order = "new - released" if name in LOSSES else "released - new"
    return Figure(
        id=f"evaluate.delta_{name}",
        label=f"{METRICS[name]}: how much worse than the released model",
        value=None,
        method=f"{order} on the same test rows; above 0 the new model is worse; {how}",
        n=n,
        unit=UNITS.get(name, ""),
    )


def _figure(
    blank: Figure, value: float, bounds: tuple[float | None, float | None], level: float
) -> Figure:
    """Fill in value and interval, or say that there is none.

    Percentiles of a biased metric (average precision on few rows) can lie beside the value; an
    interval that excludes its estimate says nothing about it, so it is widened to it.
    """
    import math

    if not math.isfinite(value):
        return blank.model_copy(update={"missing": UNDEFINED})
    low, high = bounds
    if low is None or high is None:
        return blank.model_copy(update={"value": round_floats(value)})
    return blank.model_copy(
        update={
            "value": round_floats(value),
            "low": round_floats(min(low, value)),
            "high": round_floats(max(high, value)),
            "level": level,
        }
    )

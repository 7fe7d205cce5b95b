"""Metrics and their replicates as figures."""

from typing import TYPE_CHECKING

from pipelines.core.evidence import Figure, round_floats
from pipelines.mlops.evaluation.bootstrap import METHOD, interval
from pipelines.mlops.evaluation.metrics import LOSSES, METHODS, METRICS, UNITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DELTAS = ("log_loss", "brier", "calibration_error", "roc_auc", "average_precision", "accuracy")
"""Metrics compared with the released model."""

UNDEFINED = "undefined on these rows: one label only, or nobody selected"


def metric_figures(
    point: "NDArray[np.float64]",
    replicates: "NDArray[np.float64]",
    *,
    n: int,
    confidence: float,
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
    bounds = interval(replicates, confidence)
    return [
        _figure(
            Figure(
                id=f"{prefix}.{name}",
                label=rate if name == "selection_rate" else label,
                value=None,
                method=f"{METHODS[name]}; interval: {METHOD}, {len(replicates)} replicates",
                n=n,
                unit=UNITS.get(name, ""),
                where=where or {},
            ),
            float(point[column]),
            bounds[column],
            confidence,
        )
        for column, (name, label) in enumerate(METRICS.items())
    ]


def delta_figures(
    points: "tuple[NDArray[np.float64], NDArray[np.float64]]",
    replicates: "tuple[NDArray[np.float64], NDArray[np.float64]]",
    *,
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
    bounds = interval(sign * (replicates[0] - replicates[1]), confidence)
    columns = {name: column for column, name in enumerate(METRICS)}
    return [
        _figure(
            _delta(name, n, f"interval: {METHOD}, {len(replicates[0])} paired replicates"),
            float(point[columns[name]]),
            bounds[columns[name]],
            confidence,
        )
        for name in DELTAS
    ]


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
        label=f"{METRICS[name]} lost against the released model",
        value=None,
        method=f"{order} on the same test rows; above 0 the new model is worse; {how}",
        n=n,
        unit=UNITS.get(name, ""),
    )


def _figure(
    blank: Figure, value: float, bounds: tuple[float | None, float | None], level: float
) -> Figure:
    """Fill in value and interval, or say that there is none."""
    import math

    if not math.isfinite(value):
        return blank.model_copy(update={"missing": UNDEFINED})
    low, high = bounds
    if low is None or high is None:
        return blank.model_copy(update={"value": round_floats(value)})
    return blank.model_copy(
        update={
            "value": round_floats(value),
            "low": round_floats(low),
            "high": round_floats(high),
            "level": level,
        }
    )

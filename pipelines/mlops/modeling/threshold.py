"""Choose the operating threshold on validation data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import ThresholdParams
from pipelines.mlops.modeling.info import Threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CURVE_POINTS = 101
TIES = "of thresholds that do equally well the highest is taken (fewest rows decided positive)"


@dataclass(frozen=True)
class Curve:
    """Confusion counts at every threshold that makes a difference, from high to low.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (k,)
        Falling. The first selects nobody, the last everybody; the ones between lie midway between
        neighbouring scores, so that the last bit of a score decides nothing.
    tp, fp : ndarray of int64, shape (k,)
        Selected positive and negative rows at each threshold.
    positives, n : int
        Positive rows and all rows.
    """

    thresholds: "NDArray[np.float64]"
    tp: "NDArray[np.int64]"
    fp: "NDArray[np.int64]"
    positives: int
    n: int

    def table(self, params: ThresholdParams) -> "dict[str, NDArray[np.float64]]":
        """Compute figures at every threshold.

        Parameters
        ----------
        params : ThresholdParams
            Gives the costs of a false positive and a false negative.

        Returns
        -------
        dict of str to ndarray, each of shape (k,)
            ``threshold``, ``selection_rate``, ``accuracy``, ``precision``, ``recall``, ``f1`` and
            ``cost`` (mean per row); precision and F1 are 0 where nobody is selected.
        """
        import numpy as np

        selected = self.tp + self.fp
        missed = self.positives - self.tp
        correct = self.tp + (self.n - self.positives - self.fp)
        return {
            "threshold": self.thresholds,
            "selection_rate": selected / self.n,
            "accuracy": correct / self.n,
            "precision": self.tp / np.maximum(selected, 1),
            "recall": self.tp / max(self.positives, 1),
            "f1": 2 * self.tp / np.maximum(selected + self.positives, 1),
            "cost": (params.cost_false_positive * self.fp + params.cost_false_negative * missed)
            / self.n,
        }


def curve(y: "NDArray[np.int8]", scores: "NDArray[np.float64]") -> Curve:
    """Count the confusion at every distinct threshold.

    Parameters
    ----------
    y : ndarray of int8, shape (n,)
        Labels 0 or 1; n ≥ 1.
    scores : ndarray of float64, shape (n,)
        Scores in [0, 1].

    Returns
    -------
    Curve
        One threshold more than there are distinct scores.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.asarray(y, dtype=np.int64)[order]
    # A threshold can't part equal scores: one level a run of them.
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))
    levels = sorted_scores[ends]
    middle = (levels[:-1] + levels[1:]) / 2
    above_all = (levels[0] + 1) / 2 if levels[0] < 1 else np.nextafter(1.0, 2)
    # Between neighbouring floats the middle may round down to the lower one: then take the upper.
    middle = np.where(middle > levels[1:], middle, levels[:-1])
    thresholds = np.concatenate([[above_all], middle, [levels[-1] / 2]])
    # Counts at the runs' ends, after the threshold that selects nobody; shape (k,).
    tp = np.concatenate([[0], np.cumsum(hits)[ends]])
    return Curve(
        thresholds=thresholds,
        tp=tp,
        fp=np.concatenate([[0], ends + 1]) - tp,
        positives=int(hits.sum()),
        n=len(hits),
    )


def choose(points: Curve, params: ThresholdParams) -> Threshold:
    """Choose a threshold by the rule in `params`; ties: see `TIES`.

    Parameters
    ----------
    points : Curve
        Of validation data.
    params : ThresholdParams
        The rule and what it needs.

    Returns
    -------
    Threshold

    Raises
    ------
    SignalboxError
        If validation data has one label only and the rule needs both.
    """
    import numpy as np

    if params.rule == "fixed":
        return Threshold(value=params.value, rule=params.rule, words=_words(params))
    if params.rule != "selection_rate" and points.positives in (0, points.n):
        raise SignalboxError(
            f"train.threshold.rule: {params.rule} needs both labels in validation data, found "
            f"{points.positives} positive of {points.n} rows; use rule fixed or more data"
        )
    table = points.table(params)
    loss = {
        "max_accuracy": -table["accuracy"],
        "max_f1": -table["f1"],
        "min_cost": table["cost"],
        "selection_rate": np.abs(table["selection_rate"] - params.selection_rate),
    }[params.rule]
    # Rounded, so that figures equal in exact arithmetic stay ties in floating point.
    at = int(np.argmin(np.round(loss, 12)))
    value = float(points.thresholds[at])
    return Threshold(value=value, rule=params.rule, words=_words(params))


def _words(params: ThresholdParams) -> str:
    """Say the rule as a sentence."""
    what = {
        "max_accuracy": "the highest accuracy",
        "max_f1": "the highest F1",
        "min_cost": (
            "the lowest cost, where a false positive costs "
            f"{params.cost_false_positive:g} and a false negative {params.cost_false_negative:g}"
        ),
        "selection_rate": "the share of rows decided positive nearest to "
        f"{params.selection_rate:g}",
    }
    if params.rule == "fixed":
        return f"fixed at {params.value:g} in params.yaml; no data was used to choose it"
    return f"the threshold with {what[params.rule]} on validation data; {TIES}"


def at_threshold(
    y: "NDArray[np.int8]", scores: "NDArray[np.float64]", value: float, params: ThresholdParams
) -> dict[str, float]:
    """Compute the figures of rows at one threshold.

    Parameters
    ----------
    y : ndarray of int8, shape (n,)
        Labels 0 or 1.
    scores : ndarray of float64, shape (n,)
        Scores in [0, 1].
    value : float
        A row is selected when its score is at or above it.
    params : ThresholdParams
        Gives the costs.

    Returns
    -------
    dict of str to float
        Keys as in `Curve.table`.
    """
    import numpy as np

    selected = scores >= value
    point = Curve(
        thresholds=np.array([value]),
        tp=np.array([int((selected & (y == 1)).sum())]),
        fp=np.array([int((selected & (y != 1)).sum())]),
        positives=int((y == 1).sum()),
        n=len(y),
    )
    return {name: float(column[0]) for name, column in point.table(params).items()}


def summary(points: Curve, params: ThresholdParams) -> list[dict[str, Any]]:
    """Thin the curve to at most `CURVE_POINTS` points, first and last kept.

    Parameters
    ----------
    points : Curve
        Of validation data.
    params : ThresholdParams
        Gives the costs.

    Returns
    -------
    list of dict of str to float
        Keys as in `Curve.table`; thresholds falling, numbers to 10 significant digits.
    """
    import numpy as np

    table = points.table(params)
    k = len(points.thresholds)
    # Evenly spaced positions; unique, because rounding may name one twice.
    keep = np.unique(np.linspace(0, k - 1, min(k, CURVE_POINTS)).round().astype(int))
    return [{name: float(f"{column[i]:.10g}") for name, column in table.items()} for i in keep]

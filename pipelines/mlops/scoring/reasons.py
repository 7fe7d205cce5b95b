"""Reason codes: the inputs that moved a row's score most, against ordinary values.

One input at a time is replaced by its reference value, an ordinary value of the release's training
data, and the model is asked again. The change of the log-odds is the input's effect: positive where
the row's own value raises the score against the ordinary one. It is the difference of log-odds with
and without an attribute's value (Robnik-Šikonja and Kononenko 2008, IEEE Trans. Knowl. Data Eng.
20:589), with one reference value in place of an average over all values. It needs nothing of a
model but its predictions.

What it is not: a cause (changing the input in life need not change the outcome), and no fair share
of an interaction (an effect that two inputs have only together shows in both, one that either has
alone in neither). Effects add up to the difference between the row and the all-reference row only
where the model is additive in log-odds. A calibration in steps makes small effects exactly zero;
such inputs are no reason.
"""

from typing import TYPE_CHECKING, Any

from pipelines.mlops.modeling.info import ModelInfo, NumericInput
from pipelines.mlops.modeling.inputs import prepare
from pipelines.mlops.modeling.scoring import score

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


Reference = dict[str, float | str | None]
"""Column → value; None = missing is the most frequent."""


def reference_values(train: "pd.DataFrame", info: ModelInfo) -> Reference:
    """Compute the median of each number and the most frequent value of each text.

    The median is the lower one of two, so that it is a value that occurs. Missing counts as a value
    of a text, as it does for the models; ties go to the first in alphabetical order.

    Parameters
    ----------
    train : pandas.DataFrame
        The release's training data; at least one row.
    info : ModelInfo
        Names the model's inputs.

    Returns
    -------
    dict of str to float, str or None
        Input → reference value; None = missing is the most frequent, or the only value.
    """
    prepared = prepare(train, info.inputs)
    return {
        column.name: _median(prepared[column.name])
        if isinstance(column, NumericInput)
        else _mode(prepared[column.name])
        for column in info.inputs
    }


def _median(values: "pd.Series[float]") -> float | None:
    known = values.dropna()
    return float(known.quantile(0.5, interpolation="lower")) if len(known) else None


def _mode(values: "pd.Series[str]") -> str | None:
    counts = values.value_counts(dropna=False)
    best = int(counts.max())
    ties = [value for value, rows in counts.items() if rows == best]
    texts = sorted(value for value in ties if isinstance(value, str))
    return texts[0] if texts else None


RAISES, LOWERS = "raises", "lowers"
DIGITS = 9
"""Decimals of an effect: a last bit must neither order reasons nor make one."""


def effects(
    model: Any,
    info: ModelInfo,
    prepared: "pd.DataFrame",
    scores: "NDArray[np.float64]",
    reference: Reference,
) -> "NDArray[np.float64]":
    """Compute the effect of every input on every row's log-odds.

    Rows that have the reference value already aren't asked again: their effect is 0.

    Parameters
    ----------
    model : estimator with ``predict_proba``
    info : ModelInfo
        Both as `modeling.store.load_model` returns them.
    prepared : pandas.DataFrame, n rows
        Rows in the form `modeling.inputs.prepare` gives.
    scores : ndarray of float64, shape (n,)
        Scores of these rows.
    reference : dict of str to float, str or None
        Reference value of each input.

    Returns
    -------
    ndarray of float64, shape (n, len(info.inputs))
        Log-odds (natural logarithm) of the row minus those with the reference value, rounded to
        `DIGITS` decimals; positive where the row's own value raises the score.

    References
    ----------
    Robnik-Šikonja and Kononenko (2008), IEEE Trans. Knowl. Data Eng. 20:589.
    """
    import numpy as np

    own = _log_odds(scores)
    found = np.zeros((len(prepared), len(info.inputs)))
    for index, name in enumerate(info.names()):
        value = reference[name]
        rows = np.flatnonzero(_differs(prepared[name], value))
        if not len(rows):
            continue
        changed = prepared.iloc[rows].assign(**{name: float("nan") if value is None else value})
        found[rows, index] = own[rows] - _log_odds(score(model, info, changed))
    return np.round(found, DIGITS)


def reason_columns(
    found: "NDArray[np.float64]", names: list[str], count: int
) -> "dict[str, pd.Series[Any]]":
    """Pick the largest effects of each row.

    Ties go to the input that comes first in the model. A row with fewer effects than `count` has
    fewer reasons.

    Parameters
    ----------
    found : ndarray of float64, shape (n, k)
        As `effects` returns them.
    names : list of str, length k
        The inputs.
    count : int
        Reasons a row, at most.

    Returns
    -------
    dict of str to pandas.Series, each of n rows
        ``reason_1`` (input), ``reason_1_direction`` (`RAISES` or `LOWERS`), ``reason_1_effect``
        (log-odds), ``reason_2``, …; missing where a row has no such reason.
    """
    import numpy as np
    import pandas as pd

    # Shape (n, count): stable, so that ties keep the model's order.
    order = np.argsort(-np.abs(found), axis=1, kind="stable")[:, :count]
    columns: dict[str, pd.Series[Any]] = {}
    for rank in range(order.shape[1]):
        chosen = pd.Series(order[:, rank])
        effect = pd.Series(found[np.arange(len(found)), order[:, rank]])
        there = effect != 0
        direction = (effect > 0).map({True: RAISES, False: LOWERS})
        title = f"reason_{rank + 1}"
        columns[title] = chosen.map(dict(enumerate(names))).where(there).astype("str")
        columns[f"{title}_direction"] = direction.where(there).astype("str")
        columns[f"{title}_effect"] = effect.where(there)
    return columns


def _differs(values: "pd.Series[Any]", reference: float | str | None) -> "NDArray[np.bool_]":
    return (values.notna() if reference is None else values != reference).to_numpy()


def _log_odds(scores: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    # Scores keep a distance from 0 and 1 (`ModelInfo.score_floor`), so this is finite.
    return np.asarray(np.log(scores) - np.log1p(-scores))

"""Columns that give the answer away: each looked at alone, before anything is trained.

A column that ranks or splits the labels almost perfectly by itself was most likely made from the
target, or after it. A number is taken as it stands, which ranks the labels without learning
anything, and through a shallow decision tree, which learns where they change; of a text, the share
of positive labels of each value is learned (target encoding, smoothed). What was learned is
measured on rows that it was not learned from, dealt to folds by subject. A missing value is a value
of its own, because a cell that is filled in only afterwards tells by being empty.

A column that differs in (nearly) every row names or counts the rows. A text does so as soon as its
values hardly repeat. Whole numbers may differ by nature, as amounts do: they count as a key if they
are counted through or have as many digits each. Fractions are measurements.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pipelines.core.evidence import round_floats
from pipelines.core.params import DataParams
from pipelines.core.tables import ROW, SUBJECT
from pipelines.mlops.data.columns import is_numeric, labels, model_inputs
from pipelines.mlops.data.evidence import ColumnCheck

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

FOLDS = 5
DEPTH = 6
"""Of the tree: up to 64 pieces, enough for the number of a row in a file of sorted parts."""
MIN_LEAF = 20
SMOOTHING = 10.0
"""Rows that the overall share of positive labels counts for, beside those of a value."""
MAX_ROWS = 100_000
"""Larger tables are thinned to so many rows, evenly by the hash of the subject."""
KEY_SHARE = 0.99
"""A column is a key if at least this share of its values differ."""
MIN_ROWS = 50
"""Fewer values say nothing about keys."""
COUNTED_RANGE = 2.0
"""Whole numbers are counted through if their range is at most so many times their number."""
DIGITS = 6
"""Keys of equal length have at least so many digits."""


def check_columns(frame: pd.DataFrame, data: DataParams, leak_auc: float) -> list[ColumnCheck]:
    """Look at every column that a model may see, sensitive ones too.

    Parameters
    ----------
    frame : pandas.DataFrame
        `n` rows, with the target, `SUBJECT` and `ROW`; the target has two labels.
    data : DataParams
        Names the target and the columns that never are model inputs; those are not looked at.
    leak_auc : float
        A column that ranks or splits this well decides the target.

    Returns
    -------
    list of ColumnCheck
        In the order of the table. The same rows give the same result, in whatever order.

    Notes
    -----
    A leak in part (a column that is filled in for some of the positive rows only) and one that
    needs two columns together is not found here; the area under the model's own curve tells of it.
    """
    names = model_inputs(frame, data, use_sensitive=True)
    # Rows in the order of their number: sums of floats depend on the order.
    ordered = frame.sort_values(ROW, kind="stable").reset_index(drop=True)
    sample, fold = _sample(ordered)
    y = labels(sample, data)
    checks = []
    for name in names:
        numeric = is_numeric(ordered, name)
        column = sample[name]
        if numeric:  # trees compute in 32 bits: ranks lose nothing, whatever the numbers are
            column = column.rank(method="dense")
        learned = _held_out_scores(column, y, fold, numeric=numeric)
        scores = [] if learned is None else [learned]
        if numeric and column.notna().any():
            scores.append(column.fillna(column.median()).to_numpy(dtype="float64"))
        checks.append(_check(ordered[name].dropna(), scores, y, leak_auc, numeric=numeric))
    return checks


def _check(
    present: pd.Series[Any],
    scores: list[NDArray[np.float64]],
    y: NDArray[np.int8],
    leak_auc: float,
    *,
    numeric: bool,
) -> ColumnCheck:
    measured = [_measure(each, y) for each in scores]
    auc = max((area for area, _ in measured), default=None)
    balanced = max((share for _, share in measured), default=None)
    share = present.nunique() / len(present) if len(present) else 0.0
    differs = share >= KEY_SHARE and len(present) >= MIN_ROWS
    return ColumnCheck(
        name=str(present.name),
        roc_auc=None if auc is None else round_floats(auc),
        balanced_accuracy=None if balanced is None else round_floats(balanced),
        distinct_share=round_floats(share),
        decides_target=max(auc or 0.0, balanced or 0.0) >= leak_auc,
        names_rows=differs and (not numeric or _is_key(present)),
    )


def _sample(frame: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Return at most about `MAX_ROWS` rows, whole subjects at a time, and the fold of each."""
    import numpy as np
    import pandas as pd

    codes, subjects = pd.factorize(frame[SUBJECT].to_numpy(dtype=object))
    drawn = np.array(
        [int.from_bytes(hashlib.blake2b(str(s).encode(), digest_size=6).digest()) for s in subjects]
    )
    # The hash's low part deals to folds, its high part thins out.
    keep = (drawn // 2**16 < min(1.0, MAX_ROWS / len(frame)) * 2**32)[codes]
    fold = ((drawn % 2**16) % FOLDS)[codes]
    return frame[keep].reset_index(drop=True), fold[keep].astype(np.intp)


def _held_out_scores(
    column: pd.Series[Any], y: NDArray[np.int8], fold: NDArray[np.intp], *, numeric: bool
) -> NDArray[np.float64] | None:
    """Scores of all rows, each by what the other folds teach; None where a fold teaches nothing."""
    import numpy as np

    learn = _learn_number if numeric else _learn_text
    scores = np.empty(len(y))
    for number in range(FOLDS):
        out = fold == number
        if not out.any():
            continue
        taught = y[~out]
        if len(taught) == 0 or taught.min() == taught.max():
            return None
        scores[out] = learn(column[~out], taught, column[out])
    return scores


def _learn_number(
    values: pd.Series[Any], y: NDArray[np.int8], new: pd.Series[Any]
) -> NDArray[np.float64]:
    import numpy as np
    from sklearn.tree import DecisionTreeClassifier

    leaf = min(MIN_LEAF, max(1, len(y) // 20))
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=leaf, random_state=0)
    # Balanced, so that the tree looks for the rare label as well; NaN goes its own way in a tree.
    tree.set_params(class_weight="balanced")
    tree.fit(values.to_numpy(dtype="float64")[:, None], y)
    found = tree.predict_proba(new.to_numpy(dtype="float64")[:, None])[:, 1]
    return np.asarray(found, np.float64)


def _learn_text(
    values: pd.Series[Any], y: NDArray[np.int8], new: pd.Series[Any]
) -> NDArray[np.float64]:
    import numpy as np
    import pandas as pd

    # A missing value is a value: an object no text can be equal to.
    known = values.astype(object).where(values.notna(), None)
    asked = new.astype(object).where(new.notna(), None)
    codes, levels = pd.factorize(known.to_numpy(dtype=object), use_na_sentinel=False)
    rows = np.bincount(codes, minlength=len(levels))
    hits = np.bincount(codes, weights=y, minlength=len(levels))
    prior = float(y.mean())
    share = (hits + SMOOTHING * prior) / (rows + SMOOTHING)
    missing = [i for i, level in enumerate(levels) if pd.isna(level)]
    found = asked.map(dict(zip(levels, share, strict=True)))
    if missing:
        found = found.where(asked.notna(), share[missing[0]])
    return np.asarray(found.fillna(prior).to_numpy(dtype="float64"), np.float64)


def _measure(scores: NDArray[np.float64], y: NDArray[np.int8]) -> tuple[float, float]:
    """Area under the ROC curve, and the best balanced accuracy; whichever way it ranks."""
    import numpy as np
    from sklearn.metrics import auc, roc_curve

    fpr, tpr, _ = roc_curve(y, scores)
    area = float(auc(fpr, tpr))
    balanced = float(np.max((1 + np.abs(tpr - fpr)) / 2))
    return max(area, 1 - area), balanced


def _is_key(present: pd.Series[Any]) -> bool:
    """Whether numbers that hardly repeat look like keys and not like measurements."""
    import numpy as np

    numbers = present.to_numpy(dtype="float64")
    if (numbers != numbers.round()).any() or not np.isfinite(numbers).all():
        return False
    counted = numbers.max() - numbers.min() <= COUNTED_RANGE * len(numbers)
    lengths = {len(str(int(abs(number)))) for number in (numbers.min(), numbers.max())}
    equal = len(lengths) == 1 and max(lengths) >= DIGITS and numbers.min() > 0
    return bool(counted or equal)

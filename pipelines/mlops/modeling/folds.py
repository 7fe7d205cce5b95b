"""Training rows in the form a model takes, with cross-validation folds by subject."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.mlops.modeling.info import Input

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


Splits = list[tuple["NDArray[np.intp]", "NDArray[np.intp]"]]


def subject_folds(
    subjects: "pd.Series[str]", y: "NDArray[np.int8]", *, folds: int, seed: int
) -> "NDArray[np.intp]":
    """Deal subjects to folds in the order of a hash of their key.

    Subjects with a positive row and those without are dealt one after the other, so that every
    fold gets its share of both (stratification by subject).

    Parameters
    ----------
    subjects : pandas.Series of str, n rows
        Subject key of each row.
    y : ndarray of int8, shape (n,)
        Labels 0 or 1.
    folds : int
        Number of folds.
    seed : int
        Part of the hash; another seed deals all subjects anew.

    Returns
    -------
    ndarray of intp, shape (n,)
        Fold of each row, 0 to `folds` - 1. Rows of one subject share a fold. The order of the rows
        doesn't matter.
    """
    import numpy as np
    import pandas as pd

    # Shapes (n,) and (s,): each row's subject, and the subjects' keys.
    codes, keys = pd.factorize(subjects.to_numpy(dtype=object))
    positive = np.zeros(len(keys), dtype=bool)
    np.logical_or.at(positive, codes, y == 1)
    hashes = [hashlib.sha256(f"{seed}\0{key}".encode()).hexdigest() for key in keys]
    order = sorted(range(len(keys)), key=lambda i: (not positive[i], hashes[i]))
    # In this order the folds take turns.
    fold_of_subject = np.empty(len(keys), dtype=np.intp)
    fold_of_subject[order] = np.arange(len(keys)) % folds
    return fold_of_subject[codes]


def splits(fold: "NDArray[np.intp]", y: "NDArray[np.int8]", *, folds: int) -> "Splits":
    """List the row numbers to fit and to hold out, fold by fold.

    Parameters
    ----------
    fold : ndarray of intp, shape (n,)
        Fold of each row, 0 to `folds` - 1.
    y : ndarray of int8, shape (n,)
        Labels 0 or 1.
    folds : int
        Number of folds.

    Returns
    -------
    list of (ndarray of intp, ndarray of intp), length `folds`
        Positions (fit, held out), rising.

    Raises
    ------
    SignalboxError
        If a part would hold one label only: nothing can be learned or judged there.
    """
    import numpy as np

    parts: Splits = []
    for number in range(folds):
        held_out = np.flatnonzero(fold == number)
        fit = np.flatnonzero(fold != number)
        if len(np.unique(y[held_out])) < 2 or len(np.unique(y[fit])) < 2:
            raise SignalboxError(
                f"train.folds: {folds} folds leave fold {number + 1} with one label only; "
                f"train data has {int(y.sum())} positive of {len(y)} rows: "
                "use fewer folds or more data"
            )
        parts.append((fit, held_out))
    return parts


@dataclass(frozen=True)
class Sample:
    """`n` rows a model is fitted on.

    Attributes
    ----------
    x : pandas.DataFrame, n rows
        Table in the form `inputs.prepare` gives.
    y : ndarray of int8, shape (n,)
        Labels 0 or 1.
    parts : list of (ndarray of intp, ndarray of intp)
        Row numbers (fit, held out) of every fold.
    inputs : list of Input
        The columns of `x`, in order.
    """

    x: "pd.DataFrame"
    y: "NDArray[np.int8]"
    parts: Splits
    inputs: list[Input]

"""Small cells: a figure over a few people is a fact about them, and none about a group.

The threshold rule of statistical disclosure control: a cell is shown only if at least so many people
are in it (``data.min_cell``). 5 is a usual threshold; national practice goes from 3 to 10 (Federal
Committee on Statistical Methodology, *Statistical Policy Working Paper 22*, 2005; Hundepool et al.,
*Statistical Disclosure Control*, 2012, chapter 5). Numbers are made coarse by univariate
microaggregation (Domingo-Ferrer and Mateo-Sanz 2002): each is replaced by the median of a group of
neighbours. From a mean, one extreme value could be worked out (the dominance rule's case).

What the rule doesn't reach: a total minus the cells that are shown gives the sum over those that
aren't, and a count inside a cell that is shown can be small.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from pipelines.core.params import DataParams
from pipelines.core.tables import SUBJECT

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

OTHER = "<other>"
"""Value that stands for all values of too few people."""


def fewer(least: int) -> str:
    """Return the words that stand for a figure that isn't shown.

    Parameters
    ----------
    least : int
        ``data.min_cell``.

    Returns
    -------
    str
    """
    return f"fewer than {least} people (data.min_cell)"


def subjects_of(frame: "pd.DataFrame") -> "NDArray[np.intp]":
    """Return the subjects of a table's rows as numbers.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        A table; without the column ``subject_id`` every row is a subject of its own.

    Returns
    -------
    ndarray of intp, shape (n,)
        Equal for rows of one subject; rows without a key count as one subject.
    """
    import numpy as np
    import pandas as pd

    if SUBJECT not in frame.columns:
        return np.arange(len(frame))
    return pd.factorize(frame[SUBJECT].to_numpy(dtype=object))[0]


def people(values: Any, subjects: "NDArray[np.intp]") -> dict[Hashable, int]:
    """Count the subjects that have each value.

    Parameters
    ----------
    values : array-like, shape (n,)
        One value a row.
    subjects : ndarray of intp, shape (n,)
        From `subjects_of`.

    Returns
    -------
    dict
        Value → number of different subjects.
    """
    import numpy as np
    import pandas as pd

    table = pd.DataFrame({"value": np.asarray(values, dtype=object), "subject": subjects})
    counts = table.drop_duplicates()["value"].value_counts()
    return {value: int(count) for value, count in counts.items()}


def rare(values: Any, subjects: "NDArray[np.intp]", least: int) -> set[Hashable]:
    """Return the values that too few subjects have.

    Parameters
    ----------
    values : array-like, shape (n,)
        One value a row.
    subjects : ndarray of intp, shape (n,)
        From `subjects_of`.
    least : int
        ``data.min_cell``.

    Returns
    -------
    set
    """
    return {value for value, count in people(values, subjects).items() if count < least}


def pooled(
    values: Any, subjects: "NDArray[np.intp]", least: int, other: str = OTHER
) -> "NDArray[np.object_]":
    """Count values of too few subjects as one value.

    If that one still has too few, the least frequent other value joins it, as long as two others
    stay: else a difference of counts would tell.

    Parameters
    ----------
    values : array-like of str, shape (n,)
        One value a row.
    subjects : ndarray of intp, shape (n,)
        From `subjects_of`.
    least : int
        ``data.min_cell``.
    other : str, default `OTHER`
        The value that takes their place.

    Returns
    -------
    ndarray of object, shape (n,)
    """
    import numpy as np

    made = np.array(values, dtype=object)
    gone = rare(made, subjects, least)
    if not gone:
        return made
    made[[value in gone for value in made]] = other
    while True:
        counts = people(made, subjects)
        rest = sorted((n, str(value)) for value, n in counts.items() if value != other)
        if counts[other] >= least or len(rest) <= 2:
            return made
        made[made == rest[0][1]] = other


def rows_needed(subjects: "NDArray[np.intp]", data: DataParams) -> int:
    """Return a number of rows among which there are at least ``data.min_cell`` people.

    Without ``data.subject_key`` equal rows have one subject but may be several people: rows count.

    Parameters
    ----------
    subjects : ndarray of intp, shape (n,)
        From `subjects_of`.
    data : DataParams
        Section ``data``.

    Returns
    -------
    int
        0 where the rule is off.
    """
    import numpy as np

    if data.min_cell <= 1:
        return 0
    if data.subject_key is None or not len(subjects):
        return data.min_cell
    most = int(np.unique(subjects, return_counts=True)[1].max())
    return data.min_cell * most


def coarse(numbers: "NDArray[np.float64]", rows: int) -> "NDArray[np.float64]":
    """Replace rare numbers by the median of their group, so that no value stands alone.

    Parameters
    ----------
    numbers : ndarray of float64, shape (n,)
        NaN stays.
    rows : int
        Size of a group, from `rows_needed`; the last group takes what is left. Too few rare numbers
        for a group each become the nearest number that isn't rare.

    Returns
    -------
    ndarray of float64, shape (n,)
        The same array where there is nothing to do.
    """
    import numpy as np

    present = np.flatnonzero(~np.isnan(numbers))
    if rows <= 1 or not len(present):
        return numbers
    values, inverse, counts = np.unique(numbers[present], return_inverse=True, return_counts=True)
    alone = present[counts[inverse] < rows]
    if not len(alone):
        return numbers
    made = numbers.copy()
    common = values[counts >= rows]
    if len(alone) < rows and len(common):
        # Shape (alone, common): few of both, or there would be a group.
        made[alone] = common[np.abs(numbers[alone][:, None] - common).argmin(axis=1)]
        return made
    order = alone[np.argsort(numbers[alone], kind="stable")]
    starts = np.arange(max(len(order) // rows, 1)) * rows
    sizes = np.diff(np.append(starts, len(order)))
    made[order] = np.repeat(numbers[order][starts + sizes // 2], sizes)
    return made

"""Two tables made comparable: which columns, which rows, in which form."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.base.tables import RESERVED, ROW, SUBJECT
from pipelines.mlops.columns import is_numeric

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["input", "sensitive", "target"]

MISSING = "<missing>"
OTHER = "<other>"
BOTH_EMPTY = "no value in either table"
TOP_VALUES = 50
"""Values of a text column compared one by one, the most frequent in the reference; the rest count
as one. Between two samples of a column with thousands of rare values every distance is large."""


@dataclass(frozen=True)
class Pair:
    """Reference and current table, with the same `n` columns in the same form.

    Attributes
    ----------
    numbers, texts
        Names of the columns that can be compared.
    problems
        Column -> why it cannot be compared.
    """

    reference: "pd.DataFrame"
    current: "pd.DataFrame"
    numbers: list[str]
    texts: list[str]
    problems: dict[str, str]


def roles(columns: list[str], data: DataParams) -> dict[str, Role]:
    """Columns that are compared, and what they are; ignored ones and keys aren't."""
    found: dict[str, Role] = {}
    for name in columns:
        if name == data.target:
            found[name] = "target"
        elif name in data.sensitive:
            found[name] = "sensitive"
        elif name not in (*RESERVED, *data.ignore, data.subject_key):
            found[name] = "input"
    return found


def sample(frame: "pd.DataFrame", rows: int) -> "pd.DataFrame":
    """At most `rows` rows: those with the smallest hash of their keys, in the table's order.

    The same row is in or out whatever else is in the table at its place.
    """
    import numpy as np
    import pandas as pd

    if len(frame) <= rows:
        return frame
    hashes = pd.util.hash_pandas_object(frame[[SUBJECT, ROW]], index=False).to_numpy()
    kept = np.sort(np.argsort(hashes, kind="stable")[:rows])
    return frame.iloc[kept]


def pair(reference: "pd.DataFrame", current: "pd.DataFrame", names: list[str]) -> Pair:
    """Bring both tables into the form the comparison takes.

    Texts: missing is a value of its own; values beyond the `TOP_VALUES` most frequent of the
    reference are one value. Numbers: as float64, missing left out (their share is compared apart).

    Raises
    ------
    SignalboxError
        If a number is infinite.
    """
    import pandas as pd

    problems = {name: why for name in names if (why := _problem(reference, current, name))}
    good = [name for name in names if name not in problems]
    numbers = [name for name in good if is_numeric(reference, name)]
    texts = [name for name in good if name not in numbers]
    columns: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in good:
        both = _numbers if name in numbers else _texts
        columns[0][name], columns[1][name] = both(reference[name], current[name])
    return Pair(pd.DataFrame(columns[0]), pd.DataFrame(columns[1]), numbers, texts, problems)


def _problem(reference: "pd.DataFrame", current: "pd.DataFrame", name: str) -> str:
    """Why `name` cannot be compared; empty if it can."""
    if name not in reference.columns:
        return "new: not in the reference table"
    if name not in current.columns:
        return "gone: not in the current table"
    empty = [frame[name].notna().sum() == 0 for frame in (reference, current)]
    if all(empty):
        return BOTH_EMPTY
    if any(empty):
        return f"no value in the {'reference' if empty[0] else 'current'} table"
    if is_numeric(reference, name) != is_numeric(current, name):
        return "numbers in one table, texts in the other"
    return ""


def _numbers(reference: Any, current: Any) -> tuple[Any, Any]:
    import numpy as np

    made = []
    for column in (reference, current):
        values = column.astype("float64").reset_index(drop=True)
        if np.isinf(values.to_numpy()).any():
            raise SignalboxError(
                f"column '{column.name}': infinite values; replace them by numbers or leave empty"
            )
        made.append(values)
    return made[0], made[1]


def _texts(reference: Any, current: Any) -> tuple[Any, Any]:
    counts = reference.astype(str).where(reference.notna(), MISSING).value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = {value for value, _ in ranked[:TOP_VALUES]} | {MISSING}
    made = []
    for column in (reference, current):
        filled = column.astype(object).where(column.notna(), MISSING).astype(str)
        made.append(filled.where(filled.isin(known), OTHER).astype(object).reset_index(drop=True))
    return made[0], made[1]


def missing_share(frame: "pd.DataFrame", name: str) -> float:
    """Share of rows without a value; 1 where the table lacks the column."""
    return float(frame[name].isna().mean()) if name in frame.columns else 1.0

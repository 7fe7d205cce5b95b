"""Keys of subjects as texts: as written, never typed. Two different texts are two subjects.

A key that went through a number is another key: float64 holds whole numbers up to 2**53 only, and
no number holds leading zeros. So text stays as it stands in the source, blanks, signs, "NA" and
marks for missing values included; whole numbers of any width become their digits; everything else
is refused. A cell without any character is a missing key, and nothing else is.
"""

import math
import numbers
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.core.tables import SUBJECT

if TYPE_CHECKING:
    import pandas as pd

FLOAT = (
    "floating-point numbers, in which long numbers lose digits and become another person's; "
    "deliver it as text or as whole numbers (where it is a float only because some keys are "
    "missing: as a nullable integer)"
)
ALLOWED = "a key is text or a whole number: deliver it as text"


def key_columns(data: DataParams) -> tuple[str, ...]:
    """Columns that hold keys in whatever table is read: none of them is ever typed or trimmed."""
    return (SUBJECT,) if data.subject_key is None else (SUBJECT, data.subject_key)


def key_texts(column: Any, name: str, where: str) -> "pd.Series[str]":
    """Keys of a column as texts; the only way from a source's column to keys.

    Parameters
    ----------
    column
        Series, Arrow array, or list of Python values, of `n` rows.
    name
        The column's name, for the error.
    where
        File, query or parameter it comes from, for the error.

    Returns
    -------
    Series of str, n rows
        With the index of `column` if it is a Series. Missing where there is no key.

    Raises
    ------
    SignalboxError
        If the column holds floating-point numbers, or values that are neither text nor whole
        numbers.
    """
    import pandas as pd

    index = column.index if isinstance(column, pd.Series) else None
    texts = _at_once(column, index)
    if texts is None:
        try:
            found = [_text(value) for value in _values(column)]
        except TypeError as error:
            raise SignalboxError(
                f"{where}: column '{name}' names subjects (data.subject_key), but holds {error}"
            ) from None
        texts = pd.Series(found, dtype="str", index=index)
    return texts.mask(texts == "")


def _at_once(column: Any, index: Any) -> "pd.Series[str] | None":
    """Text of a column that is text already; None if its values must be looked at."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(column, pd.Series):
        return column if column.dtype == "str" else None
    if isinstance(column, pa.Array | pa.ChunkedArray):
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pd.Series(column.cast(pa.large_string()).to_pandas(), dtype="str", index=index)
    return None


def _values(column: Any) -> list[Any]:
    """Python values: whole numbers of any width stay exact.

    Raises
    ------
    TypeError
        If the column's type is a floating-point one, whatever its values are: that they are whole
        doesn't say what they were.
    """
    import pandas as pd
    import pyarrow as pa
    from pandas.api.types import is_float_dtype

    if isinstance(column, pd.Series):
        # pandas gives a column without any value this type; nothing was lost in it.
        if is_float_dtype(column) and column.notna().any():
            raise TypeError(FLOAT)
        return list(column.astype(object))
    if isinstance(column, pa.Array | pa.ChunkedArray):
        if pa.types.is_floating(column.type):
            raise TypeError(FLOAT)
        return list(column.to_pylist())
    return list(column)


def _text(value: Any) -> str | None:
    import pandas as pd

    if isinstance(value, str):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bool):
        raise TypeError(f"truth values; {ALLOWED}")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, Decimal):
        if value.is_finite() and int(value.as_tuple().exponent) >= 0:
            return format(value, "f")
        raise TypeError(f"numbers with decimal places; {ALLOWED}")
    if isinstance(value, numbers.Real):
        raise TypeError(FLOAT)
    raise TypeError(f"values of type {type(value).__name__}; {ALLOWED}")

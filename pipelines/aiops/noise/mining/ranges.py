"""Many stretches of one array, one after the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spread(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.int64]:
    """Give the positions ``low[0]:high[0]``, ``low[1]:high[1]`` and so on."""
    count = high - low
    rows: NDArray[np.int64] = np.repeat(low - np.cumsum(count) + count, count)
    rows += np.arange(len(rows))
    return rows

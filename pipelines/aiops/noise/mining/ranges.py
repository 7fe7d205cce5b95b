"""Many stretches of one array, one after the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spread(low: NDArray[Any], high: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the positions ``low[0]:high[0]``, ``low[1]:high[1]`` … and which stretch each is of."""
    count = high - low
    of = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    return np.arange(len(of)) + (low - begin)[of], of

"""Labels of many series as numbered pairs, so that they are counted and not walked through."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.arrays import spread
from pipelines.aiops.telemetry.frame import Labels


class LabelPairs:
    """Every label with each of its values, numbered in their order, and the series that have them.

    One alert may have ten thousand labels: what is kept grows with the labels that there are, not
    with series times names of labels. An empty value is a missing label, as in Alertmanager.

    Attributes
    ----------
    keys
        Names of labels, in order.
    values
        Value of each pair.
    key
        Position in `keys` of each pair, int64, ascending.
    """

    def __init__(self, labels: Sequence[Labels]) -> None:
        numbers: dict[tuple[str, str], int] = {}
        found: list[int] = []
        sizes = np.zeros(len(labels) + 1, np.int64)
        for index, one in enumerate(labels):
            before = len(found)
            for item in one.items():
                if item[1]:
                    found.append(numbers.setdefault(item, len(numbers)))
            sizes[index + 1] = len(found) - before
        self._first = np.cumsum(sizes)
        ordered = sorted(numbers)
        place = np.empty(len(ordered), np.int32)
        place[[numbers[pair] for pair in ordered]] = np.arange(len(ordered))
        self._pairs = place[np.array(found, np.int64)]
        self.keys = sorted({key for key, _ in ordered})
        at = {key: number for number, key in enumerate(self.keys)}
        self.key = np.array([at[key] for key, _ in ordered], np.int64)
        self.values = [value for _, value in ordered]

    def __len__(self) -> int:
        return len(self._first) - 1

    def having(self, series: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Give all pairs of some series, and for each the place of its series among these."""
        first = self._first[series]
        at, rows = spread(first, self._first[series + 1] - first)
        return self._pairs[rows], at

    def codes(self, key: str, series: NDArray[Any]) -> NDArray[np.int64]:
        """Code of each series' value of a label, 0 where it is missing, in the values' order."""
        code = np.zeros(len(series), np.int64)
        low, high = np.searchsorted(self.key, self.numbers(key)).tolist()
        if low < high:
            pairs, at = self.having(series)
            mine = (pairs >= low) & (pairs < high)
            code[at[mine]] = pairs[mine] - low + 1
        return code

    def value(self, key: str, code: int) -> str:
        """Value that a code of `codes` stands for."""
        low = int(np.searchsorted(self.key, self.numbers(key)[0]))
        return self.values[low + code - 1] if code else ""

    def values_of(self, key: str, series: NDArray[Any]) -> list[str]:
        """Values that some series have of a label, in order; the empty one if any lacks it."""
        return [self.value(key, int(code)) for code in np.unique(self.codes(key, series))]

    def counts(self, series: NDArray[Any]) -> dict[str, int]:
        """Labels that some series have, and how many of the series."""
        pairs, _ = self.having(series)
        number = np.bincount(self.key[pairs], minlength=len(self.keys))
        return {self.keys[i]: int(number[i]) for i in np.flatnonzero(number).tolist()}

    def team(self, series: NDArray[Any]) -> str:
        """Label ``team``, if all of some series agree on it; otherwise empty."""
        teams = self.values_of("team", series)
        return teams[0] if len(teams) == 1 else ""

    def numbers(self, key: str) -> tuple[int, int]:
        """Position of a label in `keys`, and the next one; twice the same without such a label."""
        number = bisect_left(self.keys, key)
        return number, number + (self.keys[number : number + 1] == [key])

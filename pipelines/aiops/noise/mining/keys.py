"""Sets of labels that group alerts, as codes of series."""

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.telemetry.frame import Labels

NAME = "alertname"


def common_labels(
    labels: Sequence[Labels],
    episodes: NDArray[np.int64],
    most: int,
    without: Collection[str] = (),
) -> list[str]:
    """Labels that alerts can be grouped by: on many episodes, with several values, not one each.

    Parameters
    ----------
    episodes
        Number of each series' episodes.
    most
        So many labels at most, those on most episodes first.
    """
    weight: dict[str, int] = {}
    values: dict[str, set[str]] = {}
    for index in np.flatnonzero(episodes).tolist():
        for key, value in labels[index].items():
            if key != NAME and key not in without:
                weight[key] = weight.get(key, 0) + int(episodes[index])
                values.setdefault(key, set()).add(value)
    useful = [key for key in weight if 2 <= len(values[key]) <= max(2, weight[key] // 2)]
    return sorted(useful, key=lambda key: (-weight[key], key))[:most]


def label_sets(keys: Sequence[str], largest: int = 2) -> list[tuple[str, ...]]:
    """All sets of at most `largest` labels, the empty one among them, names in order."""
    return [
        tuple(sorted(chosen))
        for size in range(largest + 1)
        for chosen in combinations(sorted(keys), size)
    ]


class Coder:
    """Numbers the values that some series have of sets of labels."""

    def __init__(self, labels: Sequence[Labels], series: NDArray[np.int64]) -> None:
        self.labels = labels
        self.series = series
        self._single: dict[str, tuple[NDArray[np.int64], int]] = {}

    def codes(self, keys: tuple[str, ...]) -> NDArray[np.int64]:
        """Give a number to each series' values of `keys`, in their order; -1 to other series.

        A missing label is the empty value, as it is in Alertmanager.
        """
        code = np.zeros(len(self.series), np.int64)
        for key in keys:
            single, count = self._codes(key)
            _, code = np.unique(code * count + single, return_inverse=True)
        codes = np.full(len(self.labels), -1, np.int64)
        codes[self.series] = code
        return codes

    def _codes(self, key: str) -> tuple[NDArray[np.int64], int]:
        if key not in self._single:
            values = [self.labels[i].get(key, "") for i in self.series.tolist()]
            numbers = {value: number for number, value in enumerate(sorted(set(values)))}
            self._single[key] = np.array([numbers[v] for v in values], np.int64), len(numbers)
        return self._single[key]

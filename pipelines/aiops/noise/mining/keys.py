"""Sets of labels that group alerts, as codes of series."""

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.label_pairs import LabelPairs

NAME = "alertname"


def common_labels(
    pairs: LabelPairs,
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
    series = np.flatnonzero(episodes)
    found, at = pairs.having(series)
    weight = np.bincount(pairs.key[found], episodes[series[at]], len(pairs.keys)).astype(np.int64)
    values = np.bincount(pairs.key[np.unique(found)], minlength=len(pairs.keys))
    useful = np.flatnonzero((values >= 2) & (values <= np.maximum(2, weight // 2)))
    names = [(-int(weight[number]), pairs.keys[number]) for number in useful.tolist()]
    return [name for _, name in sorted(names) if name != NAME and name not in without][:most]


def label_sets(keys: Sequence[str], largest: int = 2) -> list[tuple[str, ...]]:
    """All sets of at most `largest` labels, the empty one among them, names in order."""
    return [
        tuple(sorted(chosen))
        for size in range(largest + 1)
        for chosen in combinations(sorted(keys), size)
    ]


class Coder:
    """Numbers the values that some series have of sets of labels."""

    def __init__(self, pairs: LabelPairs, series: NDArray[np.int64]) -> None:
        self.pairs = pairs
        self.series = series
        self._single: dict[str, NDArray[np.int64]] = {}

    def codes(self, keys: tuple[str, ...]) -> NDArray[np.int64]:
        """Give a number to each series' values of `keys`, in their order; -1 to other series.

        A missing label is the empty value, as it is in Alertmanager.
        """
        code = np.zeros(len(self.series), np.int64)
        for key in keys:
            single = self._codes(key)
            count = int(single.max(initial=0)) + 1
            _, code = np.unique(code * count + single, return_inverse=True)
        codes = np.full(len(self.pairs), -1, np.int64)
        codes[self.series] = code
        return codes

    def _codes(self, key: str) -> NDArray[np.int64]:
        if key not in self._single:
            self._single[key] = self.pairs.codes(key, self.series)
        return self._single[key]

"""Kinds of alert that inhibit each other: names, told apart by severity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.history import History
from pipelines.aiops.telemetry.frame import YES


@dataclass(frozen=True)
class Kinds:
    """Kinds with episodes enough.

    Attributes
    ----------
    keys
        Name and severity ("" without) of each kind, in order.
    of_series
        Position in `keys` of each series, -1 for others.
    acted
        Positions of each kind's episodes that somebody acted on.
    """

    keys: list[tuple[str, str]]
    of_series: NDArray[np.int64]
    acted: list[NDArray[np.int64]]

    def words(self, kind: int) -> str:
        """Name the kind, with its severity where the name has several."""
        name, severity = self.keys[kind]
        several = sum(other == name for other, _ in self.keys) > 1
        return f"{name} ({severity or 'no severity'})" if several else name


def kinds_of(history: History) -> Kinds:
    """Find kinds among the series that have patterns."""
    labels = history.patterns.labels
    by_kind: dict[tuple[str, str], list[int]] = {}
    for item in history.patterns.items:
        if item.parent < 0:
            for series in item.series.tolist():
                key = (item.name, labels[series].get("severity", ""))
                by_kind.setdefault(key, []).append(series)
    least, episodes = history.params.min_episodes, history.patterns.episodes
    keys = sorted(key for key, series in by_kind.items() if episodes[series].sum() >= least)
    of_series = np.full(len(labels), -1, np.int64)
    for kind, key in enumerate(keys):
        of_series[by_kind[key]] = kind
    acted = np.flatnonzero(history.episodes.acted == YES)
    kind_of = of_series[history.episodes.series[acted]]
    return Kinds(keys, of_series, [acted[kind_of == kind] for kind in range(len(keys))])

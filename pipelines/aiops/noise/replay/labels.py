"""Label sets as columns of codes, so that a matcher is tried once a value and not once an alert."""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.noise.alertmanager import value_matches
from pipelines.aiops.noise.replay.arrays import Bools, Ints
from pipelines.aiops.noise.rules import Matcher
from pipelines.aiops.telemetry.frame import Labels


class LabelTable:
    """Label sets of all series, read a label at a time and remembered.

    Parameters
    ----------
    labels
        One label set a series.
    """

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = labels
        self._columns: dict[str, tuple[Ints, list[str]]] = {}

    def with_more(self, labels: Sequence[Labels]) -> "LabelTable":
        """Return a table with more series after these; what was read here isn't read again."""
        return _Grown(self, labels) if labels else self

    def __len__(self) -> int:
        return len(self.labels)

    def column(self, name: str) -> tuple[Ints, list[str]]:
        """Return the code of each series' value and the values; a missing label is empty."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def _read(self, name: str) -> tuple[Ints, list[str]]:
        texts = [each.get(name, "") for each in self.labels]
        values = sorted(set(texts))
        code = {value: i for i, value in enumerate(values)}
        return np.fromiter((code[text] for text in texts), np.int64, count=len(texts)), values

    def mask(self, matchers: Sequence[Matcher]) -> Bools:
        """Return which series satisfy all matchers."""
        found = np.ones(len(self), dtype=bool)
        for matcher in matchers:
            codes, values = self.column(matcher.label)
            accepted = np.fromiter((value_matches(matcher, v) for v in values), dtype=bool)
            if len(accepted):
                found &= accepted[codes]
        return found


class _Grown(LabelTable):
    """A table and more series after its own."""

    def __init__(self, base: LabelTable, labels: Sequence[Labels]) -> None:
        super().__init__([*base.labels, *labels])
        self._base, self._more = base, LabelTable(labels)

    def _read(self, name: str) -> tuple[Ints, list[str]]:
        (old, values), (new, more) = self._base.column(name), self._more.column(name)
        united = sorted({*values, *more})
        code = {value: i for i, value in enumerate(united)}
        places = [np.array([code[v] for v in each], dtype=np.int64) for each in (values, more)]
        return np.concatenate([places[0][old], places[1][new]]), united

"""Label sets as columns of codes, so that a matcher is tried once a value and not once an alert."""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.noise.alertmanager import value_matches, values_of
from pipelines.aiops.noise.arrays import Bools, Ints
from pipelines.aiops.noise.rules import Matcher
from pipelines.aiops.telemetry.frame import Labels

MASK_BYTES = 50_000_000
"""Which series satisfy which matchers is remembered up to so many bytes a table."""


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
        self._codes: dict[str, dict[str, int]] = {}
        self._masks: dict[tuple[Matcher, ...], Bools] = {}

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
        """Return which series satisfy all matchers; not to be written to."""
        key = tuple(matchers)
        if key not in self._masks:
            if (len(self._masks) + 1) * len(self) > MASK_BYTES:
                self._masks.clear()
            self._masks[key] = self._find(key)
            self._masks[key].flags.writeable = False
        return self._masks[key]

    def _find(self, matchers: tuple[Matcher, ...]) -> Bools:
        found = np.ones(len(self), dtype=bool)
        for matcher in matchers:
            accepted = self._accepted(matcher)
            if len(accepted):
                found &= accepted[self.column(matcher.label)[0]]
        return found

    def _accepted(self, matcher: Matcher) -> Bools:
        """Which values of its column a matcher accepts; a list of values is looked up."""
        _, values = self.column(matcher.label)
        wanted = values_of(matcher)
        if wanted is None:
            return np.fromiter((value_matches(matcher, v) for v in values), dtype=bool)
        if matcher.label not in self._codes:
            self._codes[matcher.label] = {value: i for i, value in enumerate(values)}
        codes = self._codes[matcher.label]
        found = np.zeros(len(values), dtype=bool)
        found[[codes[value] for value in wanted if value in codes]] = True
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

    def _find(self, matchers: tuple[Matcher, ...]) -> Bools:
        return np.concatenate([self._base.mask(matchers), self._more.mask(matchers)])

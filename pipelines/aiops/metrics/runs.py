"""Runs of missing and of unchanging values that are longer than the series ever had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.settings import DEFAULTS, DetectorSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LONGER = 3
"""How many times the longest earlier run a run must be."""


@dataclass(frozen=True)
class Run:
    """Row, first and last column, and -log10 of the chance that such a run starts at a point."""

    row: int
    left: int
    right: int
    rareness: float


def edges(flags: Bools) -> tuple[Ints, Ints]:
    """Return first and last place of each run of true."""
    padded = np.concatenate(([False], flags, [False])).astype(np.int8)
    turns = np.flatnonzero(np.diff(padded))
    return turns[::2], turns[1::2] - 1


def longest(flags: Bools, row: int, least: int, settings: DetectorSettings) -> list[Run]:
    """Return runs of at least `least` points and `LONGER` times the longest before.

    Lengths of earlier runs are taken as geometric with their own mean; so a run costs nothing in a
    series that often has long ones.
    """
    left, right = edges(flags)
    length = right - left + 1
    before_most, before_sum, found = 0, 0, []
    for number, (start, size) in enumerate(zip(left.tolist(), length.tolist(), strict=True)):
        if start >= settings.warm_up and size >= max(least, LONGER * before_most):
            mean = (before_sum + 1) / (number + 1)
            often = np.log10((start + 1) / (number + 1))
            rare = float(often + (size - 1) / mean * np.log10(np.e))
            found.append(Run(row, start, start + size - 1, min(rare, 300.0)))
        before_most, before_sum = max(before_most, size), before_sum + size
    return found


def missing_runs(values: Floats, settings: DetectorSettings = DEFAULTS) -> list[Run]:
    """Return unusual gaps of series that had begun; those at the end too."""
    found = []
    known = np.isfinite(values)
    for row in np.flatnonzero(~known.all(axis=1) & known.any(axis=1)).tolist():
        first = int(known[row].argmax())
        for run in longest(~known[row, first:], row, settings.smooth, settings):
            found.append(Run(row, run.left + first, run.right + first, run.rareness))
    return found


def flat_runs(values: Floats, settings: DetectorSettings = DEFAULTS) -> list[Run]:
    """Return runs of one and the same value in series that used to change."""
    found = []
    for row in range(len(values)):
        known = np.flatnonzero(np.isfinite(values[row]))
        if len(known) <= settings.warm_up:
            continue
        same = np.diff(values[row, known], prepend=np.nan) == 0
        if same.mean() > 0.9:  # Rarely changes: to stand still is its nature.
            continue
        found += [
            Run(row, int(known[run.left]), int(known[run.right]), run.rareness)
            for run in longest(same, row, 2 * settings.smooth, settings)
        ]
    return found

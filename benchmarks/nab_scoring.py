"""NAB's scoring, to the letter of its published sweeper, and two measures beside it.

Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly
Benchmark", ICMLA 2015, and the scorer of the numenta/NAB repository (``nab/sweeper.py``):

- the first 15 % of a series (of at most 5,000 points) are probation: not scored at all;
- a detection in a window counts once, by its earliest: scaled sigmoid of the place, 1 at the left
  edge, near 0 at the right one; a window without detection costs the false-negative weight;
- a detection elsewhere costs the false-positive weight, less just after a window;
- one threshold for all series, the one with the highest sum (score at or above it: detection);
- sums are normalised so that no detection at all is 0 and perfect detection 100.

The standard profile weighs 1 (true positive), 0.11 (false positive), 1 (false negative).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

PROBATION, PROBATION_ROWS = 0.15, 5000
FAR_BEHIND = 3.0
ABOVE_ALL = 1.1
"""Threshold that no score reaches; scores lie between 0 and 1."""


@dataclass(frozen=True)
class Profile:
    """Weights of true positives, false positives and false negatives."""

    tp: float = 1.0
    fp: float = 0.11
    fn: float = 1.0


STANDARD = Profile()
LOW_FP = Profile(fp=0.22)
LOW_FN = Profile(fn=2.0)
PROFILES = {"standard": STANDARD, "reward_low_fp_rate": LOW_FP, "reward_low_fn_rate": LOW_FN}


@dataclass(frozen=True)
class Series:
    """One file: microseconds since 1970, values, and windows as first and last row."""

    group: str
    name: str
    at: Ints
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the start that are not scored."""
        return probation(len(self.values))


@dataclass(frozen=True)
class Outcome:
    """Threshold, raw and normalised score, and what lies behind them (points and windows)."""

    threshold: float
    raw: float
    score: float
    windows: int
    windows_found: int
    false_alarms: int

    @property
    def precision(self) -> float:
        """Share of alarms that lie in a window not yet found, or in one for the first time."""
        return self.windows_found / max(1, self.windows_found + self.false_alarms)

    @property
    def recall(self) -> float:
        """Share of windows with a detection."""
        return self.windows_found / max(1, self.windows)


def probation(rows: int) -> int:
    return math.ceil(min(math.floor(PROBATION * rows), PROBATION * PROBATION_ROWS))


def microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)


def load(data: Path) -> list[Series]:
    """Read every series below `data`, which holds ``nab`` or is it (``data`` and ``labels``)."""
    folder = data / "nab" if (data / "nab").is_dir() else data
    labels = folder / "labels" / "combined_windows.json"
    if not labels.is_file():
        raise SystemExit(f"no labels/combined_windows.json below {folder}; see the README for data")
    windows: dict[str, list[list[str]]] = json.loads(labels.read_text(encoding="utf-8"))
    found = []
    for path in sorted((folder / "data").glob("*/*.csv")):
        key = f"{path.parent.name}/{path.name}"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        at = np.array([microseconds(row[0]) for row in rows], dtype=np.int64)
        # The first row of a time stamp, as the published scorer's list.index does.
        first = {int(moment): row for row, moment in reversed(list(enumerate(at)))}
        limits = tuple(
            (first[microseconds(left)], first[microseconds(right)]) for left, right in windows[key]
        )
        values = np.array([float(row[1]) for row in rows])
        found.append(Series(path.parent.name, path.stem, at, values, limits))
    return found


def scaled_sigmoid(position: float) -> float:
    """Return 0.987 at -1 (left edge of a window), 0 at 0 (right edge), -1 from 3 on."""
    return -1.0 if position >= FAR_BEHIND else 2 / (1 + math.exp(5 * position)) - 1


def worth(series: Series, profile: Profile = STANDARD) -> tuple[Floats, Ints]:
    """Return what a detection at each row is worth, and the row's window (-1: none).

    Rows of the probation are worth 0 and belong to window -2.
    """
    rows = len(series.values)
    gain, window = np.empty(rows), np.full(rows, -1, dtype=np.int64)
    best = scaled_sigmoid(-1.0)
    for number, (left, right) in enumerate(series.windows):
        window[left : right + 1] = number
    last: tuple[int, int] | None = None
    for row in range(rows):
        number = int(window[row])
        if number >= 0:
            last = series.windows[number]
            place = -(last[1] - row + 1) / (last[1] - last[0] + 1)
            gain[row] = scaled_sigmoid(place) * profile.tp / best
        elif last is None or last[1] == last[0]:
            gain[row] = -profile.fp
        else:
            gain[row] = scaled_sigmoid((row - last[1]) / (last[1] - last[0])) * profile.fp
    gain[: series.probation], window[: series.probation] = 0.0, -2
    return gain, window


@dataclass(frozen=True)
class Board:
    """All rows of a collection that are scored: worth, window (numbered through; -1: none)."""

    gain: Floats
    window: Ints
    file: Ints
    names: tuple[str, ...]
    windows: int
    profile: Profile


def board(collection: Sequence[Series], profile: Profile = STANDARD) -> Board:
    gains, windows, files, count = [], [], [], 0
    for number, series in enumerate(collection):
        gain, window = worth(series, profile)
        # A window that lies wholly in probation is neither found nor missed.
        kept = sorted(set(window[window >= 0].tolist()))
        through = {old: count + new for new, old in enumerate(kept)}
        through |= {-1: -1, -2: -2}
        windows.append(np.array([through[int(w)] for w in window], dtype=np.int64))
        gains.append(gain)
        files.append(np.full(len(gain), number, dtype=np.int64))
        count += len(kept)
    return Board(
        np.concatenate(gains),
        np.concatenate(windows),
        np.concatenate(files),
        tuple(f"{s.group}/{s.name}" for s in collection),
        count,
        profile,
    )


def _changes(b: Board, rows: Ints) -> Floats:
    """Return what each row adds to the sum when rows are taken in this order."""
    change = b.gain[rows].copy()
    best: dict[int, float] = {}
    for place in np.flatnonzero(b.window[rows] >= 0):
        number, value = int(b.window[rows[place]]), float(change[place])
        before = best.get(number, -b.profile.fn)
        change[place] = max(0.0, value - before)
        best[number] = max(before, value)
    return change


def sweep(b: Board, scores: Floats) -> tuple[Floats, Floats]:
    """Return every threshold, falling, and the raw score at it; the first detects nothing."""
    rows = np.flatnonzero(b.window != -2)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    total = np.cumsum(_changes(b, rows)) - b.windows * b.profile.fn
    ordered = scores[rows]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, [True] if len(ordered) else []))
    thresholds = np.concatenate(([ABOVE_ALL], ordered[last]))
    return thresholds, np.concatenate(([-b.windows * b.profile.fn], total[last]))


def at_threshold(b: Board, scores: Floats, threshold: float) -> Outcome:
    """Score the detections at or above `threshold`."""
    rows = np.flatnonzero((b.window != -2) & (scores >= threshold))
    raw = float(_changes(b, rows).sum()) - b.windows * b.profile.fn
    null, perfect = -b.windows * b.profile.fn, b.windows * b.profile.tp
    hit = b.window[rows]
    return Outcome(
        threshold=threshold,
        raw=raw,
        score=100 * (raw - null) / (perfect - null) if b.windows else 0.0,
        windows=b.windows,
        windows_found=len(set(hit[hit >= 0].tolist())),
        false_alarms=int((hit == -1).sum()),
    )


def optimised(b: Board, scores: Floats) -> Outcome:
    """Score at the one threshold that serves all series best."""
    thresholds, totals = sweep(b, scores)
    return at_threshold(b, scores, float(thresholds[int(np.argmax(totals))]))


def joined(collection: Sequence[Series], scores: Mapping[str, Floats]) -> Floats:
    """Return scores by ``group/name`` as one array in the order of `board`."""
    return np.concatenate([scores[f"{s.group}/{s.name}"] for s in collection])

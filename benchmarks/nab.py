"""Metric anomalies on the Numenta Anomaly Benchmark: NAB score, VUS-PR, windows found.

``python -m benchmarks.nab --data PATH [--out DIR] [--all-methods]`` prints readable lines, then one
line of JSON. PATH holds ``nab/data`` and ``nab/labels``, or is that folder; whatever groups lie
there are scored.

The product has one default configuration and one fixed level from which it tells. ``nab`` is
NAB's standard profile with the level optimised over all series, as NAB does; ``fixed`` takes the
product's own level instead, which no series here has tuned; ``left_out`` sets the level on the
other groups and tests it on the one left out. One event is one alarm: every method's events are
those of `pipelines.aiops.metrics.spans`, at the level that serves it best. VUS-PR is of the plain
score.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.nab_methods import METHODS
from benchmarks.nab_scoring import (
    PROFILES,
    Board,
    Outcome,
    Series,
    at_threshold,
    board,
    joined,
    load,
    optimised,
)
from benchmarks.nab_vus import vus_pr
from pipelines.aiops.metrics import DEFAULTS, alarm_scores
from pipelines.aiops.metrics.detect import told_from

Floats = npt.NDArray[np.float64]
LEVELS = 30
HALF = 0.5
"""`alarm_scores` at the level."""


def key(series: Series) -> str:
    return f"{series.group}/{series.name}"


def emitted(collection: Sequence[Series], raw: Mapping[str, Floats], level: float) -> Floats:
    """Return scores as a user sees them: at most one alarm an event."""
    settings = replace(DEFAULTS, suspect=level)
    found = {key(s): alarm_scores(raw[key(s)][None], settings)[0] for s in collection}
    return joined(collection, found)


def levels(collection: Sequence[Series], raw: Mapping[str, Floats]) -> list[float]:
    """Return alarm levels to try: from one alarm in 2,000 points to one in 20."""
    scored = np.concatenate([raw[key(s)][s.probation :] for s in collection])
    scored = np.sort(scored[scored > 0])[::-1]
    total = sum(len(s.values) for s in collection)
    places = np.geomspace(total / 2000, total / 20, LEVELS).astype(int)
    return sorted({float(scored[min(place, len(scored) - 1)]) for place in places})


_boards: dict[tuple[str, ...], Board] = {}


def standard_board(collection: Sequence[Series]) -> Board:
    """Return the board of these series, worked out once."""
    names = tuple(key(s) for s in collection)
    if names not in _boards:
        _boards[names] = board(collection)
    return _boards[names]


def score_at(collection: Sequence[Series], raw: Mapping[str, Floats], level: float) -> Outcome:
    return at_threshold(standard_board(collection), emitted(collection, raw, level), HALF)


def best_level(collection: Sequence[Series], raw: Mapping[str, Floats]) -> float:
    return max(levels(collection, raw), key=lambda v: score_at(collection, raw, v).raw)


def left_out(
    collection: Sequence[Series], raw: Mapping[str, Floats], groups: Sequence[str]
) -> float:
    """Return the score of the whole board, each group at the level that suits the others."""
    total, windows = 0.0, standard_board(collection).windows
    for group in groups:
        others = [s for s in collection if s.group != group]
        own = [s for s in collection if s.group == group]
        total += score_at(own, raw, best_level(others, raw)).raw
    return 100 * (total + windows) / (2 * windows)


def by_group(
    collection: Sequence[Series], scores: Floats, threshold: float, groups: Sequence[str]
) -> dict[str, Any]:
    found, place = {}, np.cumsum([0, *(len(s.values) for s in collection)])
    for group in groups:
        chosen = [i for i, s in enumerate(collection) if s.group == group]
        part = np.concatenate([scores[place[i] : place[i + 1]] for i in chosen])
        outcome = at_threshold(standard_board([collection[i] for i in chosen]), part, threshold)
        found[group] = {
            "nab": round(outcome.score, 1) if outcome.windows else None,
            "windows": outcome.windows,
            "found": outcome.windows_found,
            "false_alarms": outcome.false_alarms,
        }
    return found


def measured(
    collection: Sequence[Series], raw: Mapping[str, Floats], level: float, groups: Sequence[str]
) -> dict[str, Any]:
    scores = emitted(collection, raw, level)
    outcome = optimised(standard_board(collection), scores)
    fixed = at_threshold(standard_board(collection), emitted(collection, raw, told_from()), HALF)
    volumes = [vus_pr(s, raw[key(s)]) for s in collection if s.windows]
    profiles = {
        name: round(optimised(board(collection, profile), scores).score, 1)
        for name, profile in PROFILES.items()
    }
    return {
        "nab": round(outcome.score, 1),
        "profiles": profiles,
        "fixed": round(fixed.score, 1),
        "left_out": round(left_out(collection, raw, groups), 1) if len(groups) > 1 else None,
        "alarm_level": round(level, 3),
        "threshold": round(outcome.threshold, 3),
        "windows": outcome.windows,
        "found": outcome.windows_found,
        "false_alarms": outcome.false_alarms,
        "precision": round(outcome.precision, 3),
        "recall": round(outcome.recall, 3),
        "vus_pr": round(float(np.mean(volumes)), 3),
        "groups": by_group(collection, scores, outcome.threshold, groups),
    }


def write_out(folder: Path, collection: Sequence[Series], raw: Mapping[str, Floats]) -> None:
    """Write each series' scores as NAB's result files: row, anomaly_score, surprise."""
    for series in collection:
        values = raw[key(series)]
        shown = alarm_scores(values[None])[0]
        path = folder / "nab" / series.group / f"{series.name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{i},{a:.6f},{b:.6f}" for i, (a, b) in enumerate(zip(shown, values, strict=True))]
        path.write_text("\n".join(["row,anomaly_score,surprise", *lines, ""]), encoding="utf-8")


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds nab, or is it")
    parser.add_argument("--out", type=Path, help="write the product's scores here, as CSV")
    parser.add_argument("--all-methods", action="store_true", help="also the other methods")
    return parser.parse_args(arguments)


def main() -> int:
    options = options_of()
    if options.data is None:
        print("nab: needs --data PATH (the README says where to get the NAB collection)")
        print(json.dumps({"benchmark": "nab", "skipped": "no --data"}))
        return 0
    collection = load(options.data)
    groups = sorted({s.group for s in collection})
    result: dict[str, Any] = {"benchmark": "nab", "series": len(collection), "methods": {}}
    for name, method in METHODS.items():
        if name != "product" and not options.all_methods:
            continue
        start = time.perf_counter()
        raw = {key(s): method(s) for s in collection}
        seconds = time.perf_counter() - start
        level = best_level(collection, raw)
        found = measured(collection, raw, level, groups)
        found["seconds"] = round(seconds, 1)
        result["methods"][name] = found
        shown = "  ".join(
            f"{g} {v['nab']} ({v['found']}/{v['windows']}, {v['false_alarms']} false)"
            for g, v in found["groups"].items()
        )
        print(
            f"{name:32} NAB {found['nab']:5.1f}  told {found['fixed']:5.1f}  "
            f"left out {found['left_out']}  "
            f"VUS-PR {found['vus_pr']:.3f}  precision {found['precision']:.2f}  "
            f"recall {found['recall']:.2f}  | {shown}",
            flush=True,
        )
        if name == "product" and options.out:
            write_out(options.out, collection, raw)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Boards of metric anomalies: what `benchmarks.metrics` writes, held against labels.

``python -m benchmarks.metric_boards [--wsd DIR] [--sock-shop DIR] [--every N] [--method NAME]``
prints a line a board, then one line of JSON. ``--every N`` takes every N-th series; ``--ablations``
leaves out one part of the detector each; ``--method`` takes one of `nab_methods.METHODS` instead
of the product.

- *VUS-PR*: volume under the precision-recall surface as TSB-AD defines it (Liu, Paparrizos, "The
  Elephant in the Room", NeurIPS 2024): buffers up to the series' period, 250 thresholds.
- *found at x*: share of labelled ranges that an event touches, at the lowest surprise with at most
  x false events a series and day. Events are those of `pipelines.aiops.metrics.spans`.
- *told*: the same by the product's own findings; apart, of ranges in a series' first two days.
- *sock_shop*: a case is its normal part, then its anomalous one, a row a second; the faulty metric
  is told if a finding lasts into the anomalous part; alarms are those of all the case's metrics
  that start in the normal part.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.metrics import files_in, name_of
from benchmarks.nab_methods import ABLATIONS, METHODS
from benchmarks.nab_scoring import Series
from benchmarks.nab_vus import tsb_vus_pr
from pipelines.aiops.metrics import DEFAULTS, DetectorSettings, score, spans
from pipelines.aiops.metrics.detect import told_from

Floats = npt.NDArray[np.float64]
DAY = 86_400
TOLERANCE = 10
"""Rows by which an event may begin after, or a range after it, and be the same."""
LIMITS = (0.04, 0.05, 0.1)


def ranges(labels: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Return first and last row of each labelled range."""
    turns = np.diff(np.concatenate(([0], (labels > 0).astype(np.int8), [0])))
    return tuple(
        zip(
            np.flatnonzero(turns > 0).tolist(),
            (np.flatnonzero(turns < 0) - 1).tolist(),
            strict=True,
        )
    )


def labelled(path: Path) -> Series:
    """Read a file with a column ``label``; rows are laid on an even grid."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    at = np.array([round(float(row["timestamp"])) for row in rows], dtype=np.int64)
    order = np.argsort(at, kind="stable")
    at = at[order]
    columns = (at - at[0]) // int(np.median(np.diff(at)))
    values = np.full(int(columns[-1]) + 1, np.nan)
    values[columns] = np.array([float(row["value"] or "nan") for row in rows])[order]
    labels = np.zeros(len(values), dtype=np.int64)
    labels[columns] = np.array([int(float(row["label"] or 0)) for row in rows])[order]
    step = int(np.median(np.diff(at))) * 1_000_000
    grid = at[0] * 1_000_000 + np.arange(len(values)) * step
    return Series("wsd", name_of(path), grid, values, ranges(labels))


def surprises(collection: Sequence[Series], method: str) -> list[Floats]:
    return [METHODS[method](series) for series in collection]


def events_of(
    series: Series, surprise: Floats, lowest: float
) -> list[tuple[int, int, float, bool]]:
    """Return first and last row, height, and whether it is at a labelled range, of each event."""
    found = []
    for left, right in spans(surprise, replace(DEFAULTS, suspect=lowest)):
        true = any(a - TOLERANCE <= right and left <= b + TOLERANCE for a, b in series.windows)
        found.append((left, right, float(surprise[left : right + 1].max()), true))
    return found


def board(collection: Sequence[Series], scores: Sequence[Floats], level: float) -> dict[str, Any]:
    """Judge surprises by labels.

    Parameters
    ----------
    collection : sequence of Series
        Labelled series on even grids.
    scores : sequence of array of float64, shape (time,)
        Surprises of each.
    level : float
        Surprise from which the product tells.

    Returns
    -------
    dict
        Figures by name.
    """
    volumes = [
        tsb_vus_pr(series.values, series.windows, found)
        for series, found in zip(collection, scores, strict=True)
        if series.windows
    ]
    every = np.concatenate([np.sort(found)[-200:] for found in scores])
    levels = np.unique(np.quantile(every[every > 0], np.linspace(0, 1, 80)))
    judged = [_at(collection, scores, float(height)) for height in levels]
    figures: dict[str, Any] = {
        "series": len(collection),
        "vus_pr": round(float(np.mean(volumes)), 3),
    }
    for limit in LIMITS:
        inside = [figure for figure in judged if figure["false_a_day"] <= limit]
        figures[f"found at {limit:g}"] = max((figure["found"] for figure in inside), default=0.0)
    figures["told"] = _at(collection, scores, level)
    return figures


def _at(collection: Sequence[Series], scores: Sequence[Floats], level: float) -> dict[str, float]:
    total = hit = early = early_hit = 0
    false, days = [], []
    for series, found in zip(collection, scores, strict=True):
        events = events_of(series, found, level)
        days.append(float(series.at[-1] - series.at[0]) / 1e6 / DAY)
        false.append(sum(not event[3] for event in events))
        for left, right in series.windows:
            seen = any(e[0] <= right + TOLERANCE and e[1] >= left for e in events)
            young = float(series.at[left] - series.at[0]) / 1e6 < 2 * DAY
            total, hit = total + 1, hit + seen
            early, early_hit = early + young, early_hit + (seen and young)
    return {
        "level": round(level, 2),
        "found": round(hit / max(total, 1), 3),
        "false_a_day": round(sum(false) / sum(days), 4),
        "worst_false_a_day": round(max(f / d for f, d in zip(false, days, strict=True)), 2),
        "first_two_days": round(early_hit / max(early, 1), 3),
    }


def _case(folder: Path) -> tuple[list[str], Floats, int]:
    parts = []
    for part in ("normal", "anomalous"):
        with gzip.open(folder / f"{part}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            parts.append(list(csv.DictReader(file)))
    names = [name for name in parts[0][0] if name != "time" and name in parts[1][0]]
    rows = [[float(row[name] or "nan") for name in names] for part in parts for row in part]
    return names, np.array(rows).T, len(parts[0])


def sock_shop(data: Path, level: float, settings: DetectorSettings = DEFAULTS) -> dict[str, Any]:
    """Judge injected faults: cases whose faulty metric is told, and alarms before the fault."""
    told = alarms = cases = 0
    for folder in sorted(data.glob("*/*")):
        names, values, normal = _case(folder)
        surprise = score(values, settings).surprise
        cases += 1
        told_here = False
        for name, course in zip(names, surprise, strict=True):
            found = [span for span in spans(course) if course[span[0] : span[1] + 1].max() >= level]
            alarms += sum(left < normal for left, _ in found)
            service, resource = folder.parent.name.rsplit("-", 1)
            told_here |= name == f"{service}_{resource}" and any(r >= normal for _, r in found)
        told += told_here
    return {"cases": cases, "told": told, "alarms_a_case": round(alarms / max(cases, 1), 2)}


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wsd", type=Path, help="folder of <name>.csv.gz with labels")
    parser.add_argument("--sock-shop", type=Path, help="folder of <service>-<resource>/<n>")
    parser.add_argument("--every", type=int, default=1, help="take every N-th series")
    parser.add_argument("--method", default="product", choices=sorted(METHODS))
    parser.add_argument("--ablations", action="store_true", help="leave out one part each")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    result: dict[str, Any] = {"benchmark": "metric_boards"}
    if options.wsd is None and options.sock_shop is None:
        print(
            "metric_boards: needs --wsd DIR or --sock-shop DIR (the README says where to get them)"
        )
        result["skipped"] = "no data"
    methods = [options.method, *(ABLATIONS if options.ablations else ())]
    if options.wsd is not None:
        collection = [labelled(path) for path in files_in(options.wsd)[:: options.every]]
        for method in methods:
            found = board(collection, surprises(collection, method), told_from())
            result.setdefault("wsd", {})[method] = found
            print(f"wsd, {method}: {found}", flush=True)
    if options.sock_shop is not None:
        for method in ("product", *(ABLATIONS if options.ablations else ())):
            settings = replace(DEFAULTS, **ABLATIONS.get(method, {}))
            cases = sock_shop(options.sock_shop, told_from(), settings)
            result.setdefault("sock_shop", {})[method] = cases
            print(f"sock_shop, {method}: {cases}", flush=True)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

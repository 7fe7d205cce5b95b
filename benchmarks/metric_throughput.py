"""Points a second of the metric detector against a rolling z-score in pandas.

``python -m benchmarks.metric_throughput [--series N] [--days N] [--step SECONDS]`` prints readable
lines, then one line of JSON. Synthetic series (noise on a daily swing, with gaps and spikes); both
work on the same array in memory, one process each, and their processor time is counted. The rolling
z-score is that of a textbook: mean and standard deviation of the last hour, no seasons, no
tails, no gaps.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics import find_events, score

Floats = npt.NDArray[np.float64]


def synthetic(series: int, columns: int, step_us: int) -> Floats:
    """Return noise on daily swings of many sizes, a hundredth of it missing, a spike each."""
    rng = np.random.default_rng(0)
    day = 86_400_000_000 / step_us
    values = rng.normal(size=(series, columns))
    values += rng.exponential(5.0, size=(series, 1)) * np.sin(np.arange(columns) * 2 * np.pi / day)
    values[rng.random(values.shape) < 0.01] = np.nan
    values[np.arange(series), rng.integers(columns // 2, columns, series)] = 100.0
    return values


def rolling_z(values: Floats, width: int = 60) -> Floats:
    import pandas as pd

    frame = pd.DataFrame(values.T)
    rolling = frame.rolling(width, min_periods=width // 2)
    return ((frame - rolling.mean()) / rolling.std()).to_numpy()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return processor time and time on the clock, seconds."""
    clock, used = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - used, time.perf_counter() - clock


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--step", type=int, default=60, help="seconds")
    return parser.parse_args(arguments)


def main() -> int:
    options = options_of()
    step_us = options.step * 1_000_000
    columns = round(options.days * 86_400 / options.step)
    values = synthetic(options.series, columns, step_us)
    points = values.size
    result: dict[str, object] = {
        "benchmark": "metric_throughput",
        "series": options.series,
        "points": points,
    }
    seconds = {}
    for name, work in (
        ("score", lambda: score(values)),
        ("events", lambda: find_events(values)),
        ("rolling_z", lambda: rolling_z(values)),
    ):
        used, clock = timed(work)
        seconds[name] = used
        result[name] = {
            "processor_seconds": round(used, 2),
            "clock_seconds": round(clock, 2),
            "points_per_second": round(points / used),
        }
        print(f"{name:10} {points / used / 1e6:7.2f} million points a second of processor time")
    result["times_slower_score"] = round(seconds["score"] / seconds["rolling_z"], 2)
    result["times_slower_events"] = round(seconds["events"] / seconds["rolling_z"], 2)
    result["python"] = platform.python_version()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

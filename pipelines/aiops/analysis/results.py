"""Where the results of windows lie: one folder a window, named by its times."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pipelines.aiops.analysis.window import Window
from pipelines.aiops.artifacts import LOG_ANOMALIES, METRIC_ANOMALIES, MOVED
from pipelines.base.errors import SignalboxError

INPUTS = (METRIC_ANOMALIES, LOG_ANOMALIES, MOVED)
"""What incidents of a window are made of."""
HORIZON = timedelta(hours=24)
"""Findings so long before a window may belong to its incidents."""


def place_of(results: Path, window: Window) -> Path:
    """Folder of a window's results."""
    return results / window.name


def windows_in(results: Path) -> list[Window]:
    """Windows that have a folder, by time; other folders are left alone."""
    found = []
    for path in results.iterdir() if results.is_dir() else ():
        try:
            found.append(Window.parse(path.name))
        except SignalboxError:
            continue
    return sorted(found)


def is_whole(place: Path) -> bool:
    """Whether all is there that incidents are made of."""
    return all((place / path).is_file() for path in INPUTS)


def earlier_windows(results: Path, window: Window) -> list[Window]:
    """Windows before one whose findings may belong to its incidents and are there, by time."""
    return [
        one for one in windows_in(results)
        if window.start - HORIZON <= one.start and one.end <= window.start
        and is_whole(place_of(results, one))
    ]  # fmt: skip


def gaps(windows: Iterable[Window]) -> list[str]:
    """Names of the times between windows that no window covers."""
    found, until = [], None
    for one in sorted(windows):
        if until is not None and one.start > until:
            found.append(Window(until, one.start).name)
        until = one.end if until is None else max(until, one.end)
    return found

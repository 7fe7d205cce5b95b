"""From when to when something that moved is so, within the window."""

from collections.abc import Mapping
from typing import Any

from pipelines.aiops.service_map.model import ServiceMap
from pipelines.aiops.service_map.moved import Moved


def extent(found: ServiceMap, moved: Moved) -> tuple[int, int]:
    """Give first and last microsecond of the stretch of windows in which it shows most.

    Each window has points for being beyond the middle between before and after, times its calls;
    the stretch is the one with the largest sum. What vanished is so for the whole time.
    """
    rows = _rows(found, moved)
    if not rows or moved.kind == "vanished":
        return found.start_us, found.end_us
    first, last = stretch([_points(row, moved) for row in rows])
    return rows[first]["starts_at"], rows[last]["starts_at"] + found.window_us


def stretch(points: list[float]) -> tuple[int, int]:
    """Return first and last place of the run with the largest sum (Kadane); ties: the earliest."""
    best, span = float("-inf"), (0, len(points) - 1)
    total, start = 0.0, 0
    for place, value in enumerate(points):
        if total <= 0:
            total, start = 0.0, place
        total += value
        if total > best:
            best, span = total, (start, place)
    return span


def _rows(found: ServiceMap, moved: Moved) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    windows = found.windows
    own = pc.and_(
        pc.equal(windows["source"], moved.source), pc.equal(windows["target"], moved.target)
    )
    table = windows.filter(own)
    at = table["starts_at"].cast(pa.int64())
    return list(
        table.set_column(table.schema.get_field_index("starts_at"), "starts_at", at)
        .sort_by("starts_at")
        .to_pylist()
    )


def _points(row: Mapping[str, Any], moved: Moved) -> float:
    compared = moved.compared
    if compared is None:
        return 1.0
    if moved.kind in ("slowed", "faster"):
        value = row["p50_us"]
    elif moved.kind in ("more_errors", "fewer_errors"):
        value = row["error_rate"]
    else:  # More slow calls: the windows with the slowest tail.
        return 1.0
    if value is None:
        return 0.0
    middle = (compared.before + compared.after) / 2
    sign = 1.0 if compared.after >= compared.before else -1.0
    scale = abs(compared.after - compared.before) or 1.0
    return float(row["n"] * max(-1.0, min(1.0, sign * (value - middle) / scale)))

"""Windows analysed on time, each when the lake ended with it, equal windows analysed later."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import group_incidents, log_anomalies, map_services, metric_anomalies
from pipelines.aiops.group_incidents import read
from pipelines.aiops.lake.contract import SIGNALS, TABLES
from pipelines.aiops.lake.window import Window, result_dir
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import INCIDENTS, LOG_ANOMALIES, METRIC_ANOMALIES, MOVED
from tests.support.aiops_world import World, params_for, write_lake

WORLD = World(days=4)
WINDOWS = [Window(WORLD.at(n), WORLD.at(n + 1)) for n in (9, 10, 11)]
FILES = (METRIC_ANOMALIES, LOG_ANOMALIES, MOVED, INCIDENTS, Path("service_map/service_map.json"),
         Path("service_map/edge_windows.parquet"),
         *(Path(f"evidence/{name}.json") for name in (
             "metric_anomalies", "log_anomalies", "map_services", "group_incidents")))  # fmt: skip


def params_of(lake: Path, root: Path) -> AiopsParams:
    return params_for(
        root,
        analysis={"lake": str(lake)},
        metric_anomalies={"lookback_days": 3},
        log_anomalies={"history_days": 3},
        export_rules={"alertmanager_yml": ""},
    )


def as_known_at(end: datetime, whole: Path, lake: Path) -> None:
    """Write what a lake held at a time: later rows aren't there, and later ends aren't known."""
    for table in (*TABLES.values(), *SIGNALS.values()):
        for file in sorted((whole / table.name).rglob("*.parquet")):
            rows = pq.ParquetFile(file).read()
            rows = rows.filter(pc.less(rows[table.time], pa.scalar(end, rows[table.time].type)))
            for name in {"ends_at", "closed_at"} & set(rows.column_names):
                place = rows.schema.get_field_index(name)
                known = pc.less(rows[name], pa.scalar(end, rows[name].type))
                cut = pc.if_else(known, rows[name], pa.scalar(None, rows[name].type))
                rows = rows.set_column(place, name, cut)
            if len(rows):
                path = lake / file.relative_to(whole)
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(rows, path)


def analyse(params: AiopsParams, window: Window) -> None:
    place = result_dir(Path(params.analysis.results), window)
    for job in (map_services, metric_anomalies, log_anomalies):
        job.run(params, window, place)


def group_pending(params: AiopsParams) -> list[Window]:
    found = group_incidents.pending(params)
    for window in found:
        place = result_dir(Path(params.analysis.results), window)
        group_incidents.run(
            params, window, place, group_incidents.earlier_directories(params, window)
        )
    return found


def contents(params: AiopsParams, windows: Iterable[Window] = WINDOWS) -> dict[str, bytes]:
    results = Path(params.analysis.results)
    return {
        f"{window.name}/{name}": (result_dir(results, window) / name).read_bytes()
        for window in windows
        for name in FILES
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("whole") / "lake"
    write_lake(lake, WORLD)
    return lake


def test_windows_in_another_order_later_equal_those_on_time(whole: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    on_time = params_of(lake, tmp_path / "on_time")
    for window in WINDOWS:
        as_known_at(window.end, whole, lake)
        analyse(on_time, window)
        assert group_pending(on_time) == [window]
    lake.rename(tmp_path / "lake_then")
    lake.symlink_to(whole)  # The same place: a lake's name stands in the evidence.

    later = params_of(lake, tmp_path / "later")
    for window in (WINDOWS[2], WINDOWS[0], WINDOWS[1]):
        analyse(later, window)
        assert window in group_pending(later)
    assert group_pending(later) == []
    assert contents(later) == contents(on_time)
    counts = [
        len(read(result_dir(Path(later.analysis.results), one))["incidents"]) for one in WINDOWS
    ]
    assert counts[:2] == [0, 1]


def test_a_window_is_pending_until_its_incidents_are_of_what_is_there(
    whole: Path, tmp_path: Path
) -> None:
    params = params_of(whole, tmp_path)
    first, second = WINDOWS[0], WINDOWS[1]
    place = result_dir(Path(params.analysis.results), second)
    map_services.run(params, second, place)
    assert group_incidents.pending(params) == []  # Not whole yet.
    metric_anomalies.run(params, second, place)
    log_anomalies.run(params, second, place)
    assert group_pending(params) == [second]
    assert group_incidents.pending(params) == []
    analyse(params, first)
    assert group_pending(params) == [first, second]
    assert group_incidents.pending(params, [second]) == []
    (place / METRIC_ANOMALIES).write_text((place / METRIC_ANOMALIES).read_text() + "\n")
    assert group_incidents.pending(params, [first]) == []
    assert group_incidents.pending(params) == [second]

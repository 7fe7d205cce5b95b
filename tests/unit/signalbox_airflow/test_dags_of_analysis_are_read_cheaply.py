"""telemetry_anomalies, service_map, incidents: what Airflow sees when it reads them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from signalbox_airflow.analysis import timetable
from tests.conftest import ROOT

HEAVY = {"pandas", "duckdb", "pyarrow", "numpy", "pipelines.aiops"}
READ = f"""
import json, runpy, sys
sys.path.insert(0, {str(ROOT / "plugins")!r})
read = {{}}
for name in ("telemetry_anomalies", "service_map", "incidents"):
    dag = runpy.run_path({str(ROOT / "dags")!r} + f"/{{name}}.py")["dag"]
    read[dag.dag_id] = {{
        "tasks": {{one.task_id: sorted(one.upstream_task_ids) for one in dag.tasks}},
        "mapped": sorted(one.task_id for one in dag.tasks if one.is_mapped),
        "outlets": {{one.task_id: [a.name for a in one.outlets]
                    for one in dag.tasks if one.outlets}},
        "catchup": dag.catchup,
        "schedule": str(dag.schedule),
        "heavy": sorted({HEAVY!r} & set(sys.modules)),
    }}
print(json.dumps(read))
"""


@pytest.fixture(scope="module")
def dags() -> Any:
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_anomalies_are_found_part_by_part_and_joined(dags: Any) -> None:
    dag = dags["telemetry_anomalies"]
    assert dag["tasks"] == {
        "window": [],
        "metric_partitions": ["window"],
        "metric_anomalies": ["metric_partitions", "window"],
        "join_metric_anomalies": ["metric_anomalies", "window"],
        "log_anomalies": ["window"],
        "findings": ["join_metric_anomalies", "log_anomalies", "window"],
    }
    assert dag["mapped"] == ["metric_anomalies"]
    assert dag["outlets"] == {"findings": ["telemetry_anomalies"]}
    assert (dag["catchup"], dag["heavy"]) == (False, [])


def test_the_map_is_made_piece_by_piece_and_joined(dags: Any) -> None:
    dag = dags["service_map"]
    assert dag["tasks"] == {
        "window": [],
        "map_partitions": ["window"],
        "map_services": ["map_partitions", "window"],
        "join_service_map": ["map_services", "window"],
    }
    assert dag["mapped"] == ["map_services"]
    assert dag["outlets"] == {"join_service_map": ["service_map"]}
    assert (dag["catchup"], dag["heavy"]) == (False, [])


def test_incidents_follow_either_of_the_two(dags: Any) -> None:
    dag = dags["incidents"]
    assert set(dag["tasks"]) == {"pending", "group_incidents", "report_incidents", "post_incidents"}
    assert "group_incidents" in dag["tasks"]["report_incidents"]
    assert "report_incidents" in dag["tasks"]["post_incidents"]
    assert dag["schedule"].startswith("AssetAny(")
    assert all(
        f"name='{name}'" in dag["schedule"] for name in ("telemetry_anomalies", "service_map")
    )
    assert dag["heavy"] == []


@pytest.mark.parametrize(
    ("line", "cron"),
    [
        ('schedule: "@hourly"', "0 * * * *"),
        ('schedule: "@daily"', "0 0 * * *"),
        ('schedule: "30 */6 * * *"', "30 */6 * * *"),
        ("parts: 8", "0 * * * *"),
    ],
)
def test_the_schedule_is_that_of_params(tmp_path: Path, line: str, cron: str) -> None:
    (tmp_path / "params.yaml").write_text(f"aiops:\n  analysis:\n    {line}\n")
    assert f"expression='{cron}', timezone='UTC'" in str(timetable(tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("aiops: {analysis: {schedule: 5}}", "aiops.analysis.schedule: 5: use a cron expression"),
        ('aiops: {analysis: {schedule: "@once"}}', "aiops.analysis.schedule: '@once'"),
        ("aiops: {analysis: {", "params.yaml: not readable"),
        ("[1]", "params.yaml: not readable"),
    ],
)
def test_a_wrong_schedule_is_an_import_error_that_names_the_key(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(told)):
        timetable(tmp_path)

import json
import subprocess
import sys

from tests.conftest import ROOT

PARSE = f"""
import json, runpy, sys
dag = runpy.run_path({str(ROOT / "dags/collect_telemetry.py")!r})["dag"]
heavy = {{"pandas", "duckdb", "pyarrow", "pipelines.aiops"}} & set(sys.modules)
mapped = dag.get_task("ingest").is_mapped
print(json.dumps([dag.dag_id, sorted(dag.task_ids), sorted(heavy), mapped]))
"""


def test_reading_the_dag_is_cheap_and_there_is_one_task_a_source() -> None:
    done = subprocess.run([sys.executable, "-c", PARSE], capture_output=True, text=True, check=True)
    name, tasks, heavy, mapped = json.loads(done.stdout.splitlines()[-1])
    assert (name, tasks, heavy, mapped) == ("collect_telemetry", ["ingest", "sources"], [], True)

import json
import subprocess
import sys

from tests.conftest import ROOT

PARSE = f"""
import json, runpy, sys
dag = runpy.run_path({str(ROOT / "dags/batch_scoring.py")!r})["dag"]
heavy = {{"pandas", "sklearn", "dvc", "pyarrow", "pipelines.mlops"}} & set(sys.modules)
params = {{name: dag.params.get_param(name).schema for name in dag.params}}
print(json.dumps([dag.dag_id, sorted(dag.task_ids), sorted(heavy), params]))
"""


def test_reading_the_dag_is_cheap_and_its_form_asks_for_the_table() -> None:
    done = subprocess.run([sys.executable, "-c", PARSE], capture_output=True, text=True, check=True)
    name, tasks, heavy, params = json.loads(done.stdout.splitlines()[-1])
    assert (name, tasks, heavy) == ("batch_scoring", ["score"], [])
    assert params["input"] == {
        **params["input"],
        "type": "string",
        "minLength": 1,
        "title": "Table to score",
    }
    assert set(params) == {"input", "name", "reasons"}

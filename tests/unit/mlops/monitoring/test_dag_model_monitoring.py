import json
import subprocess
import sys

from tests.conftest import ROOT

PARSE = f"""
import json, runpy, sys
dag = runpy.run_path({str(ROOT / "dags/model_monitoring.py")!r})["dag"]
heavy = {{"pandas", "sklearn", "evidently", "dvc", "pipelines.mlops"}} & set(sys.modules)
edges = {{t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks}}
outlets = {{t.task_id: [a.uri for a in t.outlets] for t in dag.tasks if t.outlets}}
print(json.dumps([dag.dag_id, edges, outlets, sorted(heavy)]))
"""


def test_only_the_last_task_behind_the_branch_asks_for_a_training() -> None:
    done = subprocess.run([sys.executable, "-c", PARSE], capture_output=True, text=True, check=True)
    name, edges, outlets, heavy = json.loads(done.stdout.splitlines()[-1])
    assert (name, heavy) == ("model_monitoring", [])
    assert edges == {
        "watch": ["request_retrain", "retrain_needed"],
        "retrain_needed": ["request_retrain"],
        "request_retrain": [],
    }
    assert outlets == {"request_retrain": ["signalbox://retrain/model_release"]}

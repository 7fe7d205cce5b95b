"""Two projects of one's own of one installed wheel: their pipelines run, their DAGs don't meet.

None of our tree is on the path: the wheel lies alone in a folder, and beside it the bridge, which
is a distribution of its own.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.support.wheels import ROOT, install_alone

PARTS = ["setup.py", "pyproject.toml", "README.md", "LICENSE", "params.schema.json", "dvc.yaml"]
PARTS += ["pipelines", "plugins", "dags", "expectations"]
NAMES = ("churn", "fraud")

WRITE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import pipelines
from pipelines.project.skeleton import write_skeleton
assert not Path(pipelines.__file__).is_relative_to(sys.argv[1]), pipelines.__file__
for name in sys.argv[3:]:
    write_skeleton(Path(sys.argv[2]) / name, name=name, products=["model"])
"""
READ = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
for name in sys.argv[2:]:
    folder = Path(sys.argv[1]) / name / "dags"
    bag = DagBag(str(folder))
    assert bag.import_errors == {}, bag.import_errors
    print("READ", json.dumps({
        dag.dag_id: {
            "file": dag.fileloc,
            "assets": sorted(a.name for task in dag.tasks for a in task.outlets),
            "projects": sorted({str(t.project) for t in dag.tasks if hasattr(t, "project")}),
        } for dag in bag.dags.values()
    }))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which the installed wheel is found, and nothing of this tree."""
    target = install_alone(PARTS, ".", tmp_path_factory.mktemp("signalbox"))
    bridge = tmp_path_factory.mktemp("bridge")
    shutil.copytree(ROOT / "plugins/dvc_airflow", bridge / "dvc_airflow")
    home = tmp_path_factory.mktemp("airflow")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SIGNALBOX_PRO"))}
    programs = [str(target / "bin"), str(Path(sys.executable).parent), kept["PATH"]]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(target), str(bridge)]),
        "PATH": os.pathsep.join(programs),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def run(env: dict[str, str], directory: Path, *command: str, **more: str) -> str:
    done = subprocess.run(
        command, cwd=directory, env={**env, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def fill(project: Path, name: str) -> None:
    """Give a project a small table and the parameters of the demo, as far as they say nothing of
    its data."""
    lines = ["customer,age,spend,left"]
    for row in range(1200):
        age, spend = 18 + row * 7 % 60, row * 37 % 211
        chance = row * row * 13 % 100
        left = "yes" if chance < age + spend // 10 - 10 else "no"
        lines.append(f"{name}{row},{age},{spend},{left}")
    (project / "data").mkdir(exist_ok=True)
    (project / "data/customers.csv").write_text("\n".join(lines) + "\n")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    del params["aiops"]
    params["data"] = {
        "name": name,
        "source": {"kind": "csv", "paths": ["data/customers.csv"], "watch": "data/customers.csv"},
        "target": "left",
        "positive": "yes",
        "subject_key": "customer",
    }
    params["validate"]["suite"] = name
    params["split"].update(train=0.5, validation=0.2, test=0.3, tolerance=0.1)
    params["train"].update(models={"logistic_regression": {"C": [1.0]}}, folds=2)
    params["evaluate"]["slices"] = []
    params["evaluate"]["replicates"] = params["bias_audit"]["replicates"] = 100
    params["bias_audit"]["mitigation"] = {
        "method": "none", "constraint": "demographic_parity", "feature": None,
    }  # fmt: skip
    checks = params["gate"]["checks"]
    params["gate"]["checks"] = [c for c in checks if c["figure"] == "evaluate.roc_auc"]
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    suite = {
        "name": name,
        "meta": {},
        "expectations": [
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "age"},
                "meta": {"title": "age", "action": "quarantine", "reason": "it is an input"},
            }
        ],
    }
    (project / "expectations").mkdir(exist_ok=True)
    (project / f"expectations/{name}.json").write_text(json.dumps(suite))
    for arguments in (["add", "--all"], ["commit", "--quiet", "--message", "begin"]):
        subprocess.run(["git", *arguments], cwd=project, check=True)


@pytest.fixture(scope="module")
def projects(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the two projects lie, after their pipelines ran at once."""
    top = tmp_path_factory.mktemp("projects")
    run(env, top, sys.executable, "-c", WRITE, str(ROOT), str(top), *NAMES)
    for name in NAMES:
        fill(top / name, name)
    with ThreadPoolExecutor() as pool:
        command = (sys.executable, "-m", "dvc", "repro", "report")
        list(pool.map(lambda name: run(env, top / name, *command), NAMES))
    return top


def test_both_pipelines_run_to_their_own_report(projects: Path) -> None:
    for name in NAMES:
        report = json.loads((projects / name / "reports/model_release.json").read_text())
        assert report["figures"]
        lock = yaml.safe_load((projects / name / "dvc.lock").read_text())["stages"]["train"]
        assert lock["cmd"] == "signalbox stage train"
        assert list(lock["params"]["signalbox.lock"]) == ["stages.train"]
        assert not [dep for dep in lock["deps"] if "pipelines" in dep["path"]]


def test_nothing_runs_again_until_the_code_of_a_stage_is_another(
    env: dict[str, str], projects: Path
) -> None:
    project = projects / "churn"
    said = run(env, project, "signalbox", "upgrade", "--json")
    assert json.loads(said)["files"] == []
    assert "Running stage" not in run(env, project, sys.executable, "-m", "dvc", "repro", "report")
    lock = project / "signalbox.lock"
    text = lock.read_text()
    gate = yaml.safe_load(text)["stages"]["gate"]
    lock.write_text(text.replace(gate, "0" * 64))
    refused = subprocess.run(
        ["signalbox", "stage", "gate"],
        cwd=project, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "run signalbox upgrade" in refused.stderr
    planned = json.loads(run(env, project, "signalbox", "upgrade", "--yes", "--json"))
    assert planned["reruns"] == {"gate": ["its code changed"]}
    assert planned["follow"] == ["report"]
    assert lock.read_text() == text


def test_its_report_is_verified_and_other_commands_answer(
    env: dict[str, str], projects: Path
) -> None:
    project = projects / "fraud"
    for arguments in (["add", "--all"], ["commit", "--quiet", "--message", "first run"]):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    done = run(env, project, "signalbox", "verify", "reports/model_release.json", "--json")
    checks = {check["id"]: check["status"] for check in json.loads(done)["checks"]}
    assert checks["code"] == "ok"
    assert checks["again:train"] == checks["again:report"] == "ok"
    for command in ("history", "registry show", "kpis", "compliance"):
        run(env, project, "signalbox", *command.split())


def test_their_dags_stand_side_by_side_in_one_airflow(env: dict[str, str], projects: Path) -> None:
    said = run(
        env, projects, sys.executable, "-c", READ, str(projects), *NAMES,
        SIGNALBOX_PROJECT=str(projects / NAMES[0]),
    )  # fmt: skip
    lines = [line for line in said.splitlines() if line.startswith("READ ")]
    read = [json.loads(line.removeprefix("READ ")) for line in lines]
    assert len(read) == len(NAMES)
    for name, dags in zip(NAMES, read, strict=True):
        assert set(dags) == {
            f"{name}.{dag}"
            for dag in ("model_release", "batch_scoring", "model_monitoring", "erase_subject")
        }
        release = dags[f"{name}.model_release"]
        assert release["projects"] == [str((projects / name).resolve())]
        assert f"{name}/reports/model_release.html" in release["assets"]
        for dag in dags.values():
            assert Path(dag["file"]).is_relative_to(projects / name)
            assert all(asset.startswith(f"{name}/") for asset in dag["assets"])

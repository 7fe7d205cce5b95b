"""A whole run, from a DAG file to a commit that reproduces."""

from __future__ import annotations

import json

import pytest

PIPELINE = {
    "params.yaml": """
        train:
          # learning rate
          lr: 0.1  # of the optimiser
          names: [a, b]
        """,
    "dvc.yaml": """
        stages:
          prepare:
            cmd: cp source.txt data.txt
            deps: [source.txt]
            outs: [data.txt]
          train:
            desc: Learns something
            cmd: python train.py
            deps: [train.py, data.txt]
            params: [train]
            metrics: [{metrics.json: {cache: false}}]
            outs: [model.txt]
          report:
            cmd: cat model.txt metrics.json > report.txt
            deps: [model.txt, metrics.json]
            outs: [report.txt]
        """,
    "train.py": """
        import json, yaml
        lr = yaml.safe_load(open("params.yaml"))["train"]["lr"]
        print("learning with", lr)
        open("model.txt", "w").write(f"model {lr}")
        json.dump({"score": lr * 2}, open("metrics.json", "w"))
        """,
    "source.txt": "source",
}


@pytest.fixture
def pipeline(new_project, load_dag):
    project = new_project(PIPELINE)
    dag = load_dag(
        f"""
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup(project={str(project.path)!r}, targets=["report"])
        """
    )
    return project, dag


def test_a_run_is_saved_as_a_commit_that_needs_nothing_done(pipeline, run_dag, tmp_path):
    project, dag = pipeline

    done = run_dag(dag)

    assert done.state == "success"
    assert done.xcoms["train"]["stages"][0]["metrics"] == {"metrics.json": {"score": 0.2}}
    saved = done.xcoms["save_run"]
    assert saved["statuses"] == {"prepare": "ran", "train": "ran", "report": "ran"}
    project.git("checkout", "-q", saved["ref"])
    assert "Data and pipelines are up to date" in project.dvc("checkout") + project.dvc("status")
    serial = (project.path / "dvc.lock").read_bytes()
    project.dvc("repro", "--force")
    assert (project.path / "dvc.lock").read_bytes() == serial


def test_what_did_not_run_again_says_so_in_xcom_and_in_the_list_of_tasks(pipeline, run_dag):
    _, dag = pipeline
    run_dag(dag)

    again = run_dag(dag)

    assert again.xcoms["train"]["status"] == "cached"
    assert again.labels["train"] == "cached"


def test_a_parameter_of_the_run_reaches_the_stage_and_the_saved_commit(pipeline, run_dag):
    project, dag = pipeline

    done = run_dag(dag, **{"train.lr": 0.5})

    saved = done.xcoms["save_run"]
    assert saved["overrides"] == {"train.lr": 0.5}
    assert done.xcoms["train"]["stages"][0]["metrics"]["metrics.json"] == {"score": 1.0}
    stored = project.git("show", f"{saved['ref']}:params.yaml")
    assert "lr: 0.5  # of the optimiser" in stored
    assert "train.lr = 0.5" in project.git("log", "-1", "--format=%B", saved["ref"])
    assert "lr: 0.1" in (project.path / "params.yaml").read_text()


def test_a_failed_run_is_kept_apart_and_fails(new_project, load_dag, run_dag):
    project = new_project(
        {
            "dvc.yaml": """
                stages:
                  good: {cmd: echo 1 > good.txt, outs: [good.txt]}
                  bad: {cmd: "echo because; exit 7", deps: [good.txt], outs: [bad.txt]}
                  after: {cmd: cp bad.txt c.txt, deps: [bad.txt], outs: [c.txt]}
                """
        }
    )
    dag = load_dag(
        f"""
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup(project={str(project.path)!r})
        """
    )

    done = run_dag(dag)

    assert done.state == "failed"
    assert done.states["bad"] == "failed"
    assert done.states["after"] == "upstream_failed"
    assert done.states["save_run"] == "failed"
    refs = project.git("for-each-ref", "--format=%(refname)").splitlines()
    assert [ref for ref in refs if ref.startswith("refs/runs/")] == []
    (failed,) = [ref for ref in refs if ref.startswith("refs/failed-runs/")]
    assert "good" in project.git("show", f"{failed}:dvc.lock")
    (facts,) = (project.path / "runs").glob("*/*.json")
    assert json.loads(facts.read_text())["unfinished"] == ["bad", "after"]

"""What only shows when Airflow itself runs the tasks."""

from __future__ import annotations

import json
import time
import uuid

import psutil
import pytest

FILES = {
    "in.txt": "in",
    "params.yaml": "names: [x, y]\nother: 1\n",
    "dvc.yaml": """
        stages:
          a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}
          each:
            foreach: ${names}
            do: {cmd: 'cp a.txt ${item}.txt', deps: [a.txt], outs: ['${item}.txt']}
          b:
            cmd: cat x.txt y.txt > b.txt; echo '{"other":${other}}' > m.json
            deps: [x.txt, y.txt]
            outs: [b.txt]
            metrics: [m.json: {cache: false}]
        """,
}


@pytest.fixture
def project(new_project):
    return new_project(FILES)


def group(project, **options) -> str:
    words = "".join(f", {key}={value}" for key, value in options.items())
    return f"""
        from dvc_airflow import ExecutionConfig, WorkspaceConfig
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup({str(project.path)!r}{words})
        """


@pytest.mark.parametrize(
    ("granularity", "tasks"),
    [
        ("'pipeline'", {"pipeline": ["a", "each@x", "each@y", "b"]}),
        ("{'first': ['a', 'each']}", {"first": ["a", "each@x", "each@y"], "b": ["b"]}),
    ],
)
def test_a_task_can_be_several_stages(project, load_dag, run_dag, granularity, tasks):
    done = run_dag(load_dag(group(project, granularity=granularity)))
    assert done.state == "success"
    for task, stages in tasks.items():
        assert [result["stage"] for result in done.xcoms[task]["stages"]] == stages
    assert set(done.xcoms["save_run"]["statuses"].values()) == {"ran"}


def test_a_task_whose_workspace_is_gone_makes_it_again(project, load_dag, run_dag):
    dag = load_dag(
        group(project)
        + """
            from airflow.sdk import task

            @task
            def wipe(opened):
                import shutil
                shutil.rmtree(opened["root"])

            gone = wipe(dag.get_task("open_workspace").output)
            [dag.get_task("each__x"), dag.get_task("each__y")] >> gone >> dag.get_task("b")
        """
    )

    done = run_dag(dag, other=5)

    assert done.state == "success"
    ref = done.xcoms["save_run"]["ref"]
    assert json.loads(project.git("show", f"{ref}:m.json")) == {"other": 5}
    lock = project.git("show", f"{ref}:dvc.lock")
    assert [lock.index(f"\n  {name}:") for name in ("a", "each@x", "each@y", "b")] == sorted(
        lock.index(f"\n  {name}:") for name in ("a", "each@x", "each@y", "b")
    )


def test_a_stage_that_fails_once_is_retried_in_the_same_workspace(new_project, load_dag, run_dag):
    project = new_project(
        {"dvc.yaml": "stages:\n  a: {cmd: 'test -e tried || { touch tried; exit 1; }'}\n"}
    )
    retry = "{'retries': 1, 'retry_delay': __import__('datetime').timedelta(0)}"
    done = run_dag(load_dag(group(project, operator_args=retry)))
    assert done.states == {"open_workspace": "success", "a": "success", "save_run": "success"}


def test_a_task_that_takes_too_long_is_ended_with_all_it_started(new_project, load_dag, run_dag):
    marker = f"marker-{uuid.uuid4().hex}"
    code = "import subprocess, sys, time; subprocess.Popen([*sys.orig_argv, 'x']) "
    project = new_project(
        {
            "slow.py": code + "if len(sys.argv) == 2 else 0; time.sleep(600)\n",
            "dvc.yaml": f"stages:\n  a: {{cmd: python slow.py {marker}}}\n",
        }
    )
    limit = "{'execution_timeout': __import__('datetime').timedelta(seconds=4)}"

    done = run_dag(load_dag(group(project, operator_args=limit)))

    assert done.states["a"] == "failed"
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if marker in command] == []


def test_a_parameter_that_changes_which_stages_there_are_is_refused(project, load_dag, run_dag):
    dag = load_dag(group(project, params="['names']"))
    done = run_dag(dag, names=["x", "y", "z"])
    assert done.state == "failed"
    assert done.states["open_workspace"] == "failed"
    assert done.states["a"] == "upstream_failed"


def test_a_parameter_of_the_wrong_type_never_starts_a_run(project, load_dag, run_dag):
    dag = load_dag(group(project, params="['other']"))
    with pytest.raises(Exception, match="'many' is not of type 'integer'"):
        run_dag(dag, other="many")


def test_two_groups_of_a_dag_save_two_runs(project, load_dag, run_dag):
    done = run_dag(
        load_dag(
            f"""
            with DAG(DAG_ID, schedule=None) as dag:
                for name in ("one", "two"):
                    DvcTaskGroup(
                        {str(project.path)!r}, ["a"], group_id=name, prefix_group_id=True
                    )
            """
        )
    )
    assert done.state == "success"
    refs = [done.xcoms[f"{name}.save_run"]["ref"] for name in ("one", "two")]
    assert [ref.rpartition(".")[2] for ref in refs] == ["one", "two"]
    assert all(project.git("rev-parse", "--verify", ref) for ref in refs)


def test_events_of_assets_carry_the_hash_and_the_run(project, load_dag, run_dag):
    done = run_dag(load_dag(group(project, targets="['a']")))

    assert done.assets == {
        "dvc://project/a.txt": {
            "hash": "13b5bfe96f3e2fe411c9f66f4a582adf",
            "status": "ran",
            "stage": "a",
            "run_ref": done.xcoms["save_run"]["ref"],
        }
    }


def test_old_workspaces_go_away_and_their_refs_stay(project, load_dag, run_dag):
    dag = load_dag(group(project, targets="['a']", workspace="WorkspaceConfig(keep=2)"))
    done = [run_dag(dag) for _ in range(3)]

    kept = {run.xcoms["save_run"]["workspace"] for run in done[1:]}

    def left() -> set[str]:
        workspaces = (project.path / "runs" / dag.dag_id).iterdir()
        return {str(path) for path in workspaces if path.is_dir()}

    deadline = time.monotonic() + 60  # the run doesn't wait until all of it is deleted
    while left() != kept and time.monotonic() < deadline:
        time.sleep(0.2)
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/runs").split()

    assert left() == kept
    assert refs == [run.xcoms["save_run"]["ref"] for run in done]


def test_with_transfer_everything_is_in_the_remote(project, load_dag, run_dag, tmp_path):
    project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    done = run_dag(
        load_dag(group(project, targets="['b']", execution="ExecutionConfig(transfer=True)"))
    )
    assert done.state == "success"
    for task in ("a", "each__x", "b"):
        for out in done.xcoms[task]["stages"][0]["outs"]:
            digest = out["hash"]
            assert (tmp_path / "store" / "files" / "md5" / digest[:2] / digest[2:]).exists()


def test_a_wrong_dvc_yaml_is_an_import_error_that_names_the_line(project, airflow, tmp_path):
    project.write({"dvc.yaml": "stages:\n  a:\n    cmd: x\n    output: y\n"})
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "broken.py").write_text(
        "from airflow.sdk import DAG\nfrom dvc_airflow import DvcTaskGroup\n"
        f"with DAG('broken', schedule=None):\n    DvcTaskGroup({str(project.path)!r})\n"
    )

    (error,) = airflow.ask(do="import_errors", folder=str(dags))

    assert "dvc.yaml:4: unknown key 'output' in a stage" in error

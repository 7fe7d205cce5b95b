"""What is kept of runs goes when it is over, and nothing goes before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dvc_airflow.__main__ import main
from dvc_airflow.errors import WorkspaceError
from dvc_airflow.housekeeping import collect_garbage
from dvc_airflow.runtime.facts import write_facts
from dvc_airflow.runtime.prune import prune_workspaces
from dvc_airflow.runtime.repository import open_repository
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import open_workspace

FILES = {
    "params.yaml": "x: 1\n",
    "in.txt": "one\n",
    "dvc.yaml": """
        stages:
          s:
            cmd: cat in.txt > out.txt && echo ${x} >> out.txt
            deps: [in.txt]
            params: [x]
            outs: [out.txt]
          t: {cmd: "false", deps: [out.txt], outs: [never.txt]}
        """,
}


@pytest.fixture
def project(new_project):
    return new_project(FILES)


def refs(project, kind: str) -> list[str]:
    return project.git("for-each-ref", "--format=%(refname)", f"refs/{kind}").split()


def run_of(project, open_run, drive, name: str, x: int, *, complete: bool = True):
    opened = open_run(project, name, overrides={"x": x})
    results = drive(opened.path, "s").results
    return opened, save_run(project.path, opened, results, complete=complete)


def cached(project) -> int:
    return sum(1 for path in (project.path / ".dvc/cache/files").rglob("*") if path.is_file())


@pytest.mark.parametrize("complete", [True, False])
def test_a_run_that_was_saved_is_not_open_any_more(project, open_run, drive, complete):
    project.write({"in.txt": "uncommitted\n"})
    opened, saved = run_of(project, open_run, drive, "a", 1, complete=complete)
    assert refs(project, "open-runs") == []
    project.git("gc", "-q", "--prune=now")
    assert project.git("rev-parse", f"{saved.ref}^") == opened.commit


def test_a_failed_run_that_is_taken_up_again_can_be_saved(project, open_run, drive):
    project.write({"in.txt": "uncommitted\n"})
    opened, _ = run_of(project, open_run, drive, "a", 1, complete=False)
    project.git("gc", "-q", "--prune=now")
    saved = save_run(project.path, opened, drive(opened.path, "s").results, complete=True)
    assert (refs(project, "failed-runs"), refs(project, "runs")) == ([], [saved.ref])


def test_a_run_that_was_never_saved_is_forgotten_with_its_workspace(project, open_run):
    workspaces = project.path / "runs"
    for name in ("dead", "lost", "alive", "foreign", "own"):
        opened = open_run(project, name)
        if name != "foreign":
            write_facts(opened.key, workspaces, {"state": "open"})
    for name in ("lost", "alive", "foreign"):
        shutil.rmtree(workspaces / "dag" / name)
    repository = open_repository(project.path, workspaces)
    own = RunKey("dag", "own")
    prune_workspaces(workspaces, own, 1, lambda run_id: run_id == "alive", repository)
    assert refs(project, "open-runs") == [
        f"refs/open-runs/dag/{name}" for name in ("alive", "foreign", "own")
    ]


def test_a_run_that_cannot_begin_leaves_no_ref_anywhere(project, open_run, tmp_path):
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
    project.git("remote", "add", "origin", str(remote))
    project.write({"loose.csv": "1\n"})
    project.write({"dvc.yaml": "stages:\n  s: {cmd: cat loose.csv, deps: [loose.csv]}\n"})
    with pytest.raises(WorkspaceError, match="neither git nor DVC tracks"):
        open_workspace(project.path, project.path / "runs", RunKey("dag", "a"), shared=True)
    assert refs(project, "open-runs") == []
    assert subprocess.check_output(["git", "for-each-ref"], cwd=remote) == b""


def test_gc_keeps_the_data_of_saved_runs_and_takes_the_rest(project, open_run, drive):
    _, saved = run_of(project, open_run, drive, "kept", 2)
    _, gone = run_of(project, open_run, drive, "gone", 3)
    shutil.rmtree(project.path / "runs")
    project.git("update-ref", "-d", gone.ref)
    before = cached(project)

    assert collect_garbage(project.path).removed == {"cache": 1}
    assert cached(project) == before
    done = collect_garbage(project.path, dry=False)
    assert (done.runs, done.removed, cached(project)) == (1, {"cache": 1}, before - 1)

    project.git("checkout", "-q", saved.ref)
    project.dvc("checkout", "-q", "out.txt")
    assert (project.path / "out.txt").read_text() == "one\n2\n"


def test_gc_keeps_what_a_run_at_work_has_made(project, open_run, drive):
    opened = open_run(project, "working", overrides={"x": 4})
    drive(opened.path, "s")
    done = collect_garbage(project.path, dry=False)
    assert (done.workspaces, done.removed) == (1, {})
    (Path(opened.path) / "out.txt").unlink()
    assert drive(opened.path, "s").statuses["s"] in ("cached", "unchanged")


def test_gc_gives_failed_runs_up_if_it_is_told_to(project, open_run, drive, capsys):
    run_of(project, open_run, drive, "bad", 5, complete=False)
    shutil.rmtree(project.path / "runs")
    command = ["--project", str(project.path), "gc", "--failed"]
    assert main(command) == 0
    assert "would be given up: refs/failed-runs/dag/bad" in capsys.readouterr().out
    assert refs(project, "failed-runs") == ["refs/failed-runs/dag/bad"]
    assert main([*command, "--yes"]) == 0
    assert "1 object(s) removed from the cache" in capsys.readouterr().out
    assert (refs(project, "failed-runs"), cached(project)) == ([], 0)


def test_gc_cleans_the_remote_and_keeps_saved_runs_there(project, open_run, drive, tmp_path):
    project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    project.commit()
    for name, x in (("kept", 2), ("gone", 3)):
        opened = open_run(project, name, overrides={"x": x})
        results = drive(opened.path, "s", transfer=True).results
        save_run(project.path, opened, results, complete=True)
    shutil.rmtree(project.path / "runs")
    project.git("update-ref", "-d", "refs/runs/dag/gone")
    done = collect_garbage(project.path, cloud=True, dry=False)
    assert done.removed == {"cache": 1, "remote": 1}
    shutil.rmtree(project.path / ".dvc" / "cache")
    project.git("checkout", "-q", "refs/runs/dag/kept")
    project.dvc("pull", "-q", "out.txt")


def test_gc_removes_nothing_if_a_run_holds_the_lock(project, open_run, drive, tmp_path):
    opened = open_run(project, "working")
    drive(opened.path, "s")
    holder = (
        "from dvc.repo import Repo; import sys\n"
        f"with Repo({opened.path!r}).lock: print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceError, match=r"nothing was removed.*lock"):
            collect_garbage(project.path, dry=False)
    finally:
        process.communicate("")

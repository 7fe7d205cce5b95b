"""A run's own copy of the project."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from dvc_airflow.errors import ProjectError, WorkspaceError
from dvc_airflow.runtime.prune import prune_workspaces
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import ensure_workspace, in_use

FILES = {
    "code.py": "first\n",
    "params.yaml": "a: 1  # why one\nb:\n  c: [1, 2]\n",
    "dvc.yaml": "stages:\n  s: {cmd: cp code.py out.txt, deps: [code.py], outs: [out.txt]}\n",
}


@pytest.fixture
def project(new_project):
    return new_project(FILES)


def state(project) -> tuple[str, str, str]:
    staged = project.git("diff", "--cached")
    return staged, project.git("status", "--porcelain"), project.git("rev-parse", "HEAD")


def test_an_unchanged_tree_runs_at_head(project, open_run):
    assert open_run(project).commit == project.git("rev-parse", "HEAD")


def test_a_snapshot_holds_everything_git_would_add_and_touches_nothing(project, open_run):
    (project.path / "staged.txt").write_text("staged")
    project.git("add", "staged.txt")
    project.write({"staged.txt": "changed after", "code.py": "second", "new.txt": "new"})
    (project.path / "params.yaml").unlink()
    project.write({".gitignore": "/runs/\nsecret\n", "secret": "no"})
    before = state(project)

    opened = open_run(project, untracked="all")

    assert state(project) == before
    place = Path(opened.path)
    assert (place / "staged.txt").read_text() == "changed after"
    assert (place / "code.py").read_text() == "second"
    assert (place / "new.txt").read_text() == "new"
    assert not (place / "params.yaml").exists()
    assert not (place / "secret").exists()
    assert project.git("rev-parse", f"{opened.commit}^") == project.git("rev-parse", "HEAD")


def test_a_snapshot_can_be_made_while_the_user_is_committing(project, open_run):
    project.write({"code.py": "second"})
    (project.path / ".git" / "index.lock").write_text("")
    assert Path(open_run(project).path, "code.py").read_text() == "second"


def test_a_named_revision_is_run_whatever_the_tree_looks_like(project, open_run):
    project.git("tag", "v1")
    project.write({"code.py": "second"})
    project.commit()
    assert Path(open_run(project, rev="v1").path, "code.py").read_text() == "first\n"


def test_a_revision_that_is_not_there_is_an_error(project, open_run):
    with pytest.raises(ProjectError, match="no revision 'v9'"):
        open_run(project, rev="v9")


def test_a_directory_without_git_is_an_error(tmp_path, open_run, new_project):
    project = new_project(FILES)
    shutil.rmtree(project.path / ".git")
    with pytest.raises(ProjectError, match="not in a git repository"):
        open_run(project)


def test_a_repository_without_commits_is_an_error(project, open_run):
    shutil.rmtree(project.path / ".git")
    project.git("init", "-q")
    with pytest.raises(ProjectError, match="no commit yet"):
        open_run(project)


def test_a_repository_without_dvc_is_an_error(project, open_run):
    shutil.rmtree(project.path / ".dvc")
    with pytest.raises(ProjectError, match="not a DVC project"):
        open_run(project)


def test_workspaces_in_the_repository_have_to_be_ignored(project, open_run):
    project.write({".gitignore": ""})
    with pytest.raises(WorkspaceError, match=r"add '/runs/' to \.gitignore"):
        open_run(project)


def test_workspaces_may_lie_outside_the_repository(project, open_run, tmp_path):
    opened = open_run(project, workspaces=tmp_path / "elsewhere")
    assert Path(opened.path) == tmp_path / "elsewhere" / "dag" / "run"


def test_overrides_change_their_value_and_nothing_else(project, open_run):
    opened = open_run(project, overrides={"a": 2, "b.c": [3]})
    written = Path(opened.path, "params.yaml").read_text()
    assert written.startswith("a: 2  # why one\nb:\n")
    assert yaml.safe_load(written) == {"a": 2, "b": {"c": [3]}}
    assert (project.path / "params.yaml").read_text() == FILES["params.yaml"]


def test_an_override_of_a_key_that_the_commit_lacks_is_an_error(project, open_run):
    with pytest.raises(WorkspaceError, match=r"'x\.y'.*no such key"):
        open_run(project, overrides={"x.y": 2})


def test_the_cache_is_shared_with_the_project(project, open_run, drive):
    opened = open_run(project, "first")
    drive(opened.path, "s")
    assert drive(open_run(project, "second").path, "s").statuses == {"s": "cached"}


def test_the_users_own_configuration_comes_along_with_its_relative_paths(
    project, open_run, drive, tmp_path
):
    project.dvc("remote", "add", "-q", "shared", "../storage")
    project.dvc("remote", "add", "-q", "--local", "-d", "mine", "../mine")
    project.dvc("remote", "modify", "--local", "mine", "verify", "true")
    project.dvc("cache", "dir", "--local", "../cache-of-mine")
    opened = open_run(project)

    local = Path(opened.path, ".dvc", "config.local").read_text()

    assert f"url = {tmp_path / 'mine'}" in local
    assert f"url = {tmp_path / 'storage'}" in local
    assert "verify = true" in local
    drive(opened.path, "s")
    assert any((tmp_path / "cache-of-mine").rglob("*"))
    assert not (project.path / ".dvc" / "cache").exists()


def test_a_project_in_a_subdirectory_of_the_repository(tmp_path, project, open_run, drive):
    outer = tmp_path / "outer"
    outer.mkdir()
    shutil.copytree(project.path, outer / "deep" / "project", ignore=shutil.ignore_patterns(".git"))
    (outer / "above.txt").write_text("above")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *command], cwd=outer, check=True)
    inner = type(project)(outer / "deep" / "project")

    opened = open_run(inner)

    assert Path(opened.path) == Path(opened.root) / "deep" / "project"
    assert Path(opened.root, "above.txt").exists()
    assert drive(opened.path, "s").statuses == {"s": "ran"}


def test_a_shallow_repository_will_do(project, open_run, tmp_path):
    project.write({"code.py": "second\n"})
    project.commit()
    shallow = tmp_path / "shallow"
    command = ["git", "clone", "-q", "--depth", "1", f"file://{project.path}", str(shallow)]
    subprocess.run(command, check=True)
    (shallow / "code.py").write_text("uncommitted")
    assert Path(open_run(type(project)(shallow)).path, "code.py").read_text() == "uncommitted"


def test_a_linked_worktree_will_do(project, open_run, drive, tmp_path):
    tree = tmp_path / "tree"
    project.git("worktree", "add", "-q", str(tree))
    (tree / "code.py").write_text("uncommitted")
    opened = open_run(type(project)(tree))
    assert Path(opened.path, "code.py").read_text() == "uncommitted"
    assert drive(opened.path, "s").statuses == {"s": "ran"}


def test_submodules_come_along(tmp_path, project, open_run):
    library = tmp_path / "library"
    shutil.copytree(project.path, library)
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    project.commit()
    shutil.rmtree(library)  # its origin need not be reachable
    assert Path(open_run(project).path, "lib", "code.py").read_text() == "first\n"


def test_runs_at_the_same_time_do_not_see_each_other(project, open_run, drive):
    def whole_run(number: int) -> str:
        opened = open_run(project, f"run{number}", overrides={"a": number})
        drive(opened.path, "s")
        return Path(opened.path, "params.yaml").read_text().splitlines()[0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(whole_run, range(4)))

    assert found == [f"a: {number}  # why one" for number in range(4)]


def test_a_workspace_that_is_there_is_used_as_it_is(project, open_run):
    opened = open_run(project)
    Path(opened.path, "trace").write_text("x")
    assert ensure_workspace(project.path, project.path / "runs", opened) == (opened, False)
    assert Path(opened.path, "trace").exists()


def test_only_the_workspace_of_one_stage_needs_no_results_of_others(project, open_run):
    opened = open_run(project, stages=["s"])
    assert ensure_workspace(project.path, project.path / "runs", opened) == (opened, True)


def test_a_workspace_that_is_gone_is_made_again_from_the_same_commit(project, open_run):
    opened = open_run(project, overrides={"a": 7})
    shutil.rmtree(opened.root)
    project.write({"code.py": "changed since"})

    found, original = ensure_workspace(project.path, project.path / "runs", opened)

    assert not original
    assert (found.commit, found.path) == (opened.commit, opened.path)
    assert Path(found.path, "code.py").read_text() == "first\n"
    assert Path(found.path, "params.yaml").read_text().startswith("a: 7")


def test_six_tasks_that_miss_their_workspace_make_it_once(project, open_run):
    opened = open_run(project)
    shutil.rmtree(opened.root)
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(ensure_workspace, project.path, project.path / "runs", opened)
            for _ in range(6)
        ]
    assert len({job.result()[0].token for job in jobs}) == 1


def elsewhere(project, tmp_path) -> Path:
    """A clone that shares no disk with the project, and so has no snapshots."""
    other = tmp_path / "other"
    command = ["git", "clone", "-q", "--no-local", str(project.path), str(other)]
    subprocess.run(command, check=True)
    return other


def test_a_snapshot_that_is_not_on_this_machine_is_an_error(project, open_run, tmp_path):
    project.write({"code.py": "uncommitted"})
    opened = open_run(project)
    other = elsewhere(project, tmp_path)
    subprocess.run(["git", "remote", "remove", "origin"], cwd=other, check=True)
    with pytest.raises(WorkspaceError, match="run from a pushed revision"):
        ensure_workspace(other, tmp_path / "runs2", opened)


def test_a_snapshot_is_fetched_from_the_repository_it_was_made_in(project, open_run, tmp_path):
    project.write({"code.py": "uncommitted"})
    opened = open_run(project)
    other = elsewhere(project, tmp_path)
    found, _ = ensure_workspace(other, tmp_path / "runs2", opened)
    assert Path(found.path, "code.py").read_text() == "uncommitted"


def test_a_snapshot_outlives_gits_housekeeping(project, open_run):
    project.write({"code.py": "uncommitted"})
    opened = open_run(project)
    project.git("-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now")
    shutil.rmtree(opened.root)
    found, _ = ensure_workspace(project.path, project.path / "runs", opened)
    assert Path(found.path, "code.py").read_text() == "uncommitted"


def test_old_workspaces_are_removed_but_never_one_in_use_or_running(project, open_run):
    place = project.path / "runs"
    for number in range(6):
        open_run(project, f"r{number}")
    with in_use(RunKey("dag", "r1"), place):
        removed = prune_workspaces(place, RunKey("dag", "r5"), 3, lambda run: run == "r0")
    assert sorted(removed) == ["r2"]
    deadline = time.monotonic() + 30
    while list((place / "dag").glob(".removed-*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # nobody waits for the deletion itself
    left = {path.name for path in (place / "dag").iterdir() if path.is_dir()}
    assert left == {"r0", "r1", "r3", "r4", "r5"}


def test_dvcs_state_lives_in_the_workspace_and_goes_away_with_it(project, open_run, drive):
    opened = open_run(project)
    drive(opened.path, "s")
    assert any(Path(opened.path, ".dvc", "tmp", "site-cache").rglob("*.db"))

"""Projects that are read-only, that Airflow deletes, or that have no ``.git``: runs are kept beside
the workspaces and pushed.

`unpack_bundle` makes the directories that Airflow's git provider 1.0.1 makes (``GitDagBundle``):
a bare clone, a clone of that for each version, whose ``.git`` it removes by default.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dvc_airflow.config import GitConfig, ProjectConfig
from dvc_airflow.errors import ProjectError, WorkspaceError
from dvc_airflow.runtime.prune import prune_workspaces
from dvc_airflow.runtime.publish import publish_saved
from dvc_airflow.runtime.repository import open_repository
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import ensure_workspace, open_workspace

pytestmark = pytest.mark.slow

FILES = {
    "code/use.sh": "cat data/in.txt > out.txt\n",
    "dvc.yaml": """
        stages:
          s:
            cmd: sh code/use.sh && echo '{"v":1}' > m.json
            deps: [code/use.sh, data/in.txt]
            outs: [out.txt]
            metrics: [m.json: {cache: false}]
        """,
}
KEY = RunKey("dag", "run")


def call(where: Path, *args: str) -> str:
    return subprocess.check_output(["git", *args], cwd=where, text=True).strip()


@pytest.fixture
def remote(tmp_path) -> Path:
    path = tmp_path / "remote.git"
    call(tmp_path, "init", "-q", "--bare", "-b", "main", str(path))
    return path


@pytest.fixture
def project(new_project, remote, tmp_path):
    """The users' own clone; git and data are pushed."""
    made = new_project(FILES)
    made.write({"data/in.txt": "data\n"})
    made.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    made.dvc("add", "-q", "data/in.txt")
    made.dvc("push", "-q")
    made.commit()
    made.git("remote", "add", "origin", str(remote))
    made.git("push", "-q", "-u", "origin", "main")
    return made


def unpack_bundle(base: Path, remote: Path, *, prune: bool = True, tracking: bool = False) -> Path:
    """Do what the provider does for a run of the newest version; return its directory."""
    base.mkdir(parents=True, exist_ok=True)
    bare = base / "bare"
    if not bare.exists():
        call(base, "clone", "-q", "--bare", str(remote), str(bare))
    heads = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    call(bare, "fetch", "-q", "origin", *heads)
    sha = call(bare, "rev-parse", "main")
    version = base / "tracking_repo" if tracking else base / "versions" / sha
    version.parent.mkdir(exist_ok=True)
    call(base, "clone", "-q", str(bare), str(version))
    if not tracking:
        call(version, "checkout", "-q", sha)
        if prune:
            shutil.rmtree(version / ".git")
    return version


def whole_run(project: Path, workspaces: Path, drive, config=None, **options):
    opened = open_workspace(project, workspaces, KEY, config=config, shared=True, **options)
    found = opened.workspace
    results = drive(Path(found.path), "s", transfer=True).results
    repository = open_repository(project, workspaces, config)
    saved = save_run(repository.store, found, results, complete=True)
    publish_saved(repository, KEY, saved.ref, saved.commit)
    return opened.workspace, saved


@pytest.mark.parametrize("prune", [True, False])
def test_a_run_of_a_git_dag_bundle_outlives_the_bundle(project, remote, tmp_path, drive, prune):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote, prune=prune)
    opened, saved = whole_run(version, tmp_path / "work", drive)
    assert opened.commit == version.name
    shutil.rmtree(tmp_path / "bundles")

    assert call(remote, "rev-parse", saved.ref) == saved.commit
    assert call(tmp_path / "work" / ".repository.git", "fsck", "--connectivity-only") == ""
    project.git("fetch", "-q", "origin", saved.ref)
    project.git("checkout", "-q", "FETCH_HEAD")
    project.dvc("pull", "-q", "out.txt")
    assert (project.path / "out.txt").read_text() == "data\n"


def test_another_worker_makes_the_workspace_from_its_own_bundle(project, remote, tmp_path, drive):
    first = unpack_bundle(tmp_path / "a" / "g", remote)
    opened = open_workspace(first, tmp_path / "work-a", KEY, shared=True).workspace
    second = unpack_bundle(tmp_path / "b" / "g", remote)
    found, original = ensure_workspace(second, tmp_path / "work-b", opened)
    assert (found.commit, original) == (first.name, False)
    assert drive(Path(found.path), "s", transfer=True).statuses == {"s": "ran"}


def test_the_next_version_of_a_bundle_goes_on_where_the_last_one_was(
    project, remote, tmp_path, drive
):
    base = tmp_path / "bundles" / "g"
    whole_run(unpack_bundle(base, remote), tmp_path / "work", drive)
    project.write({"readme": "new"})
    project.commit()
    project.git("push", "-q")
    shutil.rmtree(base / "versions")
    version = unpack_bundle(base, remote)
    opened, _ = whole_run(version, tmp_path / "work", drive)
    assert opened.commit == version.name == project.git("rev-parse", "HEAD")


def test_the_copy_that_a_bundle_tracks_will_do(project, remote, tmp_path, drive):
    tracked = unpack_bundle(tmp_path / "bundles" / "g", remote, tracking=True)
    _, saved = whole_run(tracked, tmp_path / "work", drive)
    assert call(remote, "rev-parse", saved.ref) == saved.commit
    assert call(tracked, "for-each-ref", "refs/runs") == ""


def test_assets_have_one_name_in_all_copies_of_a_bundle(project, remote, tmp_path):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote)
    tracked = unpack_bundle(tmp_path / "bundles" / "g", remote, tracking=True)
    names = {ProjectConfig(path).project_name for path in (version, tracked)}
    assert names == {"g"}
    assert ProjectConfig(version, name="mine").project_name == "mine"
    assert ProjectConfig(project.path).project_name == "project"


def test_a_shallow_copy_of_one_commit_is_kept_and_pushed_from(project, remote, tmp_path, drive):
    project.write({"readme": "second"})
    project.commit()
    project.git("push", "-q")
    shallow = tmp_path / "shallow"
    call(tmp_path, "clone", "-q", "--depth", "1", f"file://{remote}", str(shallow))
    (shallow / "code" / "use.sh").write_text("cat data/in.txt data/in.txt > out.txt\n")
    config = GitConfig(repository=f"file://{remote}")
    opened, saved = whole_run(shallow, tmp_path / "work", drive, config)
    assert call(remote, "rev-parse", saved.ref) == saved.commit
    assert call(remote, "rev-parse", f"{opened.commit}^") == call(remote, "rev-parse", "main")


def test_the_bridges_own_repository_is_packed_once_it_is_large(project, remote, tmp_path):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote)
    work = tmp_path / "work"
    opened = open_workspace(version, work, KEY).workspace
    store = work / ".repository.git"
    for number in range(9 * 256):
        (tmp_path / "blobs").mkdir(exist_ok=True)
        (tmp_path / "blobs" / str(number)).write_text(str(number))
    listed = "\n".join(str(path) for path in (tmp_path / "blobs").iterdir())
    subprocess.run(["git", "hash-object", "-w", "--stdin-paths"], cwd=store, input=listed,
                   text=True, check=True, capture_output=True)  # fmt: skip
    prune_workspaces(work, KEY, 1, lambda run_id: False, open_repository(version, work))
    assert list((store / "objects" / "pack").glob("*.pack"))
    assert call(Path(opened.root), "status", "--porcelain") == ""


def test_workspaces_in_a_bundle_are_refused(project, remote, tmp_path):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote)
    with pytest.raises(ProjectError, match=r"which Airflow deletes.*WorkspaceConfig\(directory"):
        open_workspace(version, version / "runs", KEY)


def copy_without_git(project, target: Path) -> Path:
    shutil.copytree(project.path, target, ignore=shutil.ignore_patterns(".git", "cache", "data"))
    return target


def test_an_image_without_git_names_repository_and_revision(project, remote, tmp_path, drive):
    image = copy_without_git(project, tmp_path / "image")
    config = GitConfig(repository=f"file://{remote}")
    opened, saved = whole_run(image, tmp_path / "work", drive, config, rev="main")
    assert opened.commit == project.git("rev-parse", "HEAD")
    assert call(remote, "rev-parse", saved.ref) == saved.commit
    with pytest.raises(ProjectError, match=r"has no \.git.*WorkspaceConfig\(rev=\.\.\.\)"):
        open_workspace(image, tmp_path / "work", KEY, config=config)
    with pytest.raises(ProjectError, match=r"GitConfig\(repository=\.\.\.\)"):
        open_workspace(image, tmp_path / "work", KEY, rev="main")


def test_an_image_may_hold_data_that_git_ignores(project, remote, tmp_path):
    project.write({".gitignore": "/runs/\n/local.csv\n"})
    project.write({"dvc.yaml": "stages:\n  s: {cmd: cat local.csv, deps: [local.csv]}\n"})
    project.commit()
    project.git("push", "-q")
    image = copy_without_git(project, tmp_path / "image")
    (image / "local.csv").write_text("1,2\n")
    config = GitConfig(repository=str(remote))
    opened = open_workspace(image, tmp_path / "work", KEY, config=config, rev="main")
    assert opened.linked == ("local.csv",)
    assert Path(opened.workspace.path, "local.csv").read_text() == "1,2\n"


def test_an_image_of_a_project_below_its_repositorys_root(new_project, remote, tmp_path):
    made = new_project({"above.txt": "x", "deep/project/dvc.yaml": "stages: {}\n"})
    shutil.copytree(made.path / ".dvc", made.path / "deep" / "project" / ".dvc")
    made.commit()
    made.git("push", "-q", str(remote), "main")
    image = copy_without_git(made, tmp_path / "image")
    config = GitConfig(repository=str(remote), subdir="deep/project")
    project = image / "deep" / "project"
    opened = open_workspace(project, tmp_path / "work", KEY, config=config, rev="main").workspace
    assert Path(opened.path) == Path(opened.root) / "deep" / "project"
    with pytest.raises(ProjectError, match="doesn't end with"):
        wrong = GitConfig(repository=str(remote), subdir="deep")
        open_workspace(project, tmp_path / "work", KEY, config=wrong, rev="main")


AS_READER = [
    "setpriv",
    "--inh-caps=-dac_override,-dac_read_search,-fowner",
    "--bounding-set=-dac_override,-dac_read_search,-fowner",
]
PROGRAM = """
import sys
from pathlib import Path
from dvc_airflow.errors import DvcAirflowError
from dvc_airflow.runtime.process import DriverProcess
from dvc_airflow.runtime.repository import open_repository
from dvc_airflow.runtime.prune import prune_workspaces
from dvc_airflow.runtime.publish import publish_saved
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import save_run
from dvc_airflow.runtime.workspace import open_workspace
project, workspaces, name, rev = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
key = RunKey("dag", name)
try:
    opened = open_workspace(project, workspaces, key, rev=rev or None, shared=True).workspace
    results = DriverProcess(opened.path, ["s"]).run(print)
    repository = open_repository(project, workspaces)
    saved = save_run(repository.store, opened, results, complete=True)
    publish_saved(repository, key, saved.ref, saved.commit)
    print(results[0]["status"], saved.ref)
except DvcAirflowError as exc:
    print(f"{type(exc).__name__}: {exc}")
"""


def as_reader(*arguments: str, home: Path) -> str:
    """Run in a process that may read all and write only what is root's."""
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments]
    env = {**os.environ, "HOME": str(home)}
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [*AS_READER, *program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="gives a project to another user, then gives up root's right to write everywhere",
)
def test_a_read_only_project_is_run_from_its_tree_and_from_a_revision(project, remote, tmp_path):
    call(remote, "config", "receive.shallowUpdate", "true")
    project.write({"code/use.sh": "cat data/in.txt data/in.txt > out.txt\n"})  # uncommitted
    subprocess.run(["chown", "-R", "nobody", str(project.path)], check=True)
    subprocess.run(["chmod", "-R", "go-w,a+rX", str(project.path)], check=True)
    work = str(tmp_path / "work")
    home = tmp_path / "home"
    home.mkdir()

    said = as_reader(str(project.path), work, "one", "", home=home)
    assert said.endswith("ran refs/runs/dag/one"), said
    said = as_reader(str(project.path), work, "two", "main", home=home)
    assert said.endswith("ran refs/runs/dag/two"), said
    said = as_reader(str(project.path), work, "three", "", home=home)
    assert said.endswith("cached refs/runs/dag/three"), said

    refs = call(remote, "for-each-ref", "--format=%(refname)", "refs/runs").split()
    assert refs == ["refs/runs/dag/one", "refs/runs/dag/three", "refs/runs/dag/two"]
    assert "in.txt data" in call(remote, "show", "refs/runs/dag/one:code/use.sh")
    said = as_reader(str(project.path), str(project.path / "runs"), "four", "", home=home)
    assert "can't be written to" in said
    assert "WorkspaceConfig(directory=...)" in said


def test_a_workspaces_directory_that_cannot_be_made_is_an_error(project, remote, tmp_path):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote)
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="can't be written to"):
        open_workspace(version, tmp_path / "file" / "work", KEY)


def test_airflow_runs_a_bundles_version_and_the_remote_has_the_run(
    project, remote, tmp_path, load_dag, run_dag
):
    version = unpack_bundle(tmp_path / "bundles" / "g", remote)
    dag = load_dag(
        f"""
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup(
                project={str(version)!r},
                workspace=WorkspaceConfig(directory={str(tmp_path / "work")!r}),
                execution=ExecutionConfig(transfer=True),
            )
        """
    )
    done = run_dag(dag)
    assert done.states == {"open_workspace": "success", "s": "success", "save_run": "success"}
    saved = done.xcoms["save_run"]
    assert call(remote, "rev-parse", saved["ref"]) == saved["commit"]
    assert call(remote, "for-each-ref", "refs/open-runs") == ""
    assert call(remote, "rev-parse", f"{saved['commit']}^") == version.name


def test_airflow_fails_a_run_whose_ref_is_refused_and_keeps_the_run(
    project, remote, load_dag, run_dag
):
    hook = remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/runs/*) exit 1;; esac\n')
    hook.chmod(0o755)
    dag = load_dag(
        f"""
        with DAG(DAG_ID, schedule=None) as dag:
            DvcTaskGroup(project={str(project.path)!r}, git=GitConfig(push=True))
        """
    )
    assert run_dag(dag).states["save_run"] == "failed"
    [ref] = project.git("for-each-ref", "--format=%(refname)", "refs/runs").split()
    hook.unlink()
    project.git("push", "-q", "origin", ref)

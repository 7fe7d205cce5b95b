"""Commits of runs go to the git remote and come from there, by themselves and with a word."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from dvc_airflow.__main__ import main
from dvc_airflow.apply import apply_run
from dvc_airflow.config import GitConfig
from dvc_airflow.errors import ApplyError, GitError, ProjectError, WorkspaceError
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.publish import publish_saved
from dvc_airflow.runtime.repository import open_repository
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.save import read_saved, save_run
from dvc_airflow.runtime.workspace import ensure_workspace

pytestmark = pytest.mark.slow

FILES = {
    "in.txt": "one\n",
    "dvc.yaml": """
        stages:
          s:
            cmd: cp in.txt out.txt && echo '{"v":1}' > m.json
            deps: [in.txt]
            outs: [out.txt]
            metrics: [m.json: {cache: false}]
        """,
}
KINDS = ("refs/runs", "refs/failed-runs", "refs/open-runs")
OPEN, RUN = "refs/open-runs/dag/run", "refs/runs/dag/run"


def call(where: Path, *args: str) -> str:
    return subprocess.check_output(["git", *args], cwd=where, text=True).strip()


@pytest.fixture
def remote(tmp_path) -> Path:
    path = tmp_path / "remote.git"
    call(tmp_path, "init", "-q", "--bare", "-b", "main", str(path))
    return path


@pytest.fixture
def one(new_project, remote):
    """The machine that opens runs."""
    project = new_project(FILES, "one")
    project.git("remote", "add", "origin", str(remote))
    project.git("push", "-q", "-u", "origin", "main")
    return project


@pytest.fixture
def two(one, remote, tmp_path):
    """Another machine: a clone that knows what was pushed, and no more; it has the data."""
    path = tmp_path / "two"
    call(tmp_path, "clone", "-q", f"file://{remote}", str(path))
    cache = one.path / ".dvc" / "cache"
    (path / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n")
    return type(one)(path)


def refs(where: Path) -> list[str]:
    return call(where, "for-each-ref", "--format=%(refname)", *KINDS).split()


def whole_run(project, open_run, drive, *, complete=True, **options):
    opened = open_run(project, shared=True, **options)
    results = drive(opened.path, "s").results
    saved = save_run(project.path, opened, results, complete=complete)
    repository = open_repository(project.path, project.path / "runs")
    publish_saved(repository, opened.key, saved.ref, saved.commit)
    return opened, saved


def test_a_snapshot_reaches_a_machine_that_never_saw_it(one, two, open_run, remote, caplog):
    one.write({"in.txt": "uncommitted\n"})
    opened = open_run(one, shared=True)
    assert refs(remote) == [OPEN]
    with caplog.at_level(logging.INFO):
        found, original = ensure_workspace(two.path, two.path / "runs", opened)
    assert not original
    assert Path(found.path, "in.txt").read_text() == "uncommitted\n"
    assert f"fetched {OPEN} from the git remote origin" in caplog.text


def test_a_server_that_gives_no_commit_by_hash_will_do(one, two, open_run, remote):
    call(remote, "config", "uploadpack.allowAnySHA1InWant", "false")
    two.git("config", "protocol.version", "0")
    one.write({"in.txt": "uncommitted\n"})
    opened = open_run(one, shared=True)
    ensure_workspace(two.path, two.path / "runs", opened)


def test_a_saved_run_is_at_the_remote_and_what_led_to_it_is_not(one, open_run, drive, remote):
    whole_run(one, open_run, drive, complete=False)
    assert refs(remote) == refs(one.path) == ["refs/failed-runs/dag/run"]
    _, saved = whole_run(one, open_run, drive)
    assert refs(remote) == refs(one.path) == [RUN]
    assert call(remote, "rev-parse", RUN) == saved.commit


def test_no_branch_or_tag_moves_on_either_side(one, two, open_run, drive, remote):
    one.git("tag", "local")
    before = call(remote, "for-each-ref", "refs/heads", "refs/tags")
    one.write({"in.txt": "uncommitted\n"})
    _, saved = whole_run(one, open_run, drive)
    assert call(remote, "for-each-ref", "refs/heads", "refs/tags") == before
    there = two.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes")
    apply_run(two.path, saved.ref)
    assert two.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes") == there


def test_a_run_saved_elsewhere_can_be_applied_and_read(one, two, open_run, drive, capsys):
    _, saved = whole_run(one, open_run, drive)
    assert main(["--project", str(two.path), "apply", "dag/run"]) == 0
    said = capsys.readouterr()
    assert "m.json" in said.out
    assert (two.path / "m.json").exists()
    two.git("update-ref", "-d", RUN)
    found = read_saved(two.path, RunKey("dag", "run"))
    assert found is not None
    assert found.commit == saved.commit


def test_a_run_that_is_nowhere_names_where_was_looked(two, remote):
    with pytest.raises(ApplyError, match=r"no saved run 'dag/nope' in .*two, nor at its git rem"):
        apply_run(two.path, "dag/nope")
    assert read_saved(two.path, RunKey("dag", "nope")) is None


def test_a_revision_is_what_the_remote_has_now(one, two, open_run, caplog):
    one.write({"in.txt": "newer\n"})
    newer = one.commit()
    one.git("push", "-q")
    assert open_run(two, rev="main").commit != newer
    with caplog.at_level(logging.INFO):
        for number, rev in enumerate(("main", "origin/main", "refs/heads/main")):
            assert open_run(two, f"r{number}", rev=rev, shared=True).commit == newer
    assert "newer than" in caplog.text
    assert open_run(two, "parent", rev="main~1", shared=True).commit == one.git(
        "rev-parse", "main~1"
    )


def test_a_branch_that_is_ahead_here_is_taken_and_pushed(one, two, open_run, remote):
    one.write({"in.txt": "ahead\n"})
    ahead = one.commit()
    opened = open_run(one, rev="main", shared=True)
    assert opened.commit == ahead == call(remote, "rev-parse", OPEN)
    ensure_workspace(two.path, two.path / "runs", opened)


def test_a_tag_that_differs_between_hosts_is_refused(one, two, open_run):
    two.git("tag", "v1")
    one.write({"in.txt": "newer\n"})
    one.commit()
    one.git("tag", "v1")
    one.git("push", "-q", "origin", "v1")
    with pytest.raises(ProjectError, match=r"tag v1 is .* here and .* at the git remote"):
        open_run(two, rev="v1", shared=True)


def test_an_annotated_tag_that_only_the_remote_has_is_found(one, two, open_run):
    one.write({"in.txt": "newer\n"})
    newer = one.commit()
    one.git("tag", "-a", "-m", "x", "v2")
    one.git("push", "-q", "origin", "v2")
    assert open_run(two, rev="v2").commit == newer


def test_a_revision_that_is_nowhere_is_an_error(one, open_run):
    with pytest.raises(ProjectError, match=r"no revision 'nope', neither here nor at origin \("):
        open_run(one, rev="nope", shared=True)


def test_a_remote_that_cannot_be_asked_is_an_error(one, open_run, tmp_path):
    one.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    with pytest.raises(GitError, match="gone"):
        open_run(one, rev="main", shared=True)


@pytest.mark.parametrize("moment", ["open", "save"])
def test_a_refused_push_says_what_to_do_and_loses_nothing(one, open_run, drive, remote, moment):
    opened = open_run(one)
    saved = save_run(one.path, opened, drive(opened.path, "s").results, complete=True)
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no entry; exit 1\n")
    hook.chmod(0o755)
    repository = open_repository(one.path, one.path / "runs")
    with pytest.raises(WorkspaceError, match=r"(?s)did not take .*no entry.*GitConfig\(push=F"):
        if moment == "open":
            open_run(one, "other", shared=True)
        else:
            publish_saved(repository, opened.key, saved.ref, saved.commit)
    assert refs(one.path) == [RUN]
    assert one.git("rev-parse", RUN) == saved.commit


def test_a_password_in_the_address_is_not_told(one, open_run):
    one.git("remote", "set-url", "origin", "http://ada:secret@127.0.0.1:1/x")
    with pytest.raises(WorkspaceError) as error:
        open_run(one, shared=True)
    assert "secret" not in str(error.value)
    with pytest.raises(GitError) as error:
        git(one.path, "ls-remote", "http://ada:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)


def test_the_remote_is_the_branchs_upstream_else_origin_else_none(one, tmp_path):
    def remote_of(config: GitConfig | None = None) -> str | None:
        return open_repository(one.path, one.path / "runs", config).remote

    assert remote_of() == "origin"
    one.git("remote", "add", "mine", str(tmp_path / "mine"))
    one.git("config", "branch.main.remote", "mine")
    assert remote_of() == "mine"
    one.git("checkout", "-q", "--detach")
    assert remote_of() == "origin"
    one.git("remote", "remove", "origin")
    assert remote_of() == "mine"
    one.git("remote", "add", "third", str(tmp_path / "third"))
    assert remote_of() is None
    assert remote_of(GitConfig(remote="third")) == "third"
    assert remote_of(GitConfig(remote="")) is None


def test_refs_are_pushed_if_data_are_unless_told_otherwise():
    assert [GitConfig().is_shared(transfer) for transfer in (False, True)] == [False, True]
    assert [GitConfig(push=False).is_shared(True), GitConfig(push=True).is_shared(False)] == [
        False,
        True,
    ]

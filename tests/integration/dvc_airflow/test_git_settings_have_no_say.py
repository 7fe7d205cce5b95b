"""What the user, the machine or a git hook tells git changes no run, and breaks none."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from dvc_airflow.apply import apply_run
from dvc_airflow.errors import ProjectError
from dvc_airflow.runtime.git import git, identity
from dvc_airflow.runtime.save import read_overrides, save_run

FILES = {
    "in.txt": "one\n",
    "tool.sh": "cp in.txt out.txt\n",
    "dvc.yaml": """
        stages:
          s:
            cmd: sh tool.sh && echo '{"v":1}' > größe.json
            deps: [in.txt, tool.sh]
            outs: [out.txt]
            metrics: [größe.json: {cache: false}]
        """,
}
HOSTILE = """
[commit]
    gpgSign = true
    cleanup = scissors
    template = /nowhere
[tag]
    gpgSign = true
    forceSignAnnotated = true
[push]
    gpgSign = true
    followTags = true
    pushOption = ci.skip
    recurseSubmodules = check
[gpg]
    program = /bin/false
[core]
    hooksPath = {hooks}
    fsmonitor = {hooks}/post-checkout
    autocrlf = true
    safecrlf = true
    quotePath = true
    splitIndex = true
    untrackedCache = true
    pager = false
    editor = false
[index]
    version = 4
[init]
    templateDir = {template}
    defaultBranch = other
    defaultObjectFormat = sha256
    defaultRefFormat = reftable
[protocol]
    allow = never
[protocol "file"]
    allow = never
[safe]
    bareRepository = explicit
[clone]
    defaultRemoteName = upstream
    rejectShallow = true
[fetch]
    prune = true
    pruneTags = true
    fsckObjects = true
[transfer]
    fsckObjects = true
    hideRefs = refs/
[uploadpack]
    hideRefs = refs/
    packObjectsHook = /bin/false
[submodule]
    recurse = true
[color]
    ui = always
    grep = always
    diff = always
[column]
    ui = always
[grep]
    fullName = true
    lineNumber = true
    patternType = perl
[log]
    showSignature = true
    date = relative
    decorate = full
[diff]
    external = /bin/false
    orderFile = /nowhere
    noprefix = true
[i18n]
    commitEncoding = ISO-8859-1
    logOutputEncoding = ISO-8859-1
[gc]
    auto = 1
[alias]
    add = !false
    commit = !false
[url "/nowhere/"]
    insteadOf = /
[user]
    useConfigOnly = true
"""


@pytest.fixture
def project(new_project):
    return new_project(FILES)


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A global configuration in which nearly every command of git fails or does something else."""
    for name in ("hooks", "template/hooks"):
        folder = tmp_path / "settings" / name
        folder.mkdir(parents=True)
        for hook in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit",
                     "post-checkout", "reference-transaction", "pre-push", "post-index-change",
                     "pre-auto-gc"):  # fmt: skip
            file = folder / hook
            file.write_text("#!/bin/sh\nexit 1\n")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
    path = tmp_path / "settings" / "gitconfig"
    folder = path.parent
    path.write_text(HOSTILE.format(hooks=folder / "hooks", template=folder / "template"))
    return path


def whole_run(project, open_run, drive, run_id):
    opened = open_run(project, run_id)
    results = drive(opened.path, "s").results
    return opened, save_run(project.path, opened, results, complete=True)


def test_a_run_under_hostile_settings_equals_one_without(
    project, open_run, drive, hostile, monkeypatch
):
    project.write({"tool.sh": "cp in.txt out.txt  # uncommitted\n"})
    opened, usual = whole_run(project, open_run, drive, "usual")
    with monkeypatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(hostile))
        patch.setenv("LANG", "de_DE.UTF-8")
        again, saved = whole_run(project, open_run, drive, "again")
        applied = apply_run(project.path, saved.ref)
        assert read_overrides(project.path, saved.commit) == {}
    for left, right in ((opened.commit, again.commit), (usual.commit, saved.commit)):
        trees = [project.git("rev-parse", f"{sha}^{{tree}}") for sha in (left, right)]
        assert trees[0] == trees[1]
    assert b"\r" not in Path(again.path, "tool.sh").read_bytes()
    assert b"\r" not in (project.path / "größe.json").read_bytes()
    assert {".gitignore", "dvc.lock", "größe.json"} <= set(applied)
    assert "gpgsig" not in project.git("cat-file", "commit", saved.commit)


def test_variables_that_a_git_hook_sets_lead_nowhere_else(
    project, open_run, drive, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    with monkeypatch.context() as patch:
        for name, value in {
            "GIT_DIR": other / ".git",
            "GIT_WORK_TREE": other,
            "GIT_INDEX_FILE": other / "index",
            "GIT_OBJECT_DIRECTORY": other / ".git" / "objects",
            "GIT_COMMON_DIR": other / ".git",
            "GIT_NAMESPACE": "elsewhere",
            "GIT_PREFIX": "deep/",
            "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_TEMPLATE_DIR": other,
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_EXTERNAL_DIFF": "false",
        }.items():
            patch.setenv(name, str(value))
        opened, saved = whole_run(project, open_run, drive, "run")
    assert project.git("rev-parse", f"{saved.ref}^") == opened.commit
    assert subprocess.check_output(["git", "for-each-ref"], cwd=other) == b""


def test_settings_that_reach_a_remote_stay_the_users(project, tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    theirs.write_text('[url "https://mirror.test/"]\n    insteadOf = https://origin.test/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(theirs))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.proxy")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "http://proxy.test")
    git(project.path, "remote", "add", "origin", "https://origin.test/x")
    assert git(project.path, "remote", "get-url", "origin") == "https://mirror.test/x"
    assert git(project.path, "config", "http.proxy") == "http://proxy.test"


def test_without_a_name_a_run_is_committed_under_the_bridges(project, monkeypatch, tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(empty))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(empty))
    for key in ("user.name", "user.email"):
        project.git("config", "--unset", key)
    assert identity(project.path)["GIT_AUTHOR_EMAIL"] == "dvc-airflow@localhost"


def test_git_replace_changes_no_run(project, open_run):
    first = project.git("rev-parse", "HEAD")
    project.write({"in.txt": "two\n"})
    second = project.commit()
    project.git("replace", first, second)
    assert Path(open_run(project, rev=first).path, "in.txt").read_text() == "one\n"


def test_a_stage_has_tags_and_branches_to_ask_for(project, open_run):
    project.git("tag", "v1")
    project.git("branch", "feature")
    opened = open_run(project)
    assert git(opened.root, "describe", "--tags") == "v1"
    assert git(opened.root, "rev-parse", "origin/feature") == opened.commit


def test_a_partial_clone_will_do(project, open_run, tmp_path):
    project.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    command = ["git", "clone", "-q", "--filter=blob:none", f"file://{project.path}", str(partial)]
    subprocess.run(command, check=True)
    project.git("tag", "start")
    project.write({"in.txt": "later\n"})
    project.commit()
    subprocess.run(["git", "fetch", "-q", "--tags"], cwd=partial, check=True)
    opened = open_run(type(project)(partial), rev="origin/main")
    assert Path(opened.path, "in.txt").read_text() == "later\n"


def test_a_sha256_repository_is_refused_before_anything_is_written(tmp_path, open_run, project):
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(other)], check=True)
    (other / ".dvc").mkdir()
    (other / "x").write_text("x")
    for command in (
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=other, check=True)
    with pytest.raises(ProjectError, match="sha256, which DVC cannot read"):
        open_run(type(project)(other), workspaces=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_a_project_of_another_user_is_run(project, open_run, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(empty))
    subprocess.run(["chown", "-R", "nobody", str(project.path)], check=True)
    opened = open_run(project, workspaces=tmp_path / "runs")
    assert Path(opened.path, "in.txt").read_text() == "one\n"

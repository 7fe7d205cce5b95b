"""No variable or hook changes what git says about a folder; objects are what their hashes say."""

from pathlib import Path

import pytest

from pipelines.core.git import (
    GitError,
    GitMissingError,
    environment,
    git,
    git_bytes,
    git_contents,
    git_objects,
    git_or_none,
)


@pytest.fixture(autouse=True)
def someone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who commits, and nobody's own settings."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


def repository(folder: Path, text: str) -> Path:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "file").write_text(text, encoding="utf-8")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", text)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project", "mine")


def test_variables_that_name_another_repository_are_dropped(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", "foreign")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    assert git(project, "log", "--format=%s") == "mine"
    assert git_bytes(project, "show", "HEAD:file") == b"mine"


def test_who_somebody_is_and_how_a_remote_is_reached_stays(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    assert environment()["GIT_SSH_COMMAND"] == "ssh -i key"
    assert git(project, "log", "--format=%an <%ae>") == "Ada <ada@example.org>"


def test_an_object_is_what_its_hash_says_whatever_replaces_it(project: Path) -> None:
    mine = git(project, "rev-parse", "HEAD:file")
    foreign = git(project, "hash-object", "-w", "--stdin", stdin="foreign")
    git(project, "replace", mine, foreign)
    assert git_bytes(project, "show", "HEAD:file") == b"mine"
    assert list(git_contents(project, [mine])) == [(mine, b"mine")]
    assert git_objects(project, [mine]) == {mine: ("blob", b"mine")}


def test_a_graft_gives_no_commit_other_parents(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "second")
    second = git(project, "rev-parse", "HEAD")
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/grafts").write_text(f"{second}\n")
    assert git(project, "rev-list", "HEAD").split() == [second, first]


def test_objects_that_are_gone_are_left_out_of_the_others(project: Path) -> None:
    mine, gone = git(project, "rev-parse", "HEAD:file"), "1" * 40
    assert git_objects(project, [gone, mine, mine]) == {mine: ("blob", b"mine")}
    assert git_objects(project, []) == {}


def _hook(project: Path, name: str) -> Path:
    hook = project / ".git/hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntouch "$(git rev-parse --git-dir)/ran"\n', encoding="utf-8")
    hook.chmod(0o755)
    return project / ".git/ran"


def test_no_hook_runs_when_tags_are_written(project: Path) -> None:
    ran = _hook(project, "reference-transaction")
    git(project, "update-ref", "refs/tags/one", "HEAD")
    assert not ran.exists()
    assert git(project, "tag", "--list") == "one"


def test_at_a_push_the_users_hooks_run(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q", "--bare", str(tmp_path / "remote"))
    ran = _hook(project, "pre-push")
    git_bytes(project, "push", "-q", str(tmp_path / "remote"), "HEAD:refs/heads/a", hooks=True)
    assert ran.exists()


def test_an_error_has_gits_own_words(project: Path) -> None:
    with pytest.raises(GitError, match=r"^git show nothing failed in .*unknown revision") as error:
        git(project, "show", "nothing")
    assert error.value.said.startswith("fatal: ")
    assert git_or_none(project, "show", "nothing") is None


def test_a_command_that_takes_too_long_is_ended(project: Path) -> None:
    command = ("-c", "alias.wait=!sleep 1", "wait")
    with pytest.raises(GitError, match=r"no answer within 0\.05 s"):
        git_bytes(project, *command, timeout=0.05)


def test_without_git_no_question_is_answered_with_no(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(GitMissingError, match="git is not installed"):
        git_or_none(project, "rev-parse", "HEAD")
    with pytest.raises(GitMissingError, match="git is not installed"):
        next(git_contents(project, ["HEAD"]))


@pytest.mark.parametrize("content", [b"", b"a\n", b"\n\n", b"\0" * 100_000])
def test_objects_are_read_one_after_the_other(project: Path, content: bytes) -> None:
    first = git(project, "hash-object", "-w", "--stdin", stdin=content)
    second = git(project, "rev-parse", "HEAD:file")
    assert list(git_contents(project, [first, second])) == [(first, content), (second, b"mine")]


def test_an_object_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(GitError, match="missing"):
        list(git_contents(project, ["0" * 40]))

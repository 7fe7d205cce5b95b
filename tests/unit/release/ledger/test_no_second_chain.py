"""A machine without the ledger begins no second one where there are signs of the first."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "--quiet")
    (project / "readme").write_text("x")
    git(project, "add", "readme")
    git(project, "commit", "--quiet", "-m", "start")
    return project


@pytest.fixture
def other_machine(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ledger]:
    """Clone the project to a machine that has no keys."""

    def clone(*options: str) -> Ledger:
        git(tmp_path, "clone", "--quiet", *options, str(repository), "clone")
        monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys of the clone"))
        return Ledger.of(tmp_path / "clone")

    return clone


def refused(ledger: Ledger, kind: str = "run") -> str:
    with pytest.raises(SignalboxError, match="nothing was written") as raised:
        ledger.append(kind, "model_release", {})
    assert not ledger.path.exists()
    assert not ledger._keys.folder.exists()
    return str(raised.value)


def begin_in(repository: Path) -> Ledger:
    ledger = Ledger.of(repository)
    ledger.append("run", "model_release", {})
    return ledger


def test_nothing_that_hints_at_a_ledger_and_the_first_entry_makes_the_key(
    other_machine: Callable[..., Ledger],
) -> None:
    other_machine().append("run", "model_release", {})


def test_a_ledger_in_gits_history_is_one(
    repository: Path, other_machine: Callable[..., Ledger]
) -> None:
    begin_in(repository)
    git(repository, "add", "ledger")
    git(repository, "commit", "--quiet", "-m", "ledger")
    git(repository, "rm", "--quiet", "--cached", "ledger/ledger.jsonl")
    git(repository, "commit", "--quiet", "-m", "not in git any more")
    ledger = other_machine()
    git(ledger.path.parents[1], "remote", "remove", "origin")
    assert "git has ledger.jsonl (commit " in refused(ledger)


def test_a_tag_that_names_a_head_tells_of_a_ledger(
    repository: Path, other_machine: Callable[..., Ledger]
) -> None:
    head = begin_in(repository).head
    git(repository, "tag", "-a", "m@v0.1.0", "-m", f"m v0.1.0\n\nLedger-Head: {head}\n")
    ledger = other_machine()
    git(ledger.path.parents[1], "remote", "remove", "origin")
    with pytest.raises(SignalboxError, match=r"tag m@v0\.1\.0"):
        ledger.append("run", "model_release", {})
    assert ledger.entries() == []


def test_an_uncommitted_ledger_where_the_clone_came_from_is_one(
    repository: Path, other_machine: Callable[..., Ledger]
) -> None:
    path = begin_in(repository).path
    assert f"{path} is one, where 'origin' lies" in refused(other_machine())


def test_a_release_tag_of_the_remote_that_was_not_fetched_tells_of_a_ledger(
    repository: Path, other_machine: Callable[..., Ledger], tmp_path: Path
) -> None:
    git(repository, "tag", "-a", "m@v0.1.0", "-m", "m")
    ledger = other_machine("--no-tags")
    project = ledger.path.parents[1]
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare")
    # Through a program, as over the network: no folder to look into.
    url = f"ext::git %s {tmp_path / 'bare'}"
    git(project, "config", "protocol.ext.allow", "always")
    git(project, "remote", "set-url", "origin", url)
    assert "the git remote 'origin' has the release m@v0.1.0" in refused(ledger)


@pytest.mark.parametrize("kind", ["question", "answer", "approval", "release", "rollback"])
def test_in_a_clone_what_follows_on_a_gate_is_never_the_first_entry(
    other_machine: Callable[..., Ledger], kind: str
) -> None:
    said = refused(other_machine(), kind)
    assert f"an entry of kind {kind!r} is never the first" in said


def test_a_pointer_to_a_release_tells_of_a_ledger(ledger: Ledger) -> None:
    pointer = ledger.path.parents[1] / "released" / "model_release.json"
    pointer.parent.mkdir()
    pointer.write_text(json.dumps({"released": None}))
    ledger.append("run", "model_release", {})
    ledger.path.unlink()
    pointer.write_text(json.dumps({"released": {"version": "v0.1.0"}}))
    with pytest.raises(SignalboxError, match=r"model_release\.json names a release"):
        ledger.append("run", "model_release", {})


def test_a_ledger_that_was_deleted_beside_its_archive_is_not_begun_anew(filled: Ledger) -> None:
    filled.begin("key lost")
    filled.path.unlink()
    with pytest.raises(SignalboxError, match="holds closed ledgers"):
        filled.append("run", "model_release", {})


def test_a_worker_that_is_told_so_begins_none(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_LEDGER", "elsewhere")
    assert "SIGNALBOX_LEDGER=elsewhere says that another machine has it" in refused(ledger)


def test_who_says_so_begins_a_ledger_all_the_same(
    repository: Path, other_machine: Callable[..., Ledger]
) -> None:
    begin_in(repository)
    ledger = other_machine()
    refused(ledger)
    ledger.begin("a project of our own")
    ledger.append("run", "model_release", {})
    assert ledger.entries()[0].data["reason"] == "a project of our own"

"""A clone without the key begins its own ledger; the one it came with is kept and still proven."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger


@pytest.fixture
def stranger(
    filled: Ledger, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Ledger:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "elsewhere"))
    return Ledger.of(project)


def closed(ledger: Ledger) -> Path:
    return next((ledger.path.parent / "archive").glob("*.jsonl"))


def test_the_old_ledger_is_kept_and_named(stranger: Ledger) -> None:
    before, head = stranger.path.read_bytes(), stranger.head
    entry = stranger.begin("my clone")
    assert entry.data["continues"] == {
        "file": f"archive/{head[:16]}.jsonl",
        "entries": 5,
        "head": head,
        "torn_bytes": 0,
    }
    assert closed(stranger).read_bytes() == before
    assert stranger.can_append
    stranger.append("run", "model_release", {})
    assert [entry.kind for entry in stranger.entries()] == ["key", "run"]


def test_anchors_of_the_old_ledger_still_hold(stranger: Ledger) -> None:
    head = stranger.head
    stranger.begin("my clone")
    stranger.append("run", "model_release", {})
    stranger.begin("once more")
    assert stranger.verify(expect_head=head).ok
    assert not stranger.verify(expect_head="e" * 64).ok


def test_a_changed_closed_ledger_is_found(stranger: Ledger) -> None:
    stranger.begin("my clone")
    place = closed(stranger)
    content = place.read_bytes()
    cut = content[: content[:-1].rfind(b"\n") + 1]
    for changed, reason in (
        (content.replace(b"review", b"reject"), "line 3 the content doesn't match its hash"),
        (cut, "it was cut off or rewritten"),
        (b"", "it was cut off or rewritten"),
    ):
        place.write_bytes(changed)
        problem = stranger.verify().problem
        assert problem is not None
        assert problem.seq == 1
        assert reason in problem.reason
    place.unlink()
    problem = stranger.verify().problem
    assert problem is not None
    assert "cannot be read" in problem.reason


def test_a_damaged_ledger_is_not_put_aside(stranger: Ledger) -> None:
    damaged = stranger.path.read_bytes().replace(b"review", b"reject")
    stranger.path.write_bytes(damaged)
    with pytest.raises(SignalboxError, match=r"line 3 .* restore the file before a new one begins"):
        stranger.begin("my clone")
    assert stranger.path.read_bytes() == damaged


def test_a_torn_end_goes_to_the_archive_as_it_is(stranger: Ledger) -> None:
    torn = stranger.path.read_bytes() + b'{"data":'
    stranger.path.write_bytes(torn)
    assert stranger.begin("my clone").data["continues"]["torn_bytes"] == 8
    assert closed(stranger).read_bytes() == torn
    stranger.append("run", "model_release", {})
    assert stranger.verify().ok
    assert [entry.kind for entry in stranger.entries()] == ["key", "run"]


def test_a_kill_before_the_new_ledger_is_in_place_leaves_the_old_one(
    filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled.path.read_bytes()

    def killed(line: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(filled._file, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            filled.begin("mine")
    assert filled.path.read_bytes() == before
    filled.begin("mine")
    assert filled.verify().ok


def test_an_empty_ledger_begins_like_any_other(ledger: Ledger) -> None:
    ledger.begin("mine")
    assert [entry.kind for entry in ledger.entries()] == ["key"]
    assert not (ledger.path.parent / "archive").exists()

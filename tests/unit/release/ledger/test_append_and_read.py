"""Appending: the first entry brings the key, entries follow each other, errors add nothing."""

import errno
import json
import os
import resource
import stat
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import keys_folder
from pipelines.release.ledger import GENESIS, Ledger
from pipelines.release.ledger.keys import Keys


def test_nothing_is_made_before_the_first_entry(ledger: Ledger, project: Path) -> None:
    assert ledger.head == GENESIS
    assert ledger.entries() == []
    assert ledger.verify().ok
    assert list(project.iterdir()) == []
    assert not keys_folder().exists()


def test_the_first_entry_is_the_key(ledger: Ledger) -> None:
    entry = ledger.append("run", "model_release", {"numbers": (1, 2.0), "text": "ü"})
    key, read = ledger.entries()
    assert (key.seq, key.kind, key.previous) == (1, "key", GENESIS)
    assert (read.seq, read.kind, read.subject) == (2, "run", "model_release")
    assert read == entry
    assert read.data == {"numbers": [1, 2], "text": "ü"}
    assert read.previous == key.hash
    assert ledger.head == read.hash
    assert ledger.verify().entries == 2


def test_the_private_key_is_the_owners_only_and_outside_the_project(filled: Ledger) -> None:
    assert stat.S_IMODE(keys_folder().stat().st_mode) == 0o700
    files = list(keys_folder().iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert b"PRIVATE" not in filled.path.read_bytes()


def test_keys_inside_the_project_are_refused(project: Path) -> None:
    ledger = Ledger(project / "ledger" / "ledger.jsonl", Keys(project / "keys", project))
    with pytest.raises(SignalboxError, match="keys must not lie in the project"):
        ledger.append("run", "model_release", {})
    assert ledger.entries() == []


def test_a_key_that_others_can_read_is_refused(filled: Ledger) -> None:
    for file in keys_folder().iterdir():
        file.chmod(0o640)
    with pytest.raises(SignalboxError, match="others can read this key; run 'chmod 600"):
        filled.append("run", "model_release", {})


def test_without_the_key_the_ledger_can_be_read_and_verified_but_not_extended(
    filled: Ledger, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "elsewhere"))
    stranger = Ledger.of(project)
    assert stranger.verify().ok
    assert len(stranger.entries()) == 5
    assert filled.can_append
    assert not stranger.can_append
    with pytest.raises(SignalboxError, match="which this machine doesn't have"):
        stranger.append("run", "model_release", {})
    assert len(stranger.entries()) == 5


def test_another_key_under_the_right_name_is_refused(filled: Ledger) -> None:
    one, two = (keys_folder() / f"{record.id}.pem" for record in filled.verify().keys)
    two.write_bytes(one.read_bytes())
    with pytest.raises(SignalboxError, match="not the Ed25519 key"):
        filled.append("run", "model_release", {})


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("party", {}, "no entry can be of kind 'party'"),
        ("key", {}, "no entry can be of kind 'key'"),
        ("run", {"x": float("nan")}, "must be JSON: nan"),
        ("run", {"x": json.loads("[" * 70 + "]" * 70)}, "nested too deeply"),
        ("run", {"x": Path("y")}, "isn't a JSON value"),
        ("run", {"x": "\ud800"}, "must be JSON"),
    ],
)
def test_a_wrong_entry_adds_nothing(
    ledger: Ledger, kind: str, data: dict[str, object], expected: str
) -> None:
    with pytest.raises(SignalboxError, match=expected):
        ledger.append(kind, "model_release", data)
    assert ledger.head == GENESIS


def test_a_clock_that_runs_backwards_is_noted_and_the_chain_holds(project: Path) -> None:
    times = [datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=h) for h in (0, 1, -5, 2)]
    ledger = Ledger.of(project)
    told = Ledger(ledger.path, Keys(keys_folder(), project), clock=iter(times).__next__)
    for _ in range(3):
        told.append("run", "model_release", {})
    found = ledger.verify()
    assert found.ok
    assert [note.split(":")[0] for note in found.notes] == ["entry 3"]
    assert "2026-04-30T19:00:00" in found.notes[0]
    assert [entry.seq for entry in ledger.entries()] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota is used up")]
)
def test_a_full_disk_half_way_is_a_clear_error_and_leaves_no_half_entry(
    filled: Ledger, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    before = filled.path.read_bytes()
    real = os.write

    def writes_some_then_fails(target: int, content: bytes) -> int:
        if len(content) < 200:
            raise OSError(code, os.strerror(code))
        return real(target, bytes(content)[:50])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", writes_some_then_fails)
        with pytest.raises(SignalboxError, match=f"{words}.*nothing was added"):
            filled.append("run", "model_release", {})
    assert filled.path.read_bytes() == before
    filled.append("run", "model_release", {})
    assert filled.verify().ok


def _write_with_little_room(project: Path, room: int) -> None:
    ledger = Ledger.of(project)
    before = ledger.path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, resource.RLIM_INFINITY))
    with pytest.raises(SignalboxError, match="nothing was added"):
        ledger.append("run", "model_release", {"text": "x" * 5000})
    assert ledger.path.read_bytes() == before


@pytest.mark.parametrize("room", [0, 1, 1000])
def test_the_kernels_own_refusal_leaves_no_half_entry(
    filled: Ledger, project: Path, room: int
) -> None:
    writer = get_context("fork").Process(
        target=_write_with_little_room, args=(project, room), daemon=True
    )
    writer.start()
    writer.join(60)
    assert writer.exitcode == 0
    filled.append("run", "model_release", {})
    assert filled.verify().ok


def test_a_read_only_ledger_is_a_clear_error(
    filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may write anywhere, so the refusal of a read-only file system is played
    real = os.open

    def refuses(path: str | Path, flags: int, *rest: int) -> int:
        if flags & os.O_APPEND:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuses)
        with pytest.raises(SignalboxError, match=r"ledger\.jsonl: the file system is read-only"):
            filled.append("run", "model_release", {})
    assert filled.verify().ok


def test_a_place_that_is_no_folder_is_a_clear_error(project: Path) -> None:
    (project / "ledger").write_text("a file")
    with pytest.raises(SignalboxError, match="ledger: "):
        Ledger.of(project).append("run", "model_release", {})


def test_long_entries_are_found_from_the_end(ledger: Ledger) -> None:
    ledger.append("run", "model_release", {"text": "x" * 100_000})
    last = ledger.append("run", "model_release", {"text": "y" * 70_000})
    assert ledger.head == last.hash
    ledger.append("run", "model_release", {})
    assert ledger.verify().entries == 4

"""One holder at a time, who is named; a lock ends with its process, whatever kills it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.core import locks
from pipelines.core.locks import UNKNOWN, exclusive_lock, shared_lock
from tests.conftest import ROOT

HOLDER = """
import sys
from pathlib import Path
from pipelines.core.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), RuntimeError, note_holder=sys.argv[2] == "note"):
    print("held", flush=True)
    sys.stdin.read()
"""


class BusyError(Exception):
    """Somebody else holds the lock."""


@contextmanager
def held(path: Path, note: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold a lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), note],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(params=["file", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "folder" else tmp_path / "lock"


def test_a_second_holder_is_refused_and_told_who_the_first_one_is(path: Path) -> None:
    with held(path) as process:
        for lock in (exclusive_lock, shared_lock):
            with pytest.raises(BusyError) as error, lock(path, BusyError):
                pass
            assert error.value.args == (str(process.pid),)


def test_where_the_system_does_not_tell_the_lock_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_HELD", tmp_path / "no such file")
    with (
        held(tmp_path / "lock", "note") as process,
        pytest.raises(BusyError, match=f"^{process.pid}$"),
        exclusive_lock(tmp_path / "lock", BusyError),
    ):
        pass
    with (
        held(tmp_path),
        pytest.raises(BusyError, match=f"^{UNKNOWN}$"),
        exclusive_lock(tmp_path, BusyError),
    ):
        pass


def test_a_lock_file_stays_empty_unless_the_holder_is_to_be_noted(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "lock", BusyError):
        assert (tmp_path / "lock").read_bytes() == b""
    with exclusive_lock(tmp_path / "lock", BusyError, note_holder=True):
        assert (tmp_path / "lock").read_text(encoding="ascii") == str(os.getpid())


def test_a_killed_holders_lock_is_free(path: Path) -> None:
    with held(path) as process:
        process.kill()
        process.wait()
        with exclusive_lock(path, BusyError):
            pass


def test_a_lock_is_waited_for(path: Path) -> None:
    with held(path) as process:
        assert process.stdin is not None
        with pytest.raises(BusyError), exclusive_lock(path, BusyError, wait_seconds=0.05):
            pass
        process.stdin.close()
        process.stdin = None
        with exclusive_lock(path, BusyError, wait_seconds=60):
            pass


def test_an_error_inside_gives_the_lock_back(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive_lock(path, BusyError):
        _ = 1 / 0
    with exclusive_lock(path, BusyError):
        pass


def test_readers_share_a_lock_and_keep_a_writer_out(tmp_path: Path) -> None:
    with (
        shared_lock(tmp_path, BusyError),
        shared_lock(tmp_path, BusyError),
        pytest.raises(BusyError),
        exclusive_lock(tmp_path, BusyError),
    ):
        pass
    with exclusive_lock(tmp_path, BusyError):
        pass


def test_a_reader_makes_no_lock_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), shared_lock(tmp_path / "lock", BusyError):
        pass
    assert list(tmp_path.iterdir()) == []

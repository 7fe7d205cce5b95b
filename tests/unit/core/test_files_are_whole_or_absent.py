"""A killed writer leaves the old file or the new one, never a part."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.files import (
    append,
    canonical_json,
    read_json,
    replacing,
    sha256_path,
    write_bytes,
    write_folder,
    write_in_place,
    write_json,
    write_new,
    write_text,
    write_with,
)
from tests.conftest import ROOT

WRITER = """
from pathlib import Path
from pipelines.core.files import write_bytes
content = bytes(4_000_000)
print("go", flush=True)
while True:
    write_bytes(Path("out"), content)
"""


def test_kill_9_in_the_middle_of_writing_leaves_a_whole_file(here: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for delay in (0.0, 0.003, 0.01, 0.02, 0.035):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], cwd=here, env=env, stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert (here / "out").stat().st_size == 4_000_000


def test_an_exception_leaves_the_old_file_and_no_leftover(here: Path) -> None:
    write_text(Path("out"), "old")
    with pytest.raises(ZeroDivisionError), replacing(Path("out")) as partial:
        partial.write_text("half", encoding="utf-8")
        _ = 1 / 0
    assert Path("out").read_text(encoding="utf-8") == "old"
    assert os.listdir() == ["out"]


def test_a_folder_is_replaced_as_a_whole(here: Path) -> None:
    def fill(name: str) -> None:
        write_folder(Path("out"), lambda folder: write_text(folder / name, name))

    fill("one")
    fill("two")
    assert os.listdir("out") == ["two"]


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans()))
def test_equal_values_give_equal_bytes(value: dict[str, object]) -> None:
    shuffled = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(shuffled)


def test_json_refuses_numbers_that_are_not_numbers(here: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(Path("out.json"), {"a": float("nan")})
    assert os.listdir() == []


def test_reading_names_a_missing_or_broken_file(here: Path) -> None:
    with pytest.raises(SignalboxError, match=r"gone\.json: no such file"):
        read_json(Path("gone.json"))
    Path("broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(SignalboxError, match=r"broken\.json: not valid JSON"):
        read_json(Path("broken.json"))


def test_the_hash_of_a_folder_knows_names_and_contents(here: Path) -> None:
    write_text(Path("d/a"), "1")
    first = sha256_path(Path("d"))
    Path("d/a").rename("d/b")
    second = sha256_path(Path("d"))
    write_text(Path("d/b"), "2")
    assert len({first, second, sha256_path(Path("d"))}) == 3


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens on the disk, in order: names waited for, and names given."""
    found: list[str] = []
    fsync, replace, link = os.fsync, Path.replace, os.link

    def named(name: str) -> str:
        return re.sub(r"^\.(.+)\.\d+\.partial$", r"\1 beside", name)

    def synced(handle: int) -> None:
        found.append(f"sync {named(Path(os.readlink(f'/proc/self/fd/{handle}')).name)}")
        fsync(handle)

    def replaced(self: Path, target: Path) -> Path:
        found.append(f"name {target.name}")
        return replace(self, target)

    def linked(source: Path, target: Path) -> None:
        found.append(f"name {target.name}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "link", linked)
    return found


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_text(path, "new"),
    "bytes": lambda path: write_bytes(path, b"new"),
    "json": lambda path: write_json(path, "new"),
    "callback": lambda path: write_with(path, lambda beside: beside.write_text("new") and None),
    "new": lambda path: write_new(path, b"new"),
    "in place": lambda path: write_in_place({path: b"new"}),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_bytes_are_on_the_disk_before_they_get_their_name(
    writer: str, here: Path, steps: list[str]
) -> None:
    Path("folder").mkdir()
    WRITERS[writer](Path("folder/out"))
    assert steps == ["sync out beside", "name out", "sync folder"]


def test_a_folders_files_are_on_the_disk_before_it_gets_its_name(
    here: Path, steps: list[str]
) -> None:
    def fill(folder: Path) -> None:
        (folder / "inside").mkdir()
        (folder / "inside/file").write_text("x", encoding="utf-8")

    write_folder(here / "out", fill)
    assert sorted(steps[:3]) == ["sync file", "sync inside", "sync out beside"]
    assert steps[3:] == ["name out", f"sync {here.name}"]


def test_new_folders_on_the_way_are_on_the_disk_too(here: Path, steps: list[str]) -> None:
    write_text(here / "a/b/out", "x")
    assert steps == [f"sync {here.name}", "sync a", "sync out beside", "name out", "sync b"]


def test_an_equal_file_is_left_untouched_if_asked(here: Path) -> None:
    def write(beside: Path) -> None:
        beside.write_text("same", encoding="utf-8")

    assert write_with(Path("out"), write)
    os.utime("out", (1, 1))
    assert not write_with(Path("out"), write, keep_equal=True)
    assert Path("out").stat().st_mtime == 1
    assert write_with(Path("out"), write)
    assert Path("out").stat().st_mtime > 1
    assert os.listdir() == ["out"]


def test_who_writes_a_new_file_second_changes_nothing(here: Path) -> None:
    write_new(Path("key"), b"first", mode=0o600)
    with pytest.raises(FileExistsError):
        write_new(Path("key"), b"second")
    assert Path("key").read_bytes() == b"first"
    assert stat.S_IMODE(Path("key").stat().st_mode) == 0o600
    assert os.listdir() == ["key"]


def test_in_place_links_stay_links_and_permissions_stay(here: Path) -> None:
    Path("real").write_text("old", encoding="utf-8")
    Path("real").chmod(0o640)
    Path("link").symlink_to("real")
    write_in_place({Path("link"): b"new", Path("other"): b"new"})
    assert Path("link").readlink() == Path("real")
    assert Path("real").read_bytes() == Path("other").read_bytes() == b"new"
    assert stat.S_IMODE(Path("real").stat().st_mode) == 0o640


def test_in_place_nothing_changes_if_one_file_cannot_be_written(here: Path) -> None:
    Path("first").write_text("old", encoding="utf-8")
    Path("file").write_text("no folder", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        write_in_place({Path("first"): b"new", Path("file/second"): b"new"})
    assert Path("first").read_text(encoding="utf-8") == "old"
    assert sorted(os.listdir()) == ["file", "first"]


@given(st.lists(st.binary(), max_size=5))
def test_what_is_appended_stands_in_order(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        for part in parts:
            append(path, part)
        assert b"".join(parts) == (path.read_bytes() if parts else b"")


def test_a_failed_append_takes_back_what_it_wrote(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(Path("log"), b"whole\n")
    real = os.write

    def full_after_three(handle: int, content: bytes) -> int:
        if len(content) < 6:
            raise OSError(errno.ENOSPC, "no room")
        return real(handle, bytes(content)[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_after_three)
        with pytest.raises(OSError, match="no room"):
            append(Path("log"), b"second\n")
    assert Path("log").read_bytes() == b"whole\n"

"""kill -9 during an append: nothing complete is lost, nothing forks, the next append mends."""

import os
import random
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from select import select

import pytest

from pipelines.release.ledger import GENESIS, Ledger

KILLS = 40
AT_THE_START = 8
"""So many writers are killed while they start; the others when they have written an entry."""
_FORK = get_context("fork")


def _append_forever(project: Path, told: int, seed: int) -> None:
    """Append and tell every number that `append` returned; write a few bytes at a time."""
    chance = random.Random(seed)
    real = os.write

    def slowly(target: int, content: bytes) -> int:
        time.sleep(0.0002)
        return real(target, bytes(content)[: chance.randint(1, 60)])

    os.write = slowly  # type: ignore[assignment]
    ledger = Ledger.of(project)
    while True:
        entry = ledger.append("run", "model_release", {"seed": seed, "text": "x" * 200})
        real(told, f"{entry.hash}\n".encode())


def _kill_one(project: Path, seed: int, seconds: float) -> list[str]:
    """Start a writer, kill it after a while; return the hashes it was told of as done."""
    read, write = os.pipe()
    writer = _FORK.Process(target=_append_forever, args=(project, write, seed), daemon=True)
    writer.start()
    os.close(write)
    if seed >= AT_THE_START:
        select([read], [], [], 30)
    time.sleep(seconds)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with os.fdopen(read, "rb") as stream:
        return stream.read().decode().split()


def test_writers_killed_at_random_points(project: Path) -> None:
    chance = random.Random(7)
    ledger = Ledger.of(project)
    done: list[str] = []
    torn = 0
    for seed in range(KILLS):
        done += _kill_one(project, seed, chance.uniform(0.001, 0.03))
        if ledger.path.exists() and not ledger.path.read_bytes().endswith(b"\n"):
            torn += 1
    ledger.append("run", "model_release", {})
    found = ledger.verify()
    assert found.ok, found.problem
    assert torn > KILLS // 8, "the kills must hit writes, or this test shows nothing"
    hashes = [entry.hash for entry in ledger.entries()]
    assert [entry for entry in hashes if entry in set(done)] == done
    repairs = [entry for entry in ledger.entries() if entry.kind == "repair"]
    assert repairs
    moved = [file["file"] for entry in repairs for file in entry.data["moved"]]
    kept = {f"torn/{path.name}" for path in (ledger.path.parent / "torn").glob("[!.]*")}
    assert set(moved) == kept


def _cut(ledger: Ledger, left: int) -> None:
    """Leave so many bytes of the last line."""
    content = ledger.path.read_bytes()
    start = content.rstrip(b"\n").rfind(b"\n") + 1
    ledger.path.write_bytes(content[: start + left])


@pytest.mark.parametrize("left", [1, 2, 100, 300])
def test_a_torn_entry_is_no_entry_until_it_is_mended(filled: Ledger, left: int) -> None:
    before = filled.entries()
    _cut(filled, left)
    assert filled.entries() == before[:-1]
    assert filled.head == before[-2].hash
    problem = filled.verify().problem
    assert problem is not None
    assert problem.seq == 5
    assert "ends in the middle of an entry" in problem.reason
    filled.append("alarm", "model_release", {})
    found = filled.verify()
    assert found.ok
    assert [entry.kind for entry in filled.entries()[4:]] == ["repair", "alarm"]
    assert "stopped half-way" in found.notes[0]
    side = filled.path.parent / filled.entries()[4].data["moved"][0]["file"]
    assert len(side.read_bytes()) == left


def test_an_entry_that_lacks_only_the_newline_is_kept(filled: Ledger) -> None:
    before = filled.entries()
    filled.path.write_bytes(filled.path.read_bytes()[:-1])
    filled.append("alarm", "model_release", {})
    assert filled.verify().ok
    assert filled.entries()[:-1] == before


def test_the_first_entry_may_be_torn(ledger: Ledger) -> None:
    ledger.append("run", "model_release", {})
    ledger.path.write_bytes(ledger.path.read_bytes()[:77])
    assert ledger.head == GENESIS
    ledger.append("run", "model_release", {})
    assert ledger.verify().ok
    assert [entry.kind for entry in ledger.entries()] == ["key", "repair", "run"]


def test_the_only_entry_may_lack_its_newline(ledger: Ledger) -> None:
    ledger.append("run", "model_release", {})
    first = ledger.path.read_bytes().split(b"\n")[0]
    ledger.path.write_bytes(first)
    ledger.append("run", "model_release", {})
    assert ledger.path.read_bytes().startswith(first + b"\n")
    assert [entry.kind for entry in ledger.entries()] == ["key", "run"]


def test_a_forged_line_without_newline_is_not_taken_in(filled: Ledger) -> None:
    content = filled.path.read_bytes()[:-1].replace(b"v0.1.0", b"v0.2.0")
    filled.path.write_bytes(content)
    filled.append("run", "model_release", {})
    assert filled.verify().ok
    assert [entry.kind for entry in filled.entries()[4:]] == ["repair", "run"]


def test_a_kill_between_moving_the_bytes_and_the_repair_entry(filled: Ledger) -> None:
    _cut(filled, 50)
    torn = filled.path.read_bytes()[-50:]
    filled._file.cut(torn, filled.head)
    assert filled.verify().ok
    filled.append("run", "model_release", {})
    assert [entry.kind for entry in filled.entries()[4:]] == ["repair", "run"]
    filled.append("run", "model_release", {})
    assert filled.entries()[-1].kind == "run"
    assert len([entry for entry in filled.entries() if entry.kind == "repair"]) == 1


def test_a_repair_that_is_torn_itself_tells_of_both(filled: Ledger) -> None:
    for _ in range(2):
        _cut(filled, 50)
        filled.append("run", "model_release", {})
        content = filled.path.read_bytes().splitlines(keepends=True)
        filled.path.write_bytes(b"".join(content[:5]))
    assert [entry.kind for entry in filled.entries()] == ["key", "run", "gate", "key", "repair"]
    assert len(filled.entries()[-1].data["moved"]) == 2
    filled.append("run", "model_release", {})
    assert filled.verify().ok


def test_torn_bytes_stay_if_this_machine_cannot_tell_of_them(
    filled: Ledger, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _cut(filled, 50)
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "elsewhere"))
    before = filled.path.read_bytes()
    with pytest.raises(Exception, match="this machine doesn't have"):
        Ledger.of(project).append("run", "model_release", {})
    assert filled.path.read_bytes() == before

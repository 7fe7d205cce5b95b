"""Writers at once, in several processes and threads: one linear chain with everyone's entries."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.ledger import file as ledger_file

EACH = 15
_FORK = get_context("fork")


def _write(project: Path, writer: int, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    for number in range(EACH):
        Ledger.of(project).append("run", "model_release", {"writer": writer, "number": number})


@pytest.mark.parametrize("writers", [2, 8])
def test_processes_at_once_make_one_chain(project: Path, writers: int) -> None:
    start = time.time() + 0.3
    all_of_them = [
        _FORK.Process(target=_write, args=(project, writer, start), daemon=True)
        for writer in range(writers)
    ]
    for process in all_of_them:
        process.start()
    for process in all_of_them:
        process.join()
    assert [process.exitcode for process in all_of_them] == [0] * writers
    _check(Ledger.of(project), writers)


def test_threads_at_once_make_one_chain(project: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: _write(project, writer, 0), range(4)))
    _check(Ledger.of(project), 4)


def _check(ledger: Ledger, writers: int) -> None:
    found = ledger.verify()
    assert found.ok, found.problem
    runs = [entry.data for entry in ledger.entries() if entry.kind == "run"]
    assert found.entries == len(runs) + 1, "one key, however many came first at once"
    assert Counter(run["writer"] for run in runs) == dict.fromkeys(range(writers), EACH)
    for writer in range(writers):
        assert [run["number"] for run in runs if run["writer"] == writer] == list(range(EACH))


def test_a_reader_beside_a_writer_never_sees_half_an_entry(project: Path) -> None:
    Ledger.of(project).append("run", "model_release", {})
    process = _FORK.Process(target=_write, args=(project, 0, 0.0), daemon=True)
    process.start()
    while process.is_alive():
        found = Ledger.of(project).verify()
        assert found.ok, found.problem
        assert len(Ledger.of(project).head) == 64
    assert process.exitcode == 0


def test_a_lock_that_is_never_given_back_ends_with_an_error(
    filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.05)
    with (
        filled._file.locked(write=True),
        pytest.raises(SignalboxError, match="another process has held the ledger's lock"),
    ):
        filled.append("run", "model_release", {})
    filled.append("run", "model_release", {})

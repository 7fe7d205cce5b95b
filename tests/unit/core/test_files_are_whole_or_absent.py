"""A killed writer leaves the old file or the new one, never a part."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.files import (
    canonical_json,
    read_json,
    replacing,
    sha256_path,
    write_folder,
    write_json,
    write_text,
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

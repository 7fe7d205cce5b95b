"""Two machines that share a DVC remote and a git origin, but no disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dvc_airflow.errors import StageError
from dvc_airflow.runtime.lockfile import collect_entries
from dvc_airflow.runtime.workspace import ensure_workspace

FILES = {
    "in.txt": "in",
    "dvc.yaml": """
        stages:
          a:
            cmd: mkdir a && cp in.txt a/x && date +%N > a/time
            deps: [in.txt]
            outs: [a]
          plain:
            cmd: mkdir plain && echo p > plain/file
            deps: [a]
            outs: [plain: {cache: false}]
          use: {cmd: cat plain/file > used.txt, deps: [plain], outs: [used.txt]}
          m:
            cmd: echo '{"v":1}' > m.json
            deps: [a]
            metrics: [m.json: {cache: false}]
          b: {cmd: cat a/x a/time m.json > b.txt, deps: [a, m.json], outs: [b.txt]}
        """,
}


@pytest.fixture
def machines(new_project, tmp_path):
    one = new_project(FILES, "one")
    one.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    one.commit()
    two = type(one)(tmp_path / "two")
    subprocess.run(["git", "clone", "-q", str(one.path), str(two.path)], check=True)
    return one, two


def elsewhere(opened, project, tmp_path):
    found, original = ensure_workspace(project.path, tmp_path / "runs-of-two", opened)
    assert not original
    return found


def test_a_stage_gets_what_it_needs_from_the_remote(machines, open_run, drive, tmp_path):
    one, two = machines
    opened = open_run(one)
    first = drive(opened.path, "a", transfer=True)
    made = Path(opened.path, "a", "time").read_text()
    there = elsewhere(opened, two, tmp_path)

    locks = collect_entries(first.results)
    middle = drive(there.path, "m", transfer=True, locks=locks)
    locks = collect_entries([*first.results, *middle.results])
    last = drive(there.path, "b", transfer=True, locks=locks)

    assert last.statuses == {"b": "ran"}
    assert Path(there.path, "b.txt").read_text() == f'in{made}{{"v":1}}\n'
    # and back again, on the first machine, which has not seen m and b
    shutil.rmtree(opened.root)
    again, _ = ensure_workspace(one.path, one.path / "runs", opened)
    locks = collect_entries([*first.results, *middle.results, *last.results])
    assert drive(again.path, "b", transfer=True, locks=locks).statuses == {"b": "unchanged"}
    assert Path(again.path, "b.txt").read_text() == f'in{made}{{"v":1}}\n'


def test_a_directory_that_dvc_does_not_cache_is_transferred_too(
    machines, open_run, drive, tmp_path
):
    one, two = machines
    opened = open_run(one)
    done = drive(opened.path, "a", "plain", transfer=True)
    there = elsewhere(opened, two, tmp_path)

    drive(there.path, "use", transfer=True, locks=collect_entries(done.results))

    assert Path(there.path, "used.txt").read_text() == "p\n"


def test_without_transfer_the_error_says_what_is_missing(machines, open_run, drive, tmp_path):
    one, two = machines
    opened = open_run(one)
    first = drive(opened.path, "a")
    there = elsewhere(opened, two, tmp_path)

    with pytest.raises(StageError, match=r"'a', which stage 'a' made.*transfer is off"):
        drive(there.path, "m", locks=collect_entries(first.results))


def test_a_workspace_made_again_gets_the_results_so_far(machines, open_run, drive):
    one, _ = machines
    opened = open_run(one)
    first = drive(opened.path, "a")
    made = Path(opened.path, "a", "time").read_text()
    shutil.rmtree(opened.root)
    again, original = ensure_workspace(one.path, one.path / "runs", opened)

    drive(again.path, "m", locks=collect_entries(first.results))

    assert not original
    assert Path(again.path, "a", "time").read_text() == made


def test_a_file_that_is_older_than_the_lock_entry_is_replaced(machines, open_run, drive):
    one, _ = machines
    opened = open_run(one)
    old = drive(opened.path, "a")
    new = drive(opened.path, "a", force=True)
    assert old.results[0]["lock"] != new.results[0]["lock"]
    wanted = Path(opened.path, "a", "time").read_text()
    drive(opened.path, "a", force=True)

    drive(opened.path, "m", locks=collect_entries(new.results))

    assert Path(opened.path, "a", "time").read_text() == wanted

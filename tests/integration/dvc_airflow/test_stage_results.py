"""What the driver does with a stage, and what it says about it."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest
import yaml

from dvc_airflow.errors import StageError
from dvc_airflow.runtime.process import DriverProcess


@pytest.fixture
def chain(new_project):
    return new_project(
        {
            "in.txt": "one",
            "dvc.yaml": """
                stages:
                  a: {cmd: cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}
                  b: {cmd: [cp a.txt b.txt, echo two], deps: [a.txt], outs: [b.txt]}
                """,
        }
    )


def test_it_ran_then_it_is_unchanged_then_it_is_restored(chain, drive):
    assert drive(chain.path, "a", "b").statuses == {"a": "ran", "b": "ran"}
    assert drive(chain.path, "a", "b").statuses == {"a": "unchanged", "b": "unchanged"}
    chain.write({"in.txt": "two"})
    assert drive(chain.path, "a", "b").statuses == {"a": "ran", "b": "ran"}
    chain.write({"in.txt": "one"})
    assert drive(chain.path, "a", "b").statuses == {"a": "cached", "b": "cached"}
    assert (chain.path / "b.txt").read_text() == "one"


def test_force_runs_it_again(chain, drive):
    drive(chain.path, "a")
    assert drive(chain.path, "a", force=True).statuses == {"a": "ran"}


def test_the_result_describes_outputs_and_holds_the_lock_entry(chain, drive):
    (result,) = drive(chain.path, "a").results

    (out,) = result["outs"]
    assert (out["path"], out["size"], out["cached"]) == ("a.txt", 3, True)
    written = yaml.safe_load((chain.path / "dvc.lock").read_text())["stages"]["a"]
    assert yaml.safe_load(result["lock"]) == written
    assert written["outs"][0]["md5"] == out["hash"]
    assert (result["lock_file"], result["lock_name"]) == ("dvc.lock", "a")


def test_a_failing_command_is_named_with_its_exit_code_and_last_lines(new_project, drive):
    project = new_project(
        {
            "dvc.yaml": """
                stages:
                  bad:
                    cmd:
                      - echo fine
                      - seq 1 50; echo to-stderr >&2; exit 3
                """
        }
    )

    with pytest.raises(StageError) as caught:
        drive(project.path, "bad")

    error = caught.value
    assert (error.stage, error.exit_code) == ("bad", 3)
    assert error.command == "seq 1 50; echo to-stderr >&2; exit 3"
    assert len(error.tail) == 20
    assert error.tail[-1] == "to-stderr"
    assert "50" in error.tail
    for words in ("stage 'bad' failed", "exit code: 3", "to-stderr"):
        assert words in str(error)


def test_what_comes_before_a_failure_in_a_group_is_kept(new_project, drive):
    project = new_project(
        {
            "dvc.yaml": """
                stages:
                  good: {cmd: echo 1 > good.txt, outs: [good.txt]}
                  bad: {cmd: exit 1, deps: [good.txt]}
                """
        }
    )
    with pytest.raises(StageError, match="stage 'bad' failed"):
        drive(project.path, "good", "bad")
    assert drive(project.path, "good").statuses == {"good": "unchanged"}


def test_an_output_that_was_not_made_is_an_error(new_project, drive):
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: 'true', outs: [missing.txt]}\n"})
    with pytest.raises(StageError, match=r"'missing\.txt'.*does not exist"):
        drive(project.path, "a")


def test_a_dependency_that_is_not_there_is_an_error(new_project, drive):
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: 'true', deps: [nowhere.txt]}\n"})
    with pytest.raises(StageError, match=r"nowhere\.txt"):
        drive(project.path, "a")


def test_a_stage_that_is_not_there_is_an_error(chain, drive):
    with pytest.raises(StageError, match="stage 'zzz' failed"):
        drive(chain.path, "zzz")


def test_commands_see_the_same_python_and_may_write_byte_code(new_project, drive, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    code = "import sys, os; print(sys.executable, os.environ.get('PYTHONDONTWRITEBYTECODE'))"
    project = new_project({"show.py": code, "dvc.yaml": "stages:\n  a: {cmd: python show.py}\n"})
    assert f"{sys.executable} None" in drive(project.path, "a").lines


def test_extra_environment_reaches_the_command(new_project, drive):
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: echo got-$TOKEN-$DVC_STAGE}\n"})
    assert "got-secret-a" in drive(project.path, "a", env={"TOKEN": "secret"}).lines


def test_a_projects_own_modules_do_not_get_into_the_driver(new_project, drive):
    project = new_project(
        {
            "json.py": "raise RuntimeError('the wrong json')\n",
            "dvc.yaml": "stages:\n  a: {cmd: echo fine}\n",
        }
    )
    assert drive(project.path, "a").statuses == {"a": "ran"}


def test_output_arrives_while_the_command_runs(new_project):
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: echo early; sleep 60}\n"})
    driver = DriverProcess(str(project.path), ["a"])
    seen = threading.Event()

    def log(line: str) -> None:
        if line == "early":
            seen.set()

    def fail() -> None:
        with pytest.raises(StageError):
            driver.run(log)

    thread = threading.Thread(target=fail)
    thread.start()
    assert seen.wait(30)
    driver.kill()
    thread.join(30)
    assert not thread.is_alive()


def test_output_that_is_no_text_and_has_no_lines_is_passed_on(new_project, drive):
    code = r"import sys; sys.stdout.buffer.write(bytes([255, 0]) + b'x' * 100_000)"
    project = new_project({"noise.py": code, "dvc.yaml": "stages:\n  a: {cmd: python noise.py}\n"})
    lines = drive(project.path, "a").lines
    assert sum(line.count("x") for line in lines) >= 100_000


def test_small_metrics_are_part_of_the_result(new_project, drive):
    project = new_project(
        {
            "dvc.yaml": """
                metrics: [top.json]
                stages:
                  a:
                    cmd: >-
                      echo '{"acc": 0.5, "bad": NaN}' > m.json; echo 'when: 2020-01-01' > m.yaml;
                      python -c "open('big.json','w').write('[' + '1,' * 40000 + '1]')";
                      echo broken: [ > broken.yaml; echo '{"x": 1}' > top.json;
                      echo '{"x": 1}' > other.json
                    metrics: [m.json, m.yaml, big.json, broken.yaml]
                    outs: [top.json, other.json]
                """
        }
    )
    (result,) = drive(project.path, "a").results
    assert result["metrics"] == {
        "m.json": {"acc": 0.5, "bad": "nan"},
        "m.yaml": {"when": "2020-01-01"},
        "top.json": {"x": 1},
    }
    json.dumps(result, allow_nan=False)


def test_a_frozen_stage_is_taken_as_it_is(new_project, drive):
    project = new_project(
        {"dvc.yaml": "stages:\n  a: {cmd: echo 1 > a.txt, outs: [a.txt], frozen: false}\n"}
    )
    drive(project.path, "a")
    project.write(
        {"dvc.yaml": "stages:\n  a: {cmd: echo 1 > a.txt, outs: [a.txt], frozen: true}\n"}
    )
    assert drive(project.path, "a").statuses == {"a": "unchanged"}


def test_a_stage_that_always_changes_always_runs(new_project, drive):
    project = new_project(
        {"dvc.yaml": "stages:\n  a: {cmd: date +%N > a.txt, outs: [a.txt], always_changed: true}\n"}
    )
    drive(project.path, "a")
    assert drive(project.path, "a").statuses == {"a": "ran"}


def test_a_stage_without_inputs_does_not_run_again_in_a_new_workspace(new_project, drive, open_run):
    # DVC's run cache knows only stages with dependencies.
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: date +%N > a.txt, outs: [a.txt]}\n"})
    drive(project.path, "a")
    opened = open_run(project)

    assert drive(opened.path, "a").statuses == {"a": "unchanged"}
    left = (project.path / "a.txt").read_text()
    assert (project.path / "runs" / "dag" / "run" / "a.txt").read_text() == left


def test_an_output_that_persists_is_there_when_its_stage_runs_again(new_project, drive, open_run):
    project = new_project(
        {
            "n.txt": "1",
            "dvc.yaml": """
                stages:
                  a: {cmd: cat n.txt >> a.txt, deps: [n.txt], outs: [a.txt: {persist: true}]}
                """,
        }
    )
    drive(project.path, "a")
    project.write({"n.txt": "2"})
    opened = open_run(project)

    drive(opened.path, "a")

    assert (project.path / "runs" / "dag" / "run" / "a.txt").read_text() == "12"


def test_data_tracked_by_dvc_is_restored_for_the_stage(new_project, drive, open_run):
    project = new_project(
        {
            "raw/x.csv": "x",
            "dvc.yaml": """
                stages:
                  a: {cmd: cp raw/x.csv a.csv, deps: [raw/x.csv], outs: [a.csv]}
                """,
        }
    )
    project.git("rm", "-rq", "--cached", "raw")
    project.dvc("add", "-q", "raw")
    opened = open_run(project)

    assert drive(opened.path, "a").statuses == {"a": "ran"}


def test_a_stage_in_another_directory_is_run_there(new_project, drive):
    project = new_project(
        {
            "sub/dvc.yaml": """
                stages:
                  a: {cmd: pwd > here.txt, wdir: deep, outs: [here.txt]}
                """,
            "sub/deep/.keep": "",
        }
    )
    (result,) = drive(project.path, "sub/dvc.yaml:a").results
    assert result["outs"][0]["path"] == "sub/deep/here.txt"
    assert result["lock_file"] == "sub/dvc.lock"
    assert (project.path / "sub/deep/here.txt").read_text().strip().endswith("sub/deep")


def test_waiting_for_the_lock_outlasts_dvcs_own_patience(chain, drive):
    import zc.lockfile

    lock = zc.lockfile.LockFile(str(chain.path / ".dvc" / "tmp" / "lock"))
    # DVC gives up after 3 s.
    timer = threading.Timer(5, lock.close)
    timer.start()
    started = time.monotonic()
    assert drive(chain.path, "a").statuses == {"a": "ran"}
    assert time.monotonic() - started > 4


def test_waiting_for_the_lock_ends_after_the_configured_time(chain, drive):
    import zc.lockfile

    lock = zc.lockfile.LockFile(str(chain.path / ".dvc" / "tmp" / "lock"))
    try:
        with pytest.raises(StageError, match="lock"):
            drive(chain.path, "a", lock_timeout=0.5)
    finally:
        lock.close()

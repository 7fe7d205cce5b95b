"""One driver process runs several tasks' stages, and tells of each by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from dvc_airflow.runtime import watch
from dvc_airflow.runtime.process import DriverProcess

PIPELINE = """
stages:
  first: {cmd: echo it is first && cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}
  second: {cmd: echo it is $WHO && cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}
  broken: {cmd: echo it breaks; false, deps: [a.txt], outs: [c.txt]}
  after: {cmd: cp c.txt d.txt, deps: [c.txt], outs: [d.txt]}
  long: {cmd: echo $$ > pid; sleep 120; cp in.txt e.txt, deps: [in.txt], outs: [e.txt]}
"""


@pytest.fixture
def root(new_project) -> Path:
    return new_project({"dvc.yaml": PIPELINE, "in.txt": "hello"}).path


def drive(root: Path, *names: str, above: dict[str, list[str]] | None = None, **facts):
    """Run stages as tasks of their own names; return what the process itself said."""
    told = watch.begin(root, {name: [name] for name in names})
    tasks = [
        {"task": name, "stages": [name], "upstream": (above or {}).get(name, []), "force": False,
         "env": {}, "timeout": None, **facts}
        for name in names
    ]  # fmt: skip
    said: list[str] = []
    driver = DriverProcess(str(root), list(names), watch=tasks, place=str(told), grace=0.5)
    results = driver.run(said.append)
    for name in names:
        if watch.read_told(told, name):
            watch.publish(told, name)
    return results, said


def place(root: Path) -> Path:
    plan = watch.read_plan(root)
    assert plan is not None
    return watch.place_of(root, plan)


def state(root: Path, name: str) -> str | None:
    outcome = watch.read_outcome(place(root), name)
    return outcome and outcome["state"]


def test_a_failed_stage_holds_up_only_what_reads_from_it(root):
    results, said = drive(root, "first", "broken", "after", "second", above={"after": ["broken"]})
    assert [result["stage"] for result in results] == ["first", "second"]
    states = {name: state(root, name) for name in ("first", "broken", "after", "second")}
    assert states == {"first": "done", "broken": "failed", "after": "blocked", "second": "done"}
    failure = watch.read_outcome(place(root), "broken")["failure"]
    assert (failure["stage"], failure["exit_code"]) == ("broken", 1)
    assert watch.read_outcome(place(root), "after")["above"] == ["broken"]
    assert any(line.startswith("broken: its command exited with 1") for line in said)


def test_each_stage_prints_into_its_own_log(root):
    _, said = drive(root, "first", "second", env={"WHO": "second"})
    first, second = (watch.log_file(place(root), name).read_text() for name in ("first", "second"))
    assert "it is first\n" in first
    assert "stage 'first': ran" in first
    assert "it is second\n" in second
    assert "it is second\n" not in first
    assert "it is first\n" not in second
    assert said == ["first: up to date", "second: up to date"]


def test_what_is_there_is_not_made_again(root):
    drive(root, "first", "second")
    results, _ = drive(root, "first", "second")
    assert [result["status"] for result in results] == ["unchanged", "unchanged"]
    (root / "dvc.lock").unlink()
    results, _ = drive(root, "first", "second")
    assert [result["status"] for result in results] == ["cached", "cached"]


def test_a_stage_that_takes_too_long_is_killed_and_the_others_go_on(root):
    drive(root, "long", "first", timeout=1.0)
    assert "execution_timeout" in watch.read_outcome(place(root), "long")["failure"]["reason"]
    assert state(root, "first") == "done"
    assert not psutil.pid_exists(int((root / "pid").read_text()))


def test_a_stage_whose_task_was_stopped_is_killed_or_does_not_begin(root):
    def stop() -> None:
        while not (root / "pid").exists() or not (root / "pid").read_text():
            ended.wait(0.05)
        watch.ask_to_stop(place(root), "long")
        watch.ask_to_stop(place(root), "second")

    ended = threading.Event()
    thread = threading.Thread(target=stop)
    thread.start()
    drive(root, "long", "first", "second", above={"second": ["first"]})
    thread.join()
    assert watch.read_outcome(place(root), "long")["stopped"] is True
    assert state(root, "first") == "done"
    assert state(root, "second") is None
    assert not (root / "b.txt").exists()

"""Stages at the same time in one workspace, and kills at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import yaml

from dvc_airflow.errors import StageError
from dvc_airflow.runtime.process import DriverProcess

SIX = [f"s{i}" for i in range(6)]


@pytest.fixture
def independent(new_project):
    stages = {
        name: {
            # Slow enough that three of them cannot be over before the kill below.
            "cmd": f"sleep 0.4; cp in.txt {name}.txt",
            "deps": ["in.txt"],
            "outs": [f"{name}.txt"],
            "metrics": [{f"{name}.json": {"cache": False}}],
        }
        for name in SIX
    }
    for name, stage in stages.items():
        stage["cmd"] += f"; echo '{{\"v\": 1}}' > {name}.json"
    return new_project({"in.txt": "0", "dvc.yaml": yaml.safe_dump({"stages": stages})})


def test_six_stages_at_once_lose_no_lock_entry(independent, drive):
    for number in range(3):
        independent.write({"in.txt": str(number)})
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(lambda name: drive(independent.path, name), SIX))

        assert [d.statuses for d in done] == [{name: "ran"} for name in SIX]
        lock = yaml.safe_load((independent.path / "dvc.lock").read_text())["stages"]
        assert sorted(lock) == SIX
        assert {e["outs"][1]["size"] for e in lock.values()} == {1}
        assert independent.dvc("status") == "Data and pipelines are up to date."
        ignored = (independent.path / ".gitignore").read_text().split()
        assert {f"/{name}.txt" for name in SIX} <= set(ignored)


def test_a_kill_at_any_moment_leaves_nothing_that_stops_the_next_try(independent, drive):
    chance = random.Random(7)
    for number in range(5):
        independent.write({"in.txt": f"round {number}"})
        driver = DriverProcess(str(independent.path), SIX[:3], grace=0.0)
        thread = threading.Thread(target=fail, args=(driver,))
        thread.start()
        time.sleep(chance.uniform(0.2, 0.9))
        kill_something(driver, chance)
        thread.join(60)
        assert not thread.is_alive()

        again = drive(independent.path, *SIX[:3])

        assert set(again.statuses) == set(SIX[:3])
    assert independent.dvc("status", *SIX[:3]) == "Data and pipelines are up to date."


def fail(driver: DriverProcess) -> None:
    with pytest.raises(StageError):
        driver.run(print)


def kill_something(driver: DriverProcess, chance: random.Random) -> None:
    guard = psutil.Process(driver.process.pid)
    try:
        everybody = [guard, *guard.children(recursive=True)]
        os.kill(chance.choice(everybody).pid, signal.SIGKILL)
        guard.kill()
    except psutil.NoSuchProcess:
        pass


def test_path_locks_of_the_dead_are_forgotten(independent, drive):
    path = str(independent.path / "s0.txt")
    # This very process lives, but it is not the driver that the entry names: its id
    # was given to another process since.
    gone = {"pid": os.getpid(), "cmd": "dvc_airflow 0123456789abcdef"}
    rwlock = independent.path / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(json.dumps({"write": {path: gone}, "read": {path: [gone]}}))

    assert drive(independent.path, "s0").statuses == {"s0": "ran"}


@pytest.mark.parametrize("text", ["", '{"write": {', "[1]", '{"read": {"x": [{}]}}'])
def test_a_damaged_file_of_path_locks_is_replaced(independent, drive, text):
    (independent.path / ".dvc" / "tmp" / "rwlock").write_text(text)

    assert drive(independent.path, "s0").statuses == {"s0": "ran"}


def test_a_path_lock_of_the_living_is_waited_for(independent, drive):
    path = str(independent.path / "s0.txt")
    by_hand = {"pid": os.getpid(), "cmd": "dvc repro"}
    rwlock = independent.path / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(json.dumps({"write": {path: by_hand}, "read": {}}))
    timer = threading.Timer(2, lambda: rwlock.write_text("{}"))
    timer.start()

    done = drive(independent.path, "s0")

    assert done.statuses == {"s0": "ran"}
    assert any("waiting" in line and "s0.txt" in line for line in done.lines)

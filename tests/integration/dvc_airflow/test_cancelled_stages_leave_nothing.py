"""However a task ends, no process of its stage survives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import dvc_airflow
from dvc_airflow.errors import StageError
from dvc_airflow.runtime.process import DriverProcess

HOME = str(Path(dvc_airflow.__file__).parents[1])

# A child, a grandchild that ignores SIGTERM, and a daemon in a session of its own.
STUBBORN = """
    import os, signal, subprocess, sys, time
    marker, role = sys.argv[1], sys.argv[2]
    if role == "parent":
        for child in ("deaf", "daemon"):
            subprocess.Popen([sys.executable, __file__, marker, child])
    if role == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if role == "daemon":
        if os.fork():
            os._exit(0)
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork():
            os._exit(0)
    print("up", role, flush=True)
    time.sleep(600)
    """


def processes_with(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if marker in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.fixture
def marker():
    """A word on the command line of every process of a stage."""
    word = f"marker-{uuid.uuid4().hex}"
    yield word
    for process in processes_with(word):
        process.kill()


@pytest.fixture
def stubborn(new_project, marker):
    return new_project(
        {
            "stubborn.py": STUBBORN,
            "dvc.yaml": f"""
                stages:
                  a: {{cmd: python stubborn.py {marker} parent, deps: [stubborn.py]}}
                """,
        }
    )


def start(project, marker) -> tuple[DriverProcess, threading.Thread, list[BaseException]]:
    driver = DriverProcess(str(project.path), ["a"], grace=0.3)
    errors: list[BaseException] = []

    def target() -> None:
        try:
            driver.run(lambda line: None)
        except StageError as exc:
            errors.append(exc)

    thread = threading.Thread(target=target)
    thread.start()
    # The shell that DVC starts may replace itself, so count the three pythons at least.
    assert until(lambda: len(processes_with(marker)) >= 3)
    return driver, thread, errors


def assert_all_gone(marker: str) -> None:
    assert until(lambda: not processes_with(marker)), processes_with(marker)


def test_killing_the_task_kills_the_whole_tree(stubborn, marker):
    driver, thread, errors = start(stubborn, marker)

    driver.kill()

    assert_all_gone(marker)
    thread.join(30)
    assert len(errors) == 1


@pytest.mark.parametrize("victim", ["guard", "worker"])
def test_a_driver_that_is_killed_takes_the_tree_along(stubborn, marker, victim):
    driver, thread, errors = start(stubborn, marker)
    guard = psutil.Process(driver.process.pid)
    (worker,) = [p for p in guard.children() if guard.cmdline() == p.cmdline()]

    (guard if victim == "guard" else worker).kill()

    assert_all_gone(marker)
    thread.join(30)
    assert len(errors) == 1


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_an_airflow_task_that_is_killed_takes_the_tree_along(stubborn, marker, sig, tmp_path):
    code = f"""
        import sys
        sys.path.insert(0, {HOME!r})
        from dvc_airflow.runtime.process import DriverProcess
        DriverProcess({str(stubborn.path)!r}, ["a"], grace=0.3).run(print)
        """
    task = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.DEVNULL
    )
    assert until(lambda: len(processes_with(marker)) >= 3)

    task.send_signal(sig)

    assert_all_gone(marker)
    task.wait(30)


def test_what_outlived_all_guards_is_ended_by_the_next_attempt(stubborn, marker, drive):
    code = f"""
        import sys
        sys.path.insert(0, {HOME!r})
        from dvc_airflow.runtime.process import DriverProcess
        driver = DriverProcess({str(stubborn.path)!r}, ["a"])
        driver.run(lambda line: print(driver.process.pid, flush=True))
        """
    task = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    guard = int(task.stdout.readline())
    assert until(lambda: len(processes_with(marker)) >= 3)
    task.kill()
    os.kill(guard, signal.SIGKILL)
    task.communicate(timeout=30)
    stubborn.write({"stubborn.py": "print('calm')\n"})

    assert drive(stubborn.path, "a").statuses == {"a": "ran"}

    assert_all_gone(marker)


def test_a_stage_that_ends_leaves_no_daemon(new_project, marker, drive):
    project = new_project(
        {
            "stubborn.py": STUBBORN,
            "dvc.yaml": f"stages:\n  a: {{cmd: 'python stubborn.py {marker} daemon; echo done'}}\n",
        }
    )
    assert drive(project.path, "a").statuses == {"a": "ran"}
    assert_all_gone(marker)


def test_after_a_kill_the_stage_can_be_tried_again(stubborn, marker, drive):
    driver, thread, _ = start(stubborn, marker)
    os.kill(driver.process.pid, signal.SIGKILL)
    thread.join(30)
    stubborn.write({"stubborn.py": "print('calm')\n"})

    assert drive(stubborn.path, "a").statuses == {"a": "ran"}

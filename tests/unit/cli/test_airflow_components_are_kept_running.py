"""A component of the project's own Airflow that ends or hangs is started again, and told."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from pipelines.cli.airflow_stack import Keeper

SLEEPS = "import time; time.sleep(600)"
LEAVES_A_CHILD = (
    "import subprocess, sys;"
    f"print(subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]).pid, flush=True)"
)


class Stack:
    """Components that are small programs of this test."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.all: list[subprocess.Popen[bytes]] = []
        self.told: list[str] = []
        self.again = SLEEPS
        self.keeper = Keeper(self.processes, lambda name: self.start(self.again), self.told.append)

    def start(self, program: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
        )
        self.all.append(process)
        return process

    def ends(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()


@pytest.fixture
def stack() -> Iterator[Stack]:
    made = Stack()
    yield made
    made.keeper.stop()
    for process in made.all:
        process.kill()
        process.communicate()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_component_that_ended_is_started_again_and_the_others_are_left_alone(
    stack: Stack,
) -> None:
    stack.processes |= {"scheduler": stack.start(SLEEPS), "triggerer": stack.start(SLEEPS)}
    before = dict(stack.processes)
    stack.keeper.look([])
    assert stack.processes == before
    assert stack.told == []
    stack.ends("scheduler")
    stack.keeper.look([])
    assert stack.processes["scheduler"].poll() is None
    assert stack.processes["triggerer"] is before["triggerer"]
    [line] = stack.told
    assert line.startswith("airflow scheduler ended with exit code -9 and was started again; see ")
    assert line.endswith("scheduler.log")


def test_what_a_dead_component_had_started_ends_before_it_starts_again(stack: Stack) -> None:
    stack.processes["scheduler"] = stack.start(LEAVES_A_CHILD)
    output = stack.processes["scheduler"].stdout
    assert output is not None
    child = psutil.Process(int(output.readline()))
    stack.processes["scheduler"].wait()
    assert child.is_running()
    stack.keeper.look([])
    wait(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert stack.processes["scheduler"].poll() is None


def test_a_component_without_a_sign_of_life_is_ended_and_started_again(stack: Stack) -> None:
    hanging = stack.start(SLEEPS)
    stack.processes["dag-processor"] = hanging
    stack.keeper.look(["dag-processor"])
    assert hanging.poll() is not None
    assert stack.processes["dag-processor"].poll() is None
    assert "gave no sign of life and was started again" in stack.told[0]


def test_a_component_that_ends_again_and_again_is_given_up_and_the_last_line_says_so(
    stack: Stack,
) -> None:
    stack.processes["scheduler"] = stack.start(SLEEPS)
    for _ in range(8):
        stack.ends("scheduler")
        stack.keeper.look([])
    assert len(stack.told) == 5
    assert "for the last time within 10 minutes" in stack.told[-1]
    assert stack.processes["scheduler"].poll() is not None


def test_the_thread_looks_by_itself_and_ends_when_told(stack: Stack) -> None:
    stack.processes["scheduler"] = stack.start(SLEEPS)
    stack.keeper.watch(list, every=0.05)
    stack.ends("scheduler")
    wait(lambda: bool(stack.told))
    stack.keeper.stop()
    stack.ends("scheduler")
    time.sleep(0.3)
    assert len(stack.told) == 1

"""The trigger with which a stage's task of a watched run reports, without a worker of its own.

It runs in Airflow's triggerer, on the machine where the run's stages run: it reads what their one
process tells (`dvc_airflow.runtime.watch`). Its log is the task's.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from airflow.triggers.base import BaseTrigger, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from dvc_airflow.run_states import OVER
from dvc_airflow.runtime import watch
from dvc_airflow.runtime.begun import begun_run
from dvc_airflow.runtime.run_key import RunKey

CLASS_PATH: Final = "dvc_airflow.operators.watch_trigger.StageWatchTrigger"
OWN: Final = "own"
FAILED: Final = "failed"
ENDED: Final = "ended"

_LOOK_SECONDS: Final = 0.2
_ASK_SECONDS: Final = 2.0
_SURE_SECONDS: Final = 30.0
"""Well above the time in which Airflow ends the process of a task that was cleared."""
_LINES_AT_ONCE: Final = 200
_TAIL: Final = 20
_BAD: Final = frozenset({"failed", "skipped", "upstream_failed"})


class StageWatchTrigger(BaseTrigger):  # type: ignore[misc]
    """Wait for what the run's one process says of a task's stages.

    Success ends the task here. A failure goes on to a worker, where the task fails with the text
    that it would have failed with itself, and callbacks and listeners hear of it. A task that has
    to run its stages itself goes on to a worker too, when what it reads from is there: after a
    retry or a clear, or when a stage above failed at first and succeeded then.

    Parameters
    ----------
    workspaces : str
        The directory of all workspaces.
    group : str, optional
        Tells several groups of one DAG apart.
    open_task_id : str
        The task that runs the stages.
    """

    def __init__(self, workspaces: str, group: str | None, open_task_id: str) -> None:
        super().__init__()
        self.workspaces = workspaces
        self.group = group
        self.open_task_id = open_task_id
        self._born = time.time()
        self._read: tuple[Path | None, int] = (None, 0)
        self._place: Path | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class and arguments."""
        return CLASS_PATH, {
            "workspaces": self.workspaces,
            "group": self.group,
            "open_task_id": self.open_task_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event that ends the task, or takes it to a worker."""
        yield await self._wait()

    async def on_kill(self) -> None:
        """Somebody marked or cleared the waiting task: its stages end, or don't start."""
        # An attempt that began after the task was cleared is of the next try: nobody stopped that.
        place = self._place or self._told_place(self._project())
        if place is not None:
            watch.ask_to_stop(place, self._task_id)

    @property
    def _task_id(self) -> str:
        return str(self.task_instance.task_id)

    def _project(self) -> Path | None:
        ti = self.task_instance
        key = RunKey(str(ti.dag_id), str(ti.run_id), self.group)
        workspace = begun_run(Path(self.workspaces), key)
        return None if workspace is None else Path(workspace.path)

    def _is_told(self, plan: Mapping[str, Any]) -> bool:
        """Whether the attempt that a plan is of runs the stages for this try of the task.

        A later try came into being when its task was cleared, or failed. An attempt that began
        before runs them for an earlier try; one that began after was cleared together with it, or
        tried again.
        """
        ti = self.task_instance
        return int(ti.try_number) <= 1 or plan["began"] >= _made(ti.id, self._born)

    def _told_place(self, project: Path | None) -> Path | None:
        plan = watch.read_plan(project) if project else None
        return watch.place_of(project, plan) if project and plan and self._is_told(plan) else None

    async def _wait(self) -> TriggerEvent:
        asked = time.monotonic()
        end: str | None = None
        other: tuple[str, float] | None = None
        while True:
            project = self._project()
            plan = watch.read_plan(project) if project else None
            self._place = None
            if project and plan and self._is_told(plan):
                self._place = watch.place_of(project, plan)
                event = await self._ended(self._place, plan)
                if event is not None:
                    return event
            if end is not None:  # before all of this was read, so there is nothing more to come
                return await self._after_the_end(end, self._place)
            if time.monotonic() - asked >= _ASK_SECONDS:
                asked = time.monotonic()
                state = (await self._states([self.open_task_id])).get(self.open_task_id)
                end = state if state in OVER else None
                if end is not None:
                    continue
                other = self._other_attempt(plan, state, other)
                if other is not None and time.monotonic() - other[1] >= _SURE_SECONDS:
                    return await self._run_alone("this is another try of its task")
            await asyncio.sleep(_LOOK_SECONDS)

    def _other_attempt(
        self, plan: Mapping[str, Any] | None, state: str | None, other: tuple[str, float] | None
    ) -> tuple[str, float] | None:
        """Return which attempt runs the stages for an earlier try of the task, and since when.

        It need not go on for long: where the whole run was cleared, Airflow ends its process some
        seconds later, and the next attempt makes the workspace anew.
        """
        if plan is None or state != "running" or self._is_told(plan) or not watch.is_going_on(plan):
            return None
        place = str(plan["place"])
        return other if other is not None and other[0] == place else (place, time.monotonic())

    async def _ended(self, place: Path, plan: Mapping[str, Any]) -> TriggerEvent | None:
        """Pass on what the stages print; return an event if their end is known."""
        if self._task_id not in plan["tasks"]:
            self.log.info("this run began without a stage of that name: there is nothing to do")
            return TaskSuccessEvent()
        outcome = watch.read_outcome(place, self._task_id)
        await self._pass_on(watch.log_file(place, self._task_id))
        if outcome is None:
            return None
        if outcome["state"] == watch.DONE:
            return TaskSuccessEvent()
        if outcome["state"] == watch.BLOCKED:
            above = ", ".join(outcome["above"])
            return await self._run_alone(f"{above} above it did not succeed at first")
        failure = outcome["failure"]
        lines = _last_lines(watch.log_file(place, self._task_id))
        return TriggerEvent({"what": FAILED, "failure": failure, "tail": lines})

    async def _after_the_end(self, state: str, place: Path | None) -> TriggerEvent:
        """Nobody runs the stages any more: say so, or let the task run its own."""
        if place is None:
            if state == "success" or int(self.task_instance.try_number) > 1:
                return await self._run_alone(f"{self.open_task_id} has ended")
            self.log.warning("not run: %s is %s", self.open_task_id, state)
            return TaskSkippedEvent()
        if watch.log_file(place, self._task_id).exists():
            return TriggerEvent({"what": ENDED, "state": state})
        self.log.warning(
            "not run: %s, which runs the stages, is %s before it came to this one; clear it to run "
            "all of them, or this task to run its own",
            self.open_task_id,
            state,
        )
        return TaskSkippedEvent()

    async def _run_alone(self, why: str) -> TriggerEvent:
        """Wait for the tasks above; then the task runs its stages in a worker."""
        above = sorted(set(self.task.upstream_task_ids) - {self.open_task_id})
        self.log.info("this task runs its own stages, for %s", why)
        while True:
            found = await self._states(above) if above else {}
            bad = [task for task in above if found.get(task) in _BAD]
            if bad:
                states = ", ".join(f"{task} ({found[task]})" for task in bad)
                self.log.warning("not run: above it did not succeed %s", states)
                return TaskSkippedEvent()
            waiting = [task for task in above if found.get(task) not in OVER]
            if not waiting:
                return TriggerEvent({"what": OWN})
            await asyncio.sleep(_ASK_SECONDS)

    async def _pass_on(self, log: Path) -> None:
        """Write new whole lines of the stages' output to the task's log."""
        name, begin = self._read
        if name != log:  # of another attempt
            begin = 0
        try:
            with log.open("rb") as file:
                file.seek(begin)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read = log, begin + len(whole)
        for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), start=1):
            self.log.info("%s", line)
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)  # other tasks' triggers want their turn

    async def _states(self, tasks: list[str]) -> dict[str, str | None]:
        ti = self.task_instance
        return await _StateBoard.of_run(str(ti.dag_id), str(ti.run_id), tasks)


class _StateBoard:
    """States of a run's tasks, asked for once for all triggers of the run."""

    _known: ClassVar[dict[tuple[str, str], tuple[float, dict[str, str | None]]]] = {}
    _asking: ClassVar[dict[tuple[str, str], asyncio.Lock]] = {}

    @classmethod
    async def of_run(cls, dag_id: str, run_id: str, tasks: list[str]) -> dict[str, str | None]:
        """Return the states of some tasks, at most `_ASK_SECONDS` old."""
        key = (dag_id, run_id)
        async with cls._asking.setdefault(key, asyncio.Lock()):
            when, states = cls._known.get(key, (0.0, {}))
            if time.monotonic() - when >= _ASK_SECONDS / 2:
                states = await _ask(dag_id, run_id)
                now = time.monotonic()
                fresh = {k: v for k, v in cls._known.items() if now - v[0] < 60}
                cls._known = {**fresh, key: (now, states)}
                cls._asking = {k: v for k, v in cls._asking.items() if k in cls._known}
        return {task: states.get(task) for task in tasks}


async def _ask(dag_id: str, run_id: str) -> dict[str, str | None]:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetTaskStates

    answer = await task_runner.SUPERVISOR_COMMS.asend(
        GetTaskStates(dag_id=dag_id, run_ids=[run_id])
    )
    found = getattr(answer, "task_states", {}).get(run_id, {})
    return {
        task: None if state is None else str(getattr(state, "value", state))
        for task, state in found.items()
    }


def _made(ti_id: Any, otherwise: float) -> float:
    """Return when a try of a task came into being: Airflow's ids of tries begin with that."""
    try:
        found = uuid.UUID(str(ti_id))
    except ValueError:
        return otherwise
    # UUID 7: its first 48 bits are milliseconds since 1970.
    return (found.int >> 80) / 1000 if found.version == 7 else otherwise


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-_TAIL:]

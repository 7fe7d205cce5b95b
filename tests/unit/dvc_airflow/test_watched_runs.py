"""One process runs a run's stages; their tasks read what it tells and end in the triggerer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from dvc_airflow import DvcTaskGroup, ExecutionConfig
from dvc_airflow.operators import watch_trigger
from dvc_airflow.operators.watch import in_order
from dvc_airflow.operators.watch_trigger import StageWatchTrigger
from dvc_airflow.runtime import watch
from dvc_airflow.runtime.errors import StageError
from dvc_airflow.runtime.results import MARKER
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import Workspace

FILES = {
    "params.yaml": "lr: 0.1\n",
    "dvc.yaml": """
        stages:
          prep: {cmd: make data, outs: [data]}
          train: {cmd: train, deps: [data], outs: [model], meta: {airflow: {execution_timeout: 9}}}
          report: {cmd: tell, deps: [model], metrics: [r.json]}
        """,
}
WATCHER = ExecutionConfig(mode="watcher")


@pytest.fixture
def root(write_project):
    return write_project(FILES)


def draw(root, execution=WATCHER, **options):
    with DAG("demo", schedule=None, **options.pop("dag", {})) as dag:
        DvcTaskGroup(project=root, execution=execution, **options)
    return dag


def edges(dag):
    return {(up, task.task_id) for task in dag.tasks for up in task.upstream_task_ids}


def test_ids_and_edges_of_the_tasks_are_those_of_a_worker_a_task(root):
    dag = draw(root)
    assert edges(dag) == edges(draw(root, ExecutionConfig())) | {("open_workspace", "save_run")}


def test_stages_wait_in_the_triggerer_and_the_others_run_in_workers(root):
    dag = DagSerialization.from_dict(DagSerialization.to_dict(draw(root)))
    starts = {task.task_id: task.start_from_trigger for task in dag.tasks}
    assert starts == {
        "open_workspace": False, "prep": True, "train": True, "report": True, "save_run": False,
    }  # fmt: skip
    assert dag.get_task("train").start_trigger_args.next_method == "resume"
    assert dag.get_task("train").trigger_rule == "always"


def test_the_opening_task_knows_what_to_run_and_for_how_long(root):
    timeouts = {"execution_timeout": timedelta(hours=1)}
    dag = draw(root, dag={"default_args": timeouts})
    opening = dag.get_task("open_workspace")
    assert opening.tasks == {
        "prep": {"stages": ["prep"], "upstream": [], "timeout": 3600.0},
        "train": {"stages": ["train"], "upstream": ["prep"], "timeout": 9.0},
        "report": {"stages": ["report"], "upstream": ["train"], "timeout": 3600.0},
    }
    # Airflow would count the waiting of one, and all stages of the other.
    assert opening.execution_timeout is dag.get_task("train").execution_timeout is None


def test_force_and_environment_of_single_stages_reach_the_one_process(root):
    execution = ExecutionConfig(
        mode="watcher", env={"A": "{{ ds }}"}, stages={"train": {"force": True, "env": {"B": "1"}}}
    )
    opening = draw(root, execution).get_task("open_workspace")
    assert opening.forces == {"prep": "False", "train": "True", "report": "False"}
    dated = {"A": "{{ ds }}"}
    assert opening.envs == {"prep": dated, "train": {"B": "1"}, "report": dated}
    assert {"forces", "envs"} <= set(opening.template_fields)


@pytest.mark.parametrize(("said", "watched"), [("watcher", True), ("worker", False), (None, False)])
def test_auto_is_what_airflows_configuration_says(monkeypatch, said, watched):
    if said is not None:
        monkeypatch.setenv("AIRFLOW__DVC_AIRFLOW__MODE", said)
    assert ExecutionConfig(mode="auto").is_watched is watched
    assert ExecutionConfig(mode="auto", transfer=True).is_watched is False


def test_an_unknown_mode_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="'watch'"):
        ExecutionConfig(mode="watch")
    with pytest.raises(ValueError, match="transfer"):
        ExecutionConfig(mode="watcher", transfer=True)
    monkeypatch.setenv("AIRFLOW__DVC_AIRFLOW__MODE", "watch")
    with pytest.raises(ValueError, match="'watch'"):
        _ = ExecutionConfig(mode="auto").is_watched


def test_tasks_are_run_after_those_above_them():
    above = {"report": {"train", "prep"}, "prep": set(), "train": {"prep"}}
    assert in_order(above) == ["prep", "train", "report"]


def made_at(seconds: float) -> str:
    """Return an id as Airflow gives to a try of a task that comes into being at a time."""
    return str(uuid.UUID(int=int(seconds * 1000) << 80 | 7 << 76 | 1 << 63))


class Run:
    """A workspace, the notes in it, and a trigger of one of its tasks."""

    def __init__(self, workspaces: Path, monkeypatch) -> None:
        key = RunKey("demo", "run", None)
        self.project = key.workspace(workspaces)
        (self.project / ".git").mkdir(parents=True)
        marker = Workspace(
            root=str(self.project), path=str(self.project), commit="0" * 40, dag_id="demo",
            run_id="run", token="t",
        )  # fmt: skip
        (self.project / ".git" / MARKER).write_text(json.dumps(marker.to_json()))
        self.workspaces = workspaces
        self.states: dict[str, str | None] = {"open_workspace": "running"}
        self.asked = 0

        async def states(trigger: StageWatchTrigger, tasks: list[str]) -> dict[str, str | None]:
            self.asked += 1
            return {task: self.states.get(task) for task in tasks}

        monkeypatch.setattr(StageWatchTrigger, "_states", states)
        monkeypatch.setattr(watch_trigger, "_LOOK_SECONDS", 0.001)
        monkeypatch.setattr(watch_trigger, "_ASK_SECONDS", 0.005)
        monkeypatch.setattr(watch_trigger, "_SURE_SECONDS", 0.05)

    def trigger(self, attempt: int = 1, above: tuple[str, ...] = ("prep",)) -> StageWatchTrigger:
        made = StageWatchTrigger(str(self.workspaces), None, "open_workspace")
        made.task_instance = SimpleNamespace(
            id=made_at(time.time() + 0.002), dag_id="demo", run_id="run", task_id="train",
            try_number=attempt,
            task=SimpleNamespace(
                upstream_task_ids={"open_workspace", *above}, template_ext=(), template_fields=(),
                start_trigger_args=None,
            ),
        )  # fmt: skip
        return made

    def event(self, attempt: int = 1, **options) -> TriggerEvent:
        return asyncio.run(asyncio.wait_for(self.trigger(attempt, **options)._wait(), 5))

    @property
    def place(self) -> Path:
        """That of the attempt that began last."""
        return watch.place_of(self.project, watch.read_plan(self.project))

    def tell(self, state: str, **facts) -> None:
        watch.note_outcome(self.place, "train", state, **facts)
        watch.publish(self.place, "train")


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    made = Run(tmp_path / "runs", monkeypatch)
    watch.begin(made.project, {"train": ["train"], "prep": ["prep"]})
    return made


FAILURE = {"stage": "train", "reason": "its command exited with 3", "command": "x", "exit_code": 3}


def test_a_stage_that_succeeded_ends_its_task_with_its_output_in_the_log(run, capsys):
    watch.log_file(run.place, "train").write_text("one line\nanother\n")
    run.tell(watch.DONE, results=[])
    assert isinstance(run.event(), TaskSuccessEvent)
    printed = capsys.readouterr().out
    assert printed.index("one line") < printed.index("another")


def test_an_outcome_counts_once_the_result_is_where_others_read_it(run):
    watch.note_outcome(run.place, "train", watch.DONE, results=[])

    async def wait() -> TriggerEvent:
        waiting = asyncio.ensure_future(run.trigger()._wait())
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        watch.publish(run.place, "train")
        return await asyncio.wait_for(waiting, 5)

    assert isinstance(asyncio.run(wait()), TaskSuccessEvent)


def test_a_failure_goes_to_a_worker_with_the_last_lines(run):
    watch.log_file(run.place, "train").write_text("".join(f"{n}\n" for n in range(30)))
    run.tell(watch.FAILED, failure=FAILURE, stopped=False)
    event = run.event()
    assert event.payload["what"] == "failed"
    assert event.payload["tail"] == [str(n) for n in range(10, 30)]


def test_below_a_failed_stage_nothing_runs(run):
    run.tell(watch.BLOCKED, above=["prep"])
    run.states["prep"] = "failed"
    assert isinstance(run.event(), TaskSkippedEvent)


def test_below_a_stage_whose_retry_succeeded_the_task_runs_its_own(run):
    run.tell(watch.BLOCKED, above=["prep"])
    run.states["prep"] = "success"
    assert run.event().payload == {"what": "own"}


def test_a_cleared_task_runs_its_own_after_those_above_it(run):
    run.tell(watch.DONE, results=[])
    watch.end(run.place)
    run.states |= {"open_workspace": "success", "prep": "running"}

    async def wait() -> TriggerEvent:
        waiting = asyncio.ensure_future(run.trigger(attempt=2)._wait())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        run.states["prep"] = "success"
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(wait()).payload == {"what": "own"}


def test_a_retry_does_not_wait_for_the_other_stages(run):
    run.tell(watch.FAILED, failure=FAILURE, stopped=False)
    run.states["prep"] = "success"
    assert run.event(attempt=2).payload == {"what": "own"}


@pytest.mark.parametrize("was_killed", [False, True])
def test_a_run_that_was_cleared_as_a_whole_is_watched_again(run, monkeypatch, was_killed):
    if was_killed:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        with monkeypatch.context() as patch:
            patch.setattr(watch.os, "getpid", lambda: ended.pid)
            watch.begin(run.project, {"train": ["train"]})
    else:
        watch.end(run.place)
    run.tell(watch.DONE, results=[])

    async def wait() -> TriggerEvent:
        waiting = asyncio.ensure_future(run.trigger(attempt=2)._wait())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        watch.begin(run.project, {"train": ["train"]})
        run.tell(watch.DONE, results=[])
        return await asyncio.wait_for(waiting, 5)

    assert isinstance(asyncio.run(wait()), TaskSuccessEvent)


def test_a_triggerer_that_comes_late_sees_that_the_whole_run_was_cleared(run):
    trigger = run.trigger(attempt=2)
    time.sleep(0.01)
    watch.begin(run.project, {"train": ["train"]})
    run.tell(watch.DONE, results=[])
    watch.end(run.place)
    run.states["open_workspace"] = "success"
    late = run.trigger(attempt=2)
    late.task_instance.id = trigger.task_instance.id
    assert isinstance(asyncio.run(asyncio.wait_for(late._wait(), 5)), TaskSuccessEvent)


@pytest.mark.parametrize("state", ["restarting", "queued", "running"])
def test_an_attempt_that_is_being_ended_is_no_reason_to_run_alone(run, state):
    """Airflow ends the process of a cleared task some seconds later; so long it seems to go on."""
    run.states |= {"open_workspace": state, "prep": "success"}

    async def wait() -> TriggerEvent:
        waiting = asyncio.ensure_future(run.trigger(attempt=2)._wait())
        done, _ = await asyncio.wait([waiting], timeout=0.03 if state == "running" else 0.2)
        assert not done
        watch.begin(run.project, {"train": ["train"]})
        run.states["open_workspace"] = "running"
        await asyncio.sleep(0.2)
        assert not waiting.done()
        run.tell(watch.DONE, results=[])
        return await asyncio.wait_for(waiting, 5)

    assert isinstance(asyncio.run(wait()), TaskSuccessEvent)


def test_an_attempt_that_another_one_followed_says_nothing_more(run):
    earlier = run.place
    watch.begin(run.project, {"train": ["train"]})
    watch.end(earlier)
    watch.ask_to_stop(earlier, "train")
    assert watch.read_plan(run.project)["ended"] is None
    assert not watch.is_asked_to_stop(run.place, "train")


def test_what_was_told_while_the_state_was_asked_for_counts(run, monkeypatch):
    (run.project / ".git" / MARKER).rename(run.workspaces / "later")

    async def states(trigger: StageWatchTrigger, tasks: list[str]) -> dict[str, str | None]:
        (run.workspaces / "later").rename(run.project / ".git" / MARKER)
        run.tell(watch.DONE, results=[])
        return {"open_workspace": "success"}

    monkeypatch.setattr(StageWatchTrigger, "_states", states)
    assert isinstance(run.event(), TaskSuccessEvent)


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped"])
def test_stages_that_the_cancelled_process_had_not_begun_are_skipped(run, state):
    run.states["open_workspace"] = state
    assert isinstance(run.event(), TaskSkippedEvent)
    (run.project / ".git" / MARKER).unlink()  # it never came to open anything
    assert isinstance(run.event(), TaskSkippedEvent)


def test_the_stage_that_ran_when_the_process_was_cancelled_fails(run):
    watch.log_file(run.place, "train").write_text("half\n")
    run.states["open_workspace"] = "failed"
    assert run.event().payload == {"what": "ended", "state": "failed"}


def test_a_stage_that_is_new_since_the_run_began_has_nothing_to_do(run):
    watch.begin(run.project, {"prep": ["prep"]})
    assert isinstance(run.event(), TaskSuccessEvent)


def test_whoever_stops_a_waiting_task_stops_its_stage(run):
    asyncio.run(run.trigger().on_kill())
    assert watch.is_asked_to_stop(run.place, "train")
    assert not watch.is_asked_to_stop(run.place, "prep")


@pytest.mark.parametrize("began", [True, False])
def test_whoever_stops_a_try_of_a_task_stops_no_stage_of_the_next(run, began):
    async def kill() -> None:
        trigger = run.trigger(attempt=1 if began else 2)
        waiting = asyncio.ensure_future(trigger._wait())
        await asyncio.sleep(0.02)
        if began:
            watch.begin(run.project, {"train": ["train"]})
        waiting.cancel()
        await trigger.on_kill()

    asyncio.run(kill())
    assert not watch.is_asked_to_stop(run.place, "train")


def test_the_log_of_another_attempt_is_told_from_its_beginning(run, capsys):
    watch.log_file(run.place, "train").write_text("a long line of the first attempt\n")

    async def wait() -> None:
        waiting = asyncio.ensure_future(run.trigger()._wait())
        await asyncio.sleep(0.05)
        watch.begin(run.project, {"train": ["train"]})
        watch.log_file(run.place, "train").write_text("second\n")
        run.tell(watch.DONE, results=[])
        await asyncio.wait_for(waiting, 5)

    asyncio.run(wait())
    assert "second" in capsys.readouterr().out


def test_a_trigger_can_be_made_again_from_what_airflow_keeps(run):
    path, arguments = run.trigger().serialize()
    assert path == f"{StageWatchTrigger.__module__}.{StageWatchTrigger.__name__}"
    assert StageWatchTrigger(**arguments).serialize() == (path, arguments)


def test_a_failure_reads_as_if_the_task_had_run_its_stage(root, monkeypatch):
    forgotten = []
    monkeypatch.setattr(
        "dvc_airflow.operators.watch._forget_result", lambda _, task: forgotten.append(task)
    )
    task = draw(root).get_task("train")
    event = {"what": "failed", "failure": FAILURE, "tail": ["boom"]}
    with pytest.raises(StageError, match=r"(?s)'train' failed: its command exited with 3.*boom"):
        task.resume({}, event)
    with pytest.raises(AirflowFailException, match="open_workspace"):
        task.resume({}, {"what": "ended", "state": "failed"})
    assert forgotten == ["train", "train"]

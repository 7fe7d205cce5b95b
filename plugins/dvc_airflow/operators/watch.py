"""A run whose stages run in one process, while their tasks only report (Cosmos calls it watcher).

A task that starts a worker costs Airflow a second or two, however little it does. Here one task,
the one that opens the workspace, runs DVC for all stages in their order; the stages' tasks wait in
the triggerer and take their state, log and result from there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import StartTriggerArgs

from dvc_airflow.operators.lineage import run_facets
from dvc_airflow.operators.open import OpenWorkspaceOperator
from dvc_airflow.operators.stage import (
    NOT_IN_RUN,
    DvcStageOperator,
    asset_extra,
    overall_status,
)
from dvc_airflow.operators.watch_trigger import CLASS_PATH, ENDED, FAILED
from dvc_airflow.runtime import watch
from dvc_airflow.runtime.errors import StageError
from dvc_airflow.runtime.process import DriverProcess
from dvc_airflow.runtime.workspace import Workspace, in_use

_RESULT: Final = "return_value"


class WatchedStageOperator(DvcStageOperator):
    """Report what became of stages that the run's one process runs.

    It waits in the triggerer and ends there if they succeeded. On its second try, or if it was
    cleared, it runs them itself as `DvcStageOperator` does.

    Parameters
    ----------
    group : str, optional
        Tells several groups of one DAG apart.
    execution_timeout : timedelta, optional
        For the stages, wherever they run; waiting for the stages above doesn't count.
    """

    start_from_trigger = True

    def __init__(
        self,
        *,
        group: str | None = None,
        execution_timeout: timedelta | None = None,
        trigger_rule: str = "always",
        **kwargs: Any,
    ) -> None:
        # None, also where default_args say otherwise: Airflow would count the waiting.
        super().__init__(trigger_rule=trigger_rule, execution_timeout=None, **kwargs)
        self.stage_timeout = execution_timeout.total_seconds() if execution_timeout else None
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=CLASS_PATH,
            trigger_kwargs={
                "workspaces": self.workspaces,
                "group": group,
                "open_task_id": self.open_task_id,
            },
            next_method="resume",
            next_kwargs=None,
            timeout=None,
        )

    def resume(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Fail as the stages did, or run them."""
        _forget_result(context, self.task_id)
        if event["what"] == FAILED:
            failure = event["failure"]
            raise StageError(
                failure["stage"],
                failure["reason"],
                failure["command"],
                failure["exit_code"],
                event["tail"],
            )
        if event["what"] == ENDED:
            msg = (
                f"{self.open_task_id}, which runs the stages, is {event['state']} and took this "
                "one with it; clear it to run all of them, or this task to run its own"
            )
            raise AirflowFailException(msg)
        timer = None
        if self.stage_timeout is not None:
            timer = threading.Timer(self.stage_timeout, self._time_over)
            timer.start()
        try:
            return self.execute(context)
        finally:
            if timer is not None:
                timer.cancel()

    def _time_over(self) -> None:
        self.log.error("the stages took longer than %g s (execution_timeout)", self.stage_timeout)
        self.on_kill()


class RunWatchedOperator(OpenWorkspaceOperator):
    """Make the workspace of a run, then run all its stages there in one process.

    It succeeds if it could run them, whatever became of them: each stage's task says that.

    Parameters
    ----------
    project_name : str
        The project, for lineage and assets.
    lock_timeout, grace
        See `dvc_airflow.config.ExecutionConfig`.
    kwargs
        See `OpenWorkspaceOperator`.
    """

    # Not "tasks": names of stages come from dvc.yaml, and braces in them are no templates.
    template_fields: Sequence[str] = ("rev", "forces", "envs")

    def __init__(
        self,
        *,
        project_name: str,
        lock_timeout: float = 600.0,
        grace: float = 3.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project_name = project_name
        self.lock_timeout = lock_timeout
        self.grace = grace
        self.tasks: dict[str, dict[str, Any]] = {}
        self.forces: dict[str, str] = {}
        self.envs: dict[str, dict[str, str]] = {}
        self.assets: dict[str, Asset] = {}
        self.reads: list[str] = []
        self.makes: list[str] = []
        self._alias = AssetAlias(f"{project_name}/{self.task_id}")
        self._driver: DriverProcess | None = None
        self._place: Path | None = None
        self._handed_over: set[str] = set()

    def watch(self, tasks: Sequence[WatchedStageOperator]) -> None:
        """Say which tasks report.

        Parameters
        ----------
        tasks : sequence of WatchedStageOperator
            All of the run, drawn with their edges, in an order in which they can run.
        """
        names = {task.task_id for task in tasks}
        for task in tasks:
            self.tasks[task.task_id] = {
                "stages": task.stages,
                "upstream": sorted(names & task.upstream_task_ids),
                "timeout": task.stage_timeout,
            }
            self.assets |= {asset.extra["path"]: asset for asset in task.outlets}
        # Templates: rendered into texts, whatever they were.
        self.forces = {task.task_id: str(task.force) for task in tasks}
        self.envs = {task.task_id: task.env for task in tasks}
        self.reads = sorted({path for task in tasks for path in task.reads})
        self.makes = [path for task in tasks for path in task.makes]
        if self.assets:
            self.outlets: list[Any] = [*getattr(self, "outlets", []), self._alias]

    def execute(self, context: Any) -> dict[str, Any]:
        """Open, run, and hand each stage's result to its task."""
        opened = super().execute(context)
        workspace = Workspace(**opened)
        project = Path(workspace.path)
        ti = context["ti"]
        if ti.try_number > 1:
            for task in self.tasks:
                _forget_result(context, task)
        # The tasks that run their stages themselves look for it before this one ends.
        ti.xcom_push(key=_RESULT, value=opened)
        with in_use(workspace.key, Path(self.workspaces)):
            tasks = {task: facts["stages"] for task, facts in self.tasks.items()}
            self._place = place = watch.begin(project, tasks)
            try:
                results = self._run(context, project, place)
            finally:
                watch.end(place)
        self._describe_assets(context, workspace, results)
        return opened

    def on_kill(self) -> None:
        """End the stages and everything they started."""
        if self._driver is not None:
            self._driver.kill()
            # Airflow ends this process at once, or lets it linger: nothing more will be told.
            if self._place is not None:
                watch.end(self._place)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return inputs and outputs of all stages for OpenLineage; None without its provider."""
        return run_facets(self, task_instance)

    def _run(self, context: Any, project: Path, place: Path) -> list[dict[str, Any]]:
        tasks = [
            {
                **facts,
                "task": task,
                "force": self.forces[task].strip().lower() in ("true", "1"),
                "env": self.envs[task],
            }
            for task, facts in self.tasks.items()
        ]
        self._driver = DriverProcess(
            str(project),
            [address for facts in self.tasks.values() for address in facts["stages"]],
            watch=tasks,
            place=str(place),
            lock_timeout=self.lock_timeout,
            grace=self.grace,
        )

        def hear(line: str) -> None:
            self.log.info("%s", line)
            self._hand_over(context, place)

        try:
            return self._driver.run(hear)
        finally:
            self._hand_over(context, place)

    def _hand_over(self, context: Any, place: Path) -> None:
        """Give the tasks the results there are; only then can their triggers see that they end."""
        for task in [task for task in self.tasks if task not in self._handed_over]:
            outcome = watch.read_told(place, task)
            if outcome is None:
                continue
            if outcome["state"] == watch.DONE:
                _push_result(context, task, outcome["results"])
            watch.publish(place, task)
            self._handed_over.add(task)

    def _describe_assets(
        self, context: Any, workspace: Workspace, results: list[dict[str, Any]]
    ) -> None:
        if not self.assets:
            return
        events = context["outlet_events"][self._alias]
        for result in results:
            for out in result["outs"]:
                if out["path"] in self.assets:
                    extra = asset_extra(out, result, workspace)
                    events.add(self.assets[out["path"]], extra=extra)


def in_order(upstream: Mapping[str, Iterable[str]]) -> list[str]:
    """Return task ids, each after those that have to run before."""
    return list(TopologicalSorter(upstream).static_order())


def _push_result(context: Any, task_id: str, results: list[dict[str, Any]]) -> None:
    """Give a stage's task the result that it would have returned itself."""
    status = overall_status(results) if results else NOT_IN_RUN
    _set_result(context, task_id, {"status": status, "stages": results})


def _forget_result(context: Any, task_id: str) -> None:
    """Take back what a task returned in an earlier try: a failed one must not seem to have run."""
    _set_result(context, task_id, None)


def _set_result(context: Any, task_id: str, value: Any) -> None:
    from airflow.sdk.execution_time.xcom import XCom

    ti = context["ti"]
    XCom.set(_RESULT, value, dag_id=ti.dag_id, task_id=task_id, run_id=ti.run_id)

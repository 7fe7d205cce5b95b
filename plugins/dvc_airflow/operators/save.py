"""The last task of a run: keep what it made as a git commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dvc_airflow.operators.context import log_other_commit, pull_results, workspace_of
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.facts import now, write_facts
from dvc_airflow.runtime.git import resolve_commit
from dvc_airflow.runtime.prune import prune_workspaces
from dvc_airflow.runtime.publish import publish_saved
from dvc_airflow.runtime.repository import GitConfig, Repository, fetch_ref, open_repository
from dvc_airflow.runtime.save import SavedRun, save_run
from dvc_airflow.runtime.workspace import Workspace, ensure_workspace, in_use

_RUNNING = ("running", "queued")
_NOT_FOUND = 404


class SaveRunOperator(BaseOperator):  # type: ignore[misc]
    """Save the run, also if stages failed (trigger rule ``all_done``).

    If everything succeeded, the run is kept as ``refs/runs/<dag>/<run>``. If not, what
    ran so far is kept as ``refs/failed-runs/<dag>/<run>`` and this task fails too, so
    that the DAG run counts as failed and nothing after the group starts.

    Parameters
    ----------
    project, workspaces : str
        See `OpenWorkspaceOperator`.
    open_task_id : str
        The task that made the workspace.
    stage_tasks : mapping
        Task id to the stages that the task runs.
    keep : int
        How many workspaces of this DAG to keep.
    git, shared
        See `OpenWorkspaceOperator`; if `shared`, the saved run's ref is pushed.
    """

    ui_color = "#e8eef7"

    def __init__(
        self,
        *,
        project: str,
        workspaces: str,
        open_task_id: str,
        stage_tasks: Mapping[str, Sequence[str]],
        keep: int = 5,
        git: GitConfig | None = None,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", "all_done")
        super().__init__(**kwargs)
        self.project = project
        self.workspaces = workspaces
        self.open_task_id = open_task_id
        self.stage_tasks = {task: list(stages) for task, stages in stage_tasks.items()}
        self.keep = keep
        self.git = git
        self.shared = shared

    def execute(self, context: Any) -> dict[str, Any]:
        """Commit, store the ref, write the run's facts, remove old workspaces."""
        wanted = workspace_of(context, self.open_task_id)
        log_other_commit(self.log, Path(self.project), wanted)
        returned = pull_results(context, list(self.stage_tasks))
        missing = [task for task in self.stage_tasks if task not in returned]
        results = [stage for value in returned.values() for stage in value["stages"]]
        saved = self._save(wanted, results, complete=not missing)
        self._write_facts(wanted, saved, returned, missing)
        self.log.info("saved as %s (commit %s)", saved.ref, saved.commit)
        repository = open_repository(Path(self.project), Path(self.workspaces), self.git)
        if self.shared:
            publish_saved(repository, wanted.key, saved.ref, saved.commit)
        self._prune(context, wanted, repository)
        if missing:
            self._fail(context, missing, saved)
        return {
            "ref": saved.ref,
            "commit": saved.commit,
            "overrides": wanted.overrides,
            "workspace": wanted.path,
            "statuses": {result["stage"]: result["status"] for result in results},
        }

    def _save(self, wanted: Workspace, results: list[Any], *, complete: bool) -> SavedRun:
        project, workspaces = Path(self.project), Path(self.workspaces)
        with in_use(wanted.key, workspaces):
            found, _ = ensure_workspace(project, workspaces, wanted, self.git)
            repository = open_repository(project, workspaces, self.git)
            saved = wanted.key.ref(run_key.RUNS)
            if self.shared and resolve_commit(repository.store, saved) is None:
                fetch_ref(repository, saved)  # an earlier save, perhaps by another host
            return save_run(repository.store, found, results, complete=complete, log=self.log.info)

    def _write_facts(
        self, wanted: Workspace, saved: SavedRun, returned: Mapping[str, Any], missing: list[str]
    ) -> None:
        stages = {
            result["stage"]: {"status": result["status"], "seconds": result["seconds"]}
            for value in returned.values()
            for result in value["stages"]
        }
        facts = {
            "state": "saved" if saved.complete else "failed",
            "ended": now(),
            "ref": saved.ref,
            "result": saved.commit,
            "stages": stages,
            "unfinished": [stage for task in missing for stage in self.stage_tasks[task]],
        }
        write_facts(wanted.key, Path(self.workspaces), facts)

    def _prune(self, context: Any, wanted: Workspace, repository: Repository) -> None:
        def is_running(run_id: str) -> bool:
            try:
                state = context["ti"].get_dagrun_state(wanted.dag_id, run_id)
            except Exception as exc:
                # A run that was deleted: nobody will miss its workspace. An Airflow that is busy
                # says nothing about the run.
                detail = getattr(getattr(exc, "error", None), "detail", None) or {}
                return detail.get("status_code") != _NOT_FOUND
            return str(getattr(state, "value", state)) in _RUNNING

        removed = prune_workspaces(
            Path(self.workspaces),
            wanted.key,
            self.keep,
            is_running,
            repository,
            shared=self.shared,
        )
        if removed:
            self.log.info("removed old workspaces: %s", ", ".join(removed))

    def _fail(self, context: Any, missing: list[str], saved: SavedRun) -> None:
        states = _states(context, missing)
        text = ", ".join(f"{task} ({states.get(task, 'no result')})" for task in missing)
        msg = f"the run is not complete: {text}. What ran was kept as {saved.ref}"
        if states and set(states.values()) == {"skipped"}:
            raise AirflowSkipException(msg)
        raise AirflowFailException(msg)


def _states(context: Any, task_ids: list[str]) -> dict[str, str]:
    ti = context["ti"]
    try:
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=task_ids, run_ids=[ti.run_id])
    except Exception:  # only for a better message
        return {}
    states = found.get(ti.run_id, {})
    return {task: str(getattr(state, "value", state)) for task, state in states.items()}

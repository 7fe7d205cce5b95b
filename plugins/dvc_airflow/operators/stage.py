"""A task that runs one stage, or several, through DVC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from dvc_airflow.operators.context import log_other_commit, pull_results, workspace_of
from dvc_airflow.operators.lineage import run_facets
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.lockfile import LockEntries, collect_entries
from dvc_airflow.runtime.process import DriverProcess
from dvc_airflow.runtime.repository import GitConfig
from dvc_airflow.runtime.workspace import Workspace, ensure_workspace, in_use

_BADGE = "dvc_status"
NOT_IN_RUN = "not in this run"


class DvcStageOperator(BaseOperator):  # type: ignore[misc]
    """Bring stages up to date in the run's workspace.

    Returns (to XCom) ``status`` (``ran``, ``cached`` or ``unchanged``; ``ran`` if any of
    several stages ran), and for each stage its duration, outputs with hashes, metrics
    and dvc.lock entry.

    Whether anything ran is also visible in the UI: the list of a run's task instances
    shows it in the column "Map Index", the only label that a running task can give
    itself in Airflow 3.3.

    Parameters
    ----------
    project, workspaces : str
        See `OpenWorkspaceOperator`.
    stages : sequence of str
        Addresses, in the order to run them. None if the run began before the stage was in
        dvc.yaml: the task does nothing then.
    open_task_id : str
        The task that made the workspace.
    project_name, reads, makes
        What lineage is told: the project, and paths of dependencies and outputs.
    force, transfer, remote, lock_timeout, grace, env
        See `dvc_airflow.config.ExecutionConfig`.
    git : GitConfig, optional
        Where commits come from.
    """

    # Not "stages": their names come from dvc.yaml, and braces in them are no templates.
    template_fields: Sequence[str] = ("env", "force")
    template_fields_renderers = {"env": "json"}  # noqa: RUF012 - as Airflow declares it
    ui_color = "#dff0e3"

    def __init__(
        self,
        *,
        project: str,
        workspaces: str,
        stages: Sequence[str],
        open_task_id: str,
        project_name: str = "",
        reads: Sequence[str] = (),
        makes: Sequence[str] = (),
        force: bool | str = False,
        transfer: bool = False,
        remote: str | None = None,
        lock_timeout: float = 600.0,
        grace: float = 3.0,
        env: Mapping[str, str] | None = None,
        git: GitConfig | None = None,
        **kwargs: Any,
    ) -> None:
        # An empty text hides the label until there is something to say.
        kwargs.setdefault("map_index_template", "{{ " + _BADGE + " | default('') }}")
        super().__init__(**kwargs)
        self.project = project
        self.workspaces = workspaces
        self.stages = list(stages)
        self.open_task_id = open_task_id
        self.project_name = project_name or Path(project).name
        self.reads = list(reads)
        self.makes = list(makes)
        self.force = force
        self.transfer = transfer
        self.remote = remote
        self.lock_timeout = lock_timeout
        self.grace = grace
        self.env = dict(env or {})
        self.git = git
        self._driver: DriverProcess | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the stages; raises `StageError` with the last lines of output."""
        workspaces = Path(self.workspaces)
        wanted = workspace_of(context, self.open_task_id)
        if not self.stages:
            self.log.info("this run began without a stage of that name: there is nothing to do")
            context[_BADGE] = NOT_IN_RUN
            return {"status": NOT_IN_RUN, "stages": []}
        log_other_commit(self.log, Path(self.project), wanted)
        with in_use(wanted.key, workspaces):
            found, _ = ensure_workspace(Path(self.project), workspaces, wanted, self.git)
            results = self._run(found, self._upstream_entries(context))
        status = overall_status(results)
        context[_BADGE] = status
        self._describe_assets(context, wanted, results)
        return {"status": status, "stages": results}

    def on_kill(self) -> None:
        """End the stage and everything it started."""
        if self._driver is not None:
            self._driver.kill()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return inputs and outputs for OpenLineage; None without its provider."""
        return run_facets(self, task_instance)

    def _run(self, workspace: Workspace, locks: LockEntries) -> list[dict[str, Any]]:
        self._driver = DriverProcess(
            workspace.path,
            self.stages,
            env=self.env,
            locks=locks,
            force=str(self.force).strip().lower() in ("true", "1"),
            transfer=self.transfer,
            remote=self.remote,
            lock_timeout=self.lock_timeout,
            grace=self.grace,
        )
        return self._driver.run(self.log.info)

    def _upstream_entries(self, context: Any) -> LockEntries:
        """Entries of all stages above, wherever they ran.

        Also where the run was opened: its workspace doesn't hear of stages on other hosts.
        """
        above = self.get_flat_relatives(upstream=True)
        tasks = sorted(
            task.task_id
            for task in above
            # Another group of the DAG has a run, and perhaps a project, of its own.
            if isinstance(task, DvcStageOperator) and task.open_task_id == self.open_task_id
        )
        earlier = pull_results(context, tasks)
        self._refuse_without_result([task for task in tasks if task not in earlier])
        return collect_entries(r for result in earlier.values() for r in result["stages"])

    def _refuse_without_result(self, tasks: list[str]) -> None:
        if tasks:
            msg = (
                f"task(s) {', '.join(tasks)} above this one have no result in this run (marked as "
                "success by hand, perhaps, or skipped), so what they make would be of an older "
                "run; clear them"
            )
            raise WorkspaceError(msg)

    def _describe_assets(
        self, context: Any, workspace: Workspace, results: list[dict[str, Any]]
    ) -> None:
        outs = {out["path"]: (out, r) for r in results for out in r["outs"]}
        events = context["outlet_events"]
        for asset in self.outlets:
            path = getattr(asset, "extra", {}).get("path")
            if path in outs:
                out, result = outs[path]
                events[asset].extra = asset_extra(out, result, workspace)


def asset_extra(
    out: Mapping[str, Any], result: Mapping[str, Any], workspace: Workspace
) -> dict[str, Any]:
    """Return what an output's asset event says of it."""
    return {
        "hash": out["hash"],
        "status": result["status"],
        "stage": result["stage"],
        "run_ref": workspace.key.ref(),
    }


def overall_status(results: Sequence[Mapping[str, Any]]) -> str:
    """One word for several stages."""
    found = {result["status"] for result in results}
    return next((word for word in ("ran", "cached") if word in found), "unchanged")

"""A DVC pipeline as a group of Airflow tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param, TaskGroup

from dvc_airflow.assets import asset_of
from dvc_airflow.config import (
    ExecutionConfig,
    GitConfig,
    ProjectConfig,
    RenderConfig,
    WorkspaceConfig,
)
from dvc_airflow.docs import task_doc, tooltip
from dvc_airflow.graph import Graph
from dvc_airflow.graph.build import is_url
from dvc_airflow.grouping import Granularity, Unit
from dvc_airflow.operators import DvcStageOperator, OpenWorkspaceOperator, SaveRunOperator
from dvc_airflow.operators.watch import RunWatchedOperator, WatchedStageOperator, in_order
from dvc_airflow.plan import OPEN, SAVE, Drawing, Plan, draw, this_task
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.task_settings import check_settings, settings_of_unit, with_durations

DEFAULT_GROUP = "dvc"


class DvcTaskGroup(TaskGroup):  # type: ignore[misc]
    """Render a DVC project's stages as tasks with the same edges.

    Around them stand ``open_workspace``, which gives the run its own copy of the
    project, and ``save_run``, which keeps what it made as a git commit.

    Parameters
    ----------
    project : path or ProjectConfig
        The DVC project.
    targets : str or sequence of str, optional
        What to run; see `RenderConfig`, which the next arguments also belong to.
    granularity : {"stage", "pipeline"} or mapping
        A task a stage, one task, or group names to stages.
    params : bool or sequence of str
        Parameters that the trigger form shows.
    render : RenderConfig, optional
        All of these (and more) in one object instead.
    workspace : WorkspaceConfig, optional
        Where runs work, and on which revision.
    execution : ExecutionConfig, optional
        How stages run.
    git : GitConfig, optional
        Where commits come from, and where runs' refs are pushed.
    operator_args : mapping, optional
        Further arguments for every stage's task (``retries``, ``pool``, …); those of single
        stages are `ExecutionConfig.stages`.
    group_id : str
        The group's id; must be given if a DAG has several groups.
    prefix_group_id : bool
        Put the group's id before each task's. Off, so that a task has the name of its
        stage; turn it on if a DAG has several groups.

    Examples
    --------
    ::

        with DAG("model_release", schedule="@weekly"):
            DvcTaskGroup(project=Path(__file__).parent.parent, targets=["report"])
    """

    def __init__(
        self,
        project: str | os.PathLike[str] | ProjectConfig,
        targets: str | Sequence[str] | None = None,
        *,
        granularity: Granularity = "stage",
        params: bool | Sequence[str] = True,
        render: RenderConfig | None = None,
        workspace: WorkspaceConfig | None = None,
        execution: ExecutionConfig | None = None,
        git: GitConfig | None = None,
        operator_args: Mapping[str, Any] | None = None,
        group_id: str = DEFAULT_GROUP,
        prefix_group_id: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("ui_color", "#f0f4f8")
        super().__init__(group_id=group_id, prefix_group_id=prefix_group_id, **kwargs)
        self.project = project if isinstance(project, ProjectConfig) else ProjectConfig(project)
        self.render = render or RenderConfig(
            targets=targets, granularity=granularity, params=params
        )
        self.workspace = workspace or WorkspaceConfig()
        self.execution = execution or ExecutionConfig()
        self.git = git or GitConfig()
        self.operator_args = dict(operator_args or {})
        self._build()

    def _build(self) -> None:
        drawing = self._drawing()
        if drawing.current:
            plan = drawing.plan
            check_settings(self.execution.stages, plan.graph, plan.units.values(), (OPEN, SAVE))
        first = self._open_task(drawing.plan)
        own = {
            task_id: self._stage_task(drawing.plan.graph, unit, task_id, first.task_id)
            for task_id, unit in drawing.plan.units.items()
        }
        others = {
            task_id: self._stage_task(
                plan.graph, plan.units[task_id], task_id, first.task_id, foreign=True
            )
            for task_id, plan in drawing.foreign.items()
        }
        tasks = {**own, **others}
        for task_id, above in drawing.upstream.items():
            for up in sorted(above):
                tasks[up] >> tasks[task_id]
            if not above:
                first >> tasks[task_id]
        read = {up for above in drawing.upstream.values() for up in above}
        ends = [task for task_id, task in tasks.items() if task_id not in read]
        units = drawing.plan.units
        last = self._save_task(
            first, {task.task_id: list(units[task_id].stages) for task_id, task in own.items()}
        )
        for end in ends or [first]:
            end >> last
        if isinstance(first, RunWatchedOperator):
            first.watch([tasks[task_id] for task_id in in_order(drawing.upstream)])
            if ends:
                first >> last  # a task that ended early doesn't mean that no stage runs any more

    def _drawing(self) -> Drawing:
        root = self.project.root
        run_id, task_id = this_task(self.dag.dag_id)
        prefix = f"{self.group_id}." if self.prefix_group_id else ""
        key = RunKey(self.dag.dag_id, run_id, self._run_group())
        workspaces = self.workspace.workspaces_directory(root)
        return draw(root, workspaces, self.render, key, task_id.removeprefix(prefix))

    def _run_group(self) -> str | None:
        return self.group_id if self.prefix_group_id else None

    def _common(self) -> dict[str, Any]:
        root = self.project.root
        workspace = str(self.workspace.workspaces_directory(root))
        return {
            "project": str(root),
            "workspaces": workspace,
            "git": self.git,
            "task_group": self,
            "dag": self.dag,
        }

    def _open_task(self, plan: Plan) -> OpenWorkspaceOperator:
        targets = self.render.targets
        for spec in plan.specs:
            if spec.shown and spec.key not in self.dag.params:
                schema = {**spec.schema, **({"section": spec.section} if spec.section else {})}
                self.dag.params[spec.key] = Param(spec.value, spec.description, **schema)
        operator: type[OpenWorkspaceOperator] = OpenWorkspaceOperator
        watched: dict[str, Any] = {}
        if self.execution.is_watched:
            operator = RunWatchedOperator
            watched = {
                "project_name": self.project.project_name,
                "lock_timeout": self.execution.lock_timeout,
                "grace": self.execution.grace,
                # Not that of default_args, which is meant for a stage.
                "execution_timeout": None,
            }
        return operator(
            task_id=OPEN,
            rev=self.workspace.rev,
            defaults={spec.key: spec.value for spec in plan.specs},
            schemas={spec.key: spec.schema for spec in plan.specs},
            renamed=self.render.renamed,
            stages=plan.stages,
            targets=[targets] if isinstance(targets, str) else targets,
            downstream=self.render.downstream,
            group=self._run_group(),
            untracked=self.workspace.untracked,
            shared=self.git.is_shared(self.execution.transfer),
            **{
                "doc_md": "Fixes one git commit for this run and makes a workspace of it.",
                **watched,
                **with_durations(self.execution.stages.get(OPEN, {})),
            },
            **self._common(),
        )

    def _stage_task(
        self, graph: Graph, unit: Unit, task_id: str, open_task_id: str, *, foreign: bool = False
    ) -> DvcStageOperator:
        stages = [graph.stages[address] for address in unit.stages]
        name = self.project.project_name
        outs = [out for stage in stages for out in stage.outs if not is_url(out.path)]
        execution = self.execution
        assets = self.render.assets and not foreign
        arguments: dict[str, Any] = {
            "stages": [] if foreign else list(unit.stages),
            "open_task_id": open_task_id,
            "project_name": name,
            "reads": sorted({dep.path for stage in stages for dep in stage.deps}),
            "makes": [out.path for out in outs],
            "force": execution.force,
            "transfer": execution.transfer,
            "remote": execution.remote,
            "lock_timeout": execution.lock_timeout,
            "grace": execution.grace,
            "env": dict(execution.env),
            "outlets": [asset_of(name, out) for out in outs] if assets else [],
            "doc_md": task_doc(stages),
            "doc": tooltip(stages),
        }
        operator: type[DvcStageOperator] = DvcStageOperator
        if execution.is_watched:
            operator = WatchedStageOperator
            arguments["group"] = self._run_group()
        return operator(
            task_id=task_id,
            **{
                **arguments,
                **self.operator_args,
                **settings_of_unit(unit, graph, self.execution.stages),
            },
            **self._common(),
        )

    def _save_task(
        self, first: OpenWorkspaceOperator, stage_tasks: Mapping[str, Sequence[str]]
    ) -> SaveRunOperator:
        return SaveRunOperator(
            task_id=SAVE,
            open_task_id=first.task_id,
            stage_tasks=stage_tasks,
            keep=self.workspace.keep,
            shared=self.git.is_shared(self.execution.transfer),
            **{
                "doc_md": "Keeps what this run made as a git commit under `refs/runs/`.",
                **with_durations(self.execution.stages.get(SAVE, {})),
            },
            **self._common(),
        )

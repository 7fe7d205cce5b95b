"""A DVC pipeline as a group of Airflow tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param, TaskGroup

from dvc_airflow.assets import asset_of
from dvc_airflow.config import ExecutionConfig, ProjectConfig, RenderConfig, WorkspaceConfig
from dvc_airflow.docs import task_doc, tooltip
from dvc_airflow.graph import Graph, load_graph, select_stages
from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.params import collect_params
from dvc_airflow.grouping import Granularity, Unit, group_stages
from dvc_airflow.naming import task_ids
from dvc_airflow.operators import DvcStageOperator, OpenWorkspaceOperator, SaveRunOperator
from dvc_airflow.task_settings import check_settings, settings_of_unit, with_durations

OPEN, SAVE = "open_workspace", "save_run"
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
        Parameters to offer in the trigger form.
    render : RenderConfig, optional
        All of these (and more) in one object instead.
    workspace : WorkspaceConfig, optional
        Where runs work, and on which revision.
    execution : ExecutionConfig, optional
        How stages run.
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
        self.operator_args = dict(operator_args or {})
        self._build(load_graph(self.project.root))

    def _build(self, graph: Graph) -> None:
        targets = self.render.targets
        chosen = [targets] if isinstance(targets, str) else targets
        stages = select_stages(graph, chosen, downstream=self.render.downstream)
        units = group_stages(graph, stages, self.render.granularity)
        check_settings(self.execution.stages, graph, units, (OPEN, SAVE))
        ids = task_ids([unit.name for unit in units], reserved=(OPEN, SAVE))
        first = self._open_task(graph, stages, chosen)
        tasks: dict[str, DvcStageOperator] = {}
        for unit in units:
            task = self._stage_task(graph, unit, ids[unit.name], first.task_id)
            tasks[unit.name] = task
            for up in sorted(unit.upstream):
                tasks[up] >> task
            if not unit.upstream:
                first >> task
        self._save_task(first, tasks, units)

    def _common(self) -> dict[str, Any]:
        root = self.project.root
        workspace = str(self.workspace.workspaces_directory(root))
        return {"project": str(root), "workspaces": workspace, "task_group": self, "dag": self.dag}

    def _open_task(
        self, graph: Graph, stages: list[str], targets: Sequence[str] | None
    ) -> OpenWorkspaceOperator:
        specs = collect_params(graph, stages, self.render.params)
        for spec in specs:
            if spec.key not in self.dag.params:
                schema = {**spec.schema, **({"section": spec.section} if spec.section else {})}
                self.dag.params[spec.key] = Param(spec.value, spec.description, **schema)
        return OpenWorkspaceOperator(
            task_id=OPEN,
            rev=self.workspace.rev,
            defaults={spec.key: spec.value for spec in specs},
            renamed=self.render.renamed,
            stages=stages,
            targets=targets,
            downstream=self.render.downstream,
            group=self.group_id if self.prefix_group_id else None,
            untracked=self.workspace.untracked,
            **{
                "doc_md": "Fixes one git commit for this run and makes a workspace of it.",
                **with_durations(self.execution.stages.get(OPEN, {})),
            },
            **self._common(),
        )

    def _stage_task(
        self, graph: Graph, unit: Unit, task_id: str, open_task_id: str
    ) -> DvcStageOperator:
        stages = [graph.stages[address] for address in unit.stages]
        name = self.project.project_name
        outs = [out for stage in stages for out in stage.outs if not is_url(out.path)]
        execution = self.execution
        arguments: dict[str, Any] = {
            "stages": list(unit.stages),
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
            "outlets": [asset_of(name, out) for out in outs] if self.render.assets else [],
            "doc_md": task_doc(stages),
            "doc": tooltip(stages),
        }
        return DvcStageOperator(
            task_id=task_id,
            **{
                **arguments,
                **self.operator_args,
                **settings_of_unit(unit, graph, self.execution.stages),
            },
            **self._common(),
        )

    def _save_task(
        self,
        first: OpenWorkspaceOperator,
        tasks: Mapping[str, DvcStageOperator],
        units: Sequence[Unit],
    ) -> None:
        last = SaveRunOperator(
            task_id=SAVE,
            open_task_id=first.task_id,
            stage_tasks={tasks[unit.name].task_id: list(unit.stages) for unit in units},
            keep=self.workspace.keep,
            **{
                "doc_md": "Keeps what this run made as a git commit under `refs/runs/`.",
                **with_durations(self.execution.stages.get(SAVE, {})),
            },
            **self._common(),
        )
        read = {up for unit in units for up in unit.upstream}
        ends = [task for name, task in tasks.items() if name not in read]
        for end in ends or [first]:
            end >> last

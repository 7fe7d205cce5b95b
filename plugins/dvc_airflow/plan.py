"""Which tasks are drawn: those of the project as it is now, and those of runs that began.

Airflow reads a DAG file again and again: in the DAG processor, and at the start of every single
task. Without a versioned bundle a run that began follows whatever it then finds, so an edit of
dvc.yaml would reach into running runs: a renamed stage's task would be "removed", and a file that
is half typed would stop them. Therefore

- a task's own process draws the graph of *its* run, from the run's workspace;
- the DAG processor draws the project, and what runs that began and aren't over still need: stages
  that are no more, and edges. Where the project cannot be read, it draws the newest of those runs.

Tasks that a run didn't begin with do nothing in it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dvc_airflow.config import RenderConfig
from dvc_airflow.errors import DvcAirflowError
from dvc_airflow.graph import Graph, load_graph, select_stages
from dvc_airflow.graph.edges import find_cycle
from dvc_airflow.graph.params import ParamSpec, collect_params
from dvc_airflow.grouping import Unit, group_stages
from dvc_airflow.naming import task_ids
from dvc_airflow.run_states import ended_runs
from dvc_airflow.runtime.begun import begun_run, open_runs
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import Workspace

OPEN, SAVE = "open_workspace", "save_run"

# Beside our own: a parameter file that is no JSON, no text, or away at this very moment.
_UNREADABLE = (DvcAirflowError, ValueError, OSError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The tasks of one state of a project.

    Attributes
    ----------
    units : dict
        Task id (without its group) to what the task runs.
    upstream : dict
        Task id to those of the tasks that have to run before.
    specs : tuple of ParamSpec
        Parameters to offer.
    """

    graph: Graph
    stages: tuple[str, ...]
    specs: tuple[ParamSpec, ...]
    units: dict[str, Unit]
    upstream: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Drawing:
    """What to draw.

    Attributes
    ----------
    plan : Plan
        The run's, or the project's.
    foreign : dict
        Task id to a plan that has the task while `plan` doesn't.
    upstream : dict
        Edges of all tasks.
    current : bool
        Whether `plan` is that of the project as it is now: what the DAG file says of single stages
        can be held against it.
    """

    plan: Plan
    foreign: dict[str, Plan] = field(default_factory=dict)
    upstream: dict[str, frozenset[str]] = field(default_factory=dict)
    current: bool = True


def draw(project: Path, workspaces: Path, render: RenderConfig, key: RunKey, task: str) -> Drawing:
    """Return the tasks to draw.

    Parameters
    ----------
    project, workspaces : Path
        The project, and the directory of all workspaces.
    render : RenderConfig
        What is drawn of a project, and how.
    key : RunKey
        The DAG and group; and in a task's own process the run, otherwise an empty text.
    task : str
        The task whose process this is (without its group), or an empty text.

    Raises
    ------
    DvcAirflowError
        If the project cannot be read and no run began.
    """
    problem: Exception | None = None
    plans: list[Plan] = []
    try:
        plans.append(_plan(load_graph(project), render, None))
    except _UNREADABLE as exc:
        problem = exc
    own = None if task in ("", OPEN) or not key.run_id else begun_run(workspaces, key)
    if own is not None:
        plans = [*_plans([own], render), *plans]
    # A stage's own process needs its own run; others only if its task is one of theirs.
    if own is None or not any(task in (*plan.units, SAVE) for plan in plans):
        plans += _plans(open_runs(workspaces, key.dag_id, key.group, ended_runs), render)
    if not plans:
        assert problem is not None
        raise problem
    if problem is not None and own is None:
        _log.warning("drawn from a run that began, for the project cannot be read: %s", problem)
    return replace(_united(plans), current=own is None and problem is None)


def _plans(runs: Iterable[Workspace], render: RenderConfig) -> list[Plan]:
    found = []
    for run in runs:
        try:
            found.append(_plan(load_graph(run.path), render, run.stages))
        except _UNREADABLE as exc:
            _log.debug("run %s cannot be drawn: %s", run.run_id, exc)
    return found


def _plan(graph: Graph, render: RenderConfig, stages: Sequence[str] | None) -> Plan:
    now = stages is None
    if stages is None:
        targets = [render.targets] if isinstance(render.targets, str) else render.targets
        stages = select_stages(graph, targets, downstream=render.downstream)
    units = group_stages(graph, stages, render.granularity)
    ids = task_ids([unit.name for unit in units], reserved=(OPEN, SAVE))
    return Plan(
        graph,
        tuple(stages),
        tuple(collect_params(graph, stages, render.params, render.schema, strict=now)),
        {ids[unit.name]: unit for unit in units},
        {ids[unit.name]: frozenset(ids[name] for name in unit.upstream) for unit in units},
    )


def _united(plans: Sequence[Plan]) -> Drawing:
    first, *rest = plans
    foreign: dict[str, Plan] = {}
    upstream = dict(first.upstream)
    for plan in rest:
        for task_id in plan.units:
            if task_id not in first.units:
                foreign.setdefault(task_id, plan)
        with_it = {
            task_id: upstream.get(task_id, frozenset()) | plan.upstream.get(task_id, frozenset())
            for task_id in dict.fromkeys([*upstream, *plan.upstream])
        }
        if find_cycle(with_it) is None:
            upstream = with_it
        else:
            upstream = {**dict.fromkeys(plan.units, frozenset()), **upstream}
    return Drawing(first, foreign, upstream)


def this_task(dag_id: str) -> tuple[str, str]:
    """Return run and task id if this process runs a task of a DAG; empty texts otherwise.

    While a task's process reads the DAG file, Airflow says which task it is for; which run, stands
    only where its log messages take it from.
    """
    from airflow.sdk import get_parsing_context

    context = get_parsing_context()
    if context.dag_id != dag_id or not context.task_id:
        return "", ""
    try:
        from structlog.contextvars import get_contextvars
    except ImportError:
        return "", ""
    known = get_contextvars()
    if known.get("dag_id") != dag_id or known.get("task_id") != context.task_id:
        return "", ""
    return str(known.get("run_id") or ""), context.task_id

"""What Airflow is told of single tasks: queue, pool, retries and the like, stage by stage.

As in astronomer-cosmos, whose models say it under ``meta`` in dbt's files, a stage can say it in
dvc.yaml itself::

    train:
      cmd: python train.py
      meta:
        airflow: {queue: gpu, pool: training, retries: 2}

DVC ignores ``meta``, so a change there runs nothing anew. The DAG file has the last word, by
`dvc_airflow.config.ExecutionConfig.stages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from dvc_airflow.errors import GroupingError
from dvc_airflow.graph import Graph, Stage
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.grouping import Unit

META: Final = "airflow"
IN_META: Final = frozenset(
    {
        "execution_timeout",
        "executor",
        "executor_config",
        "max_active_tis_per_dag",
        "max_active_tis_per_dagrun",
        "max_retry_delay",
        "pool",
        "pool_slots",
        "priority_weight",
        "queue",
        "retries",
        "retry_delay",
        "retry_exponential_backoff",
        "weight_rule",
    }
)
_DURATIONS: Final = frozenset({"execution_timeout", "max_retry_delay", "retry_delay"})
# What the task group itself decides; another value would run something else.
_RESERVED: Final = frozenset(
    {"dag", "open_task_id", "project", "stages", "task_group", "task_id", "workspaces"}
)


def check_settings(
    settings: Mapping[str, Mapping[str, Any]],
    graph: Graph,
    units: Iterable[Unit],
    others: Sequence[str],
) -> None:
    """Refuse names that no task has, and arguments that are not a task's to choose.

    Parameters
    ----------
    settings : mapping
        `ExecutionConfig.stages`.
    graph : Graph
        The project; stages that this group does not run are known too.
    units : iterable of Unit
        The tasks.
    others : sequence of str
        Names of the tasks that run no stage.

    Raises
    ------
    GroupingError
        Names the entry and what there is.
    """
    names = {*others, *(unit.name for unit in units), *graph.stages}
    names |= {stage.group for stage in graph if stage.group}
    for wanted, arguments in settings.items():
        if not any(name == wanted or fnmatchcase(name, wanted) for name in names):
            msg = (
                f"ExecutionConfig(stages=…) names {wanted!r}, which is no stage, no group of "
                f"stages and no task of this project; there is {', '.join(sorted(names))}"
            )
            raise GroupingError(msg)
        wrong = sorted(_RESERVED & arguments.keys())
        if wrong:
            msg = (
                f"ExecutionConfig(stages=…) sets {wrong[0]!r} for {wanted!r}; that follows from "
                "the pipeline and cannot be set"
            )
            raise GroupingError(msg)


def settings_of_unit(
    unit: Unit, graph: Graph, settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the arguments of a task that its stages ask for.

    Of several entries the narrower one counts: the task's name, the stage's, the foreach or matrix
    group's, a pattern, ``meta`` in dvc.yaml.

    Parameters
    ----------
    unit : Unit
        The task.
    graph : Graph
        The project.
    settings : mapping
        `ExecutionConfig.stages`.

    Returns
    -------
    dict
        Arguments of the operator; durations in s become `timedelta`.

    Raises
    ------
    GroupingError
        If stages of one task ask for different values.
    PipelineError
        If ``meta.airflow`` of a stage holds something else than `IN_META`.
    """
    own = dict(settings.get(unit.name, {}))
    found: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for address in unit.stages:
        stage = graph.stages[address]
        for key, value in _settings_of_stage(stage, settings).items():
            if key in own:
                continue
            if key in found and found[key] != value:
                msg = (
                    f"stages {owner[key]!r} and {address!r} are one task, {unit.name!r}, and ask "
                    f"for different values of {key!r}: {found[key]!r} and {value!r}; say "
                    f"ExecutionConfig(stages={{{unit.name!r}: {{{key!r}: …}}}})"
                )
                raise GroupingError(msg)
            found[key], owner[key] = value, address
    return with_durations({**found, **own})


def with_durations(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a task, numbers of seconds as durations where Airflow wants those."""
    return {
        key: timedelta(seconds=value)
        if key in _DURATIONS and isinstance(value, int | float)
        else value
        for key, value in arguments.items()
    }


def _settings_of_stage(stage: Stage, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    found = _settings_in_meta(stage)
    names = [stage.address, *([stage.group] if stage.group else [])]
    patterns = [
        wanted
        for wanted in settings
        if wanted not in names and any(fnmatchcase(name, wanted) for name in names)
    ]
    for wanted in [*patterns, *reversed(names)]:
        found.update(settings.get(wanted, {}))
    return found


def _settings_in_meta(stage: Stage) -> dict[str, Any]:
    meta = stage.meta.get(META) if isinstance(stage.meta, Mapping) else None
    if meta is None:
        return {}
    where = f"'meta: {META}:' of stage {stage.address!r}"
    if not isinstance(meta, Mapping):
        raise PipelineError(stage.file, stage.line, f"{where} must be a mapping, not {meta!r}")
    unknown = sorted(str(key) for key in meta if key not in IN_META)
    if unknown:
        problem = f"{where} has {unknown[0]!r}; allowed are {', '.join(sorted(IN_META))}"
        raise PipelineError(stage.file, stage.line, problem)
    return dict(meta)

"""Render a DVC pipeline as Airflow tasks.

Names are imported when they are first used, so that the graph can be read without
Airflow and a DAG file can be parsed without DVC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvc_airflow.apply import apply_run
    from dvc_airflow.config import (
        ExecutionConfig,
        GitConfig,
        ProjectConfig,
        RenderConfig,
        WorkspaceConfig,
    )
    from dvc_airflow.errors import DvcAirflowError
    from dvc_airflow.graph import Graph, Stage, load_graph, select_stages
    from dvc_airflow.operators import DvcStageOperator, OpenWorkspaceOperator, SaveRunOperator
    from dvc_airflow.task_group import DvcTaskGroup

_HOMES = {
    "DvcAirflowError": "errors",
    "DvcStageOperator": "operators",
    "DvcTaskGroup": "task_group",
    "ExecutionConfig": "config",
    "GitConfig": "config",
    "Graph": "graph",
    "OpenWorkspaceOperator": "operators",
    "ProjectConfig": "config",
    "RenderConfig": "config",
    "SaveRunOperator": "operators",
    "Stage": "graph",
    "WorkspaceConfig": "config",
    "apply_run": "apply",
    "load_graph": "graph",
    "select_stages": "graph",
}

__all__ = [
    "DvcAirflowError",
    "DvcStageOperator",
    "DvcTaskGroup",
    "ExecutionConfig",
    "GitConfig",
    "Graph",
    "OpenWorkspaceOperator",
    "ProjectConfig",
    "RenderConfig",
    "SaveRunOperator",
    "Stage",
    "WorkspaceConfig",
    "apply_run",
    "load_graph",
    "select_stages",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

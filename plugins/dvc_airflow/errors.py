"""Everything that can go wrong, under one base class."""

from __future__ import annotations

from dvc_airflow.graph.errors import (
    DvcAirflowError,
    OverrideError,
    PipelineError,
    ProjectError,
    TargetError,
)
from dvc_airflow.runtime.errors import GitError, StageError, WorkspaceError

__all__ = [
    "ApplyError",
    "DvcAirflowError",
    "GitError",
    "GroupingError",
    "NamingError",
    "OverrideError",
    "PipelineError",
    "ProjectError",
    "StageError",
    "TargetError",
    "WorkspaceError",
]


class NamingError(DvcAirflowError):
    """Two stages would become the same Airflow task."""


class GroupingError(DvcAirflowError):
    """A requested grouping of stages into tasks is impossible."""


class ApplyError(DvcAirflowError):
    """A saved run cannot be applied to the working tree."""

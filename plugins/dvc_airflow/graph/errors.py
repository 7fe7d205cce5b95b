"""What can be wrong with a project; and the base class of every error of this package."""

from __future__ import annotations


class DvcAirflowError(Exception):
    """Base of every error this package raises on purpose."""


class PipelineError(DvcAirflowError):
    """A dvc.yaml (or a file it reads) is wrong; says where and what is allowed.

    Parameters
    ----------
    path : str
        The file, relative to the project.
    line : int
        The line, counted from 1.
    problem : str
        What is wrong, and what is allowed instead.
    """

    def __init__(self, path: str, line: int, problem: str) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        super().__init__(f"{path}:{line}: {problem}")

    def __reduce__(self) -> tuple[type[PipelineError], tuple[str, int, str]]:
        # Exceptions travel between Airflow's processes by pickle.
        return type(self), (self.path, self.line, self.problem)


class ProjectError(DvcAirflowError):
    """The directory is no usable DVC project, or not in a usable git repository."""


class TargetError(DvcAirflowError):
    """A target names no stage, no group of stages and no output."""


class OverrideError(DvcAirflowError):
    """A run was triggered with a parameter that is not offered, or a value that it cannot have."""

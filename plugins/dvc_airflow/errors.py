"""Everything that can go wrong, under one base class."""

from __future__ import annotations

from collections.abc import Sequence


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


class NamingError(DvcAirflowError):
    """Two stages would become the same Airflow task."""


class GroupingError(DvcAirflowError):
    """A requested grouping of stages into tasks is impossible."""


class GitError(DvcAirflowError):
    """A git command failed."""


class WorkspaceError(DvcAirflowError):
    """A run's workspace cannot be made, found again, or saved."""


class OverrideError(DvcAirflowError):
    """A run was triggered with a parameter that isn't offered."""


class ApplyError(DvcAirflowError):
    """A saved run cannot be applied to the working tree."""


class StageError(DvcAirflowError):
    """A stage failed.

    Parameters
    ----------
    stage : str
        Address of the stage.
    reason : str
        What happened, in one line.
    command : str, optional
        The command that ran, if it was the command that failed.
    exit_code : int, optional
        Its exit code.
    tail : sequence of str, optional
        The last lines of its output.
    """

    def __init__(
        self,
        stage: str,
        reason: str,
        command: str | None = None,
        exit_code: int | None = None,
        tail: Sequence[str] = (),
    ) -> None:
        self.stage = stage
        self.reason = reason
        self.command = command
        self.exit_code = exit_code
        self.tail = tuple(tail)
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [f"stage {self.stage!r} failed: {self.reason}"]
        if self.command is not None:
            lines.append(f"command: {self.command}")
        if self.exit_code is not None:
            lines.append(f"exit code: {self.exit_code}")
        if self.tail:
            lines.append(f"last {len(self.tail)} lines of its output:")
            lines.extend(f"    {line}" for line in self.tail)
        return "\n".join(lines)

    def __reduce__(self) -> tuple[type[StageError], tuple[object, ...]]:
        args = (self.stage, self.reason, self.command, self.exit_code, self.tail)
        return type(self), args

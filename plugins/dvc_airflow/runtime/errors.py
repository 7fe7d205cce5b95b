"""What can go wrong in a run."""

from __future__ import annotations

from collections.abc import Sequence

from dvc_airflow.graph.errors import DvcAirflowError


class GitError(DvcAirflowError):
    """A git command failed."""


class WorkspaceError(DvcAirflowError):
    """A run's workspace cannot be made, found again, or saved."""


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

"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from dvc_airflow.errors import DvcAirflowError

Outcome = Literal["passed", "failed", "not applicable"]

_SHOWN: Final = 12


class ConformanceError(DvcAirflowError):
    """The suite cannot judge this project; says why and what to do."""


class NotApplicableError(DvcAirflowError):
    """A check has nothing to look at in this project; says why."""


@dataclass
class Finding:
    """What one check compared, and what it found.

    Attributes
    ----------
    name : str
        The check.
    compared : list of str
        What was done and compared, a sentence each.
    problems : list of str
        What is wrong; none means passed.
    notes : list of str
        What a reader has to know to trust the outcome.
    reason : str or None
        Why the check is not applicable.
    seconds : float
        How long it took.
    """

    name: str
    compared: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reason: str | None = None
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """One word for the check."""
        if self.problems:
            return "failed"
        return "passed" if self.reason is None else "not applicable"

    def add(self, what: str, problems: Iterable[str], detail: str = "") -> None:
        """Say what was compared (and how much of it), and what was wrong with it."""
        self.compared.append(f"{what}: {detail}" if detail else what)
        self.problems += [f"{what}: {problem}" for problem in problems]

    def note(self, text: str) -> None:
        """Add a note once."""
        if text not in self.notes:
            self.notes.append(text)

    def lines(self) -> list[str]:
        """Return the finding for people."""
        head = f"{self.outcome:<14} {self.name} ({self.seconds:.0f} s)"
        reason = [f"    {self.reason}"] if self.reason else []
        compared = [f"    compared: {text}" for text in self.compared]
        notes = [f"    note: {text}" for text in self.notes]
        problems = [f"    PROBLEM: {text}" for text in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            problems.append(f"    and {len(self.problems) - _SHOWN} more problems (see --json)")
        return [head, *reason, *compared, *notes, *problems]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"outcome": self.outcome, **asdict(self)}

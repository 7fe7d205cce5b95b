"""What a verification found: checks, each with the files or figures that differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = "signalbox.verification/1"


class Status(StrEnum):
    """How a check ended; `MISSING` is never ``ok``: what isn't there cannot be vouched for."""

    OK = "ok"
    DIFFERS = "differs"
    MISSING = "missing"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One file or figure that isn't as it should be.

    Attributes
    ----------
    path : str
        File, relative to the project, or ``file#figure`` for a figure in it.
    what : str
        What is wrong, in words.
    expected, found : str
        Hashes or values; empty where words say it all.
    status : Status
        Whether something differs or is missing.
    """

    path: str
    what: str
    expected: str = ""
    found: str = ""
    status: Status = Status.DIFFERS

    def as_dict(self) -> dict[str, str]:
        """Return plain data for JSON.

        Returns
        -------
        dict of str to str
        """
        return {
            "path": self.path,
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
            "status": self.status.value,
        }


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes
    ----------
    id : str
        For programs.
    title : str
        For people.
    status : Status
        How it ended.
    sentence : str
        What was found, in words.
    findings : tuple of Finding
        Files and figures that aren't as they should be.
    """

    id: str
    title: str
    status: Status
    sentence: str
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON.

        Returns
        -------
        dict of str to object
        """
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status.value,
            "sentence": self.sentence,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def conclude(check_id: str, title: str, good: str, findings: Sequence[Finding]) -> Check:
    """Make a check from its findings.

    A difference outweighs a missing file: it is a fact, while a missing file is a question.

    Parameters
    ----------
    check_id : str
        Id of the check.
    title : str
        Title of the check.
    good : str
        Its sentence if there are no findings.
    findings : sequence of Finding
        Files and figures that aren't as they should be.

    Returns
    -------
    Check
    """
    if not findings:
        return Check(check_id, title, Status.OK, good)
    worst = next((f for f in findings if f.status is Status.DIFFERS), findings[0])
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return Check(
        check_id, title, worst.status, f"{worst.path}: {worst.what}{more}", tuple(findings)
    )


@dataclass
class Verification:
    """The whole result.

    Attributes
    ----------
    report : str
        The report as it was named.
    commit : str
        The project's commit; empty if there is none.
    checks : list of Check
        In the order in which they ran.
    hint : str
        Which release, run or commit the report is of; empty where there is nothing to say.
    """

    report: str
    commit: str = ""
    checks: list[Check] = field(default_factory=list)
    hint: str = ""

    @property
    def verdict(self) -> str:
        """``verified``, ``differs`` or ``cannot_verify``."""
        statuses = {check.status for check in self.checks}
        if Status.DIFFERS in statuses:
            return "differs"
        return "cannot_verify" if Status.MISSING in statuses else "verified"

    @property
    def exit_code(self) -> int:
        """0 verified, 1 something differs, 3 cannot be verified."""
        return {"verified": 0, "differs": 1, "cannot_verify": 3}[self.verdict]

    @property
    def findings(self) -> list[Finding]:
        """All findings: differences, then missing files, then what the report doesn't rest on."""
        return [*self.faults, *(
            finding
            for check in self.checks
            for finding in check.findings
            if check.status is Status.SKIPPED
        )]  # fmt: skip

    @property
    def faults(self) -> list[Finding]:
        """Findings that count against the report, differences before missing files."""
        found = [
            finding
            for check in self.checks
            for finding in check.findings
            if check.status is not Status.SKIPPED
        ]
        return sorted(found, key=lambda finding: finding.status is not Status.DIFFERS)

    @property
    def open_points(self) -> list[str]:
        """Sentences of what was not checked."""
        return [check.sentence for check in self.checks if check.status is Status.SKIPPED]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON.

        Returns
        -------
        dict of str to object
        """
        return {
            "schema": SCHEMA,
            "report": self.report,
            "commit": self.commit,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "hint": self.hint,
            "first": self.faults[0].as_dict() if self.faults else None,
            "not_checked": self.open_points,
            "checks": [check.as_dict() for check in self.checks],
        }

"""What requirements are held against: evidence, ledger, params, documents; all may be absent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, read_evidence, round_floats
from pipelines.core.files import sha256_path
from pipelines.core.params import Params
from pipelines.core.settings import Name, Section, Unset
from pipelines.core.typed import validate_as
from pipelines.mlops.compliance.requirement import Check
from pipelines.mlops.fairness.evidence import BiasAuditDetails
from pipelines.mlops.fairness.result import AuditResult
from pipelines.mlops.release_report.inputs import STAGES
from pipelines.reporting import numbers


class ComplianceParams(Section):
    """Section ``compliance``; documents are paths in the project, and must be there to count.

    What isn't said is null.
    """

    sex: str = "sex"
    """Sensitive feature that holds sex, for Local Law 144 and the four-fifths rule."""
    race: str = "race"
    """Sensitive feature that holds race or ethnicity."""
    instructions: Unset[Name] = None
    """Document: instructions for use (AI Act Art. 13, Annex IV 1(h))."""
    risks: Unset[Name] = None
    """Document: known and foreseeable risks and what was done about them (Art. 9)."""
    representative: Unset[Name] = None
    """Why the data represents the people the model will meet (Art. 10(3)); a sentence."""
    robustness: Unset[Name] = None
    """Document: tests with disturbed or hostile input (Art. 15(4))."""
    cybersecurity: Unset[Name] = None
    """Document: measures against attacks (Art. 15(5), Annex IV 2(h))."""
    post_market: Unset[Name] = None
    """Document: post-market monitoring plan (Art. 72, Annex IV 9)."""
    declaration: Unset[Name] = None
    """Document: EU declaration of conformity (Art. 47, Annex IV 8)."""
    standards: list[str] = Field(default_factory=list)
    """Harmonised standards or other specifications that were applied (Annex IV 7)."""
    contest: Unset[Name] = None
    """How a person gets a human to look at a decision again (GDPR Art. 22(3)); a sentence."""
    auditor: Unset[Name] = None
    """Independent auditor of Local Law 144; Signalbox can't be independent of its user."""
    test_data: Unset[Name] = None
    """Why the audit uses test data and not historical data (6 RCNY 5-302(b)); a sentence."""
    published: Unset[Name] = None
    """Where the summary of the bias audit is published (6 RCNY 5-303)."""


LEDGER = "ledger/ledger.jsonl"
PRODUCT = "model_release"
BY_PEOPLE = frozenset({"approved", "overridden", "rejected"})
"""Outcomes that a person gave; others come from a policy, a timeout or a stop."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Everything that was found.

    Attributes
    ----------
    entries
        The ledger's entries as plain data; empty if there is no ledger.
    ledger_problem
        Why the ledger's chain or signatures don't hold; empty = they do.
    """

    project: Path
    params: Params
    own: ComplianceParams
    evidence: dict[str, Evidence]
    entries: Sequence[Entry] = ()
    ledger_problem: str = ""
    hashes: dict[str, str] = field(default_factory=dict)

    def has(self, path: str) -> bool:
        """Whether there is a file or folder; its hash is kept for the index."""
        if path not in self.hashes and path and (self.project / path).exists():
            self.hashes[path] = sha256_path(self.project / path)
        return path in self.hashes

    def file(self, path: str, shown: str) -> Check:
        """Check that an artifact is there."""
        there = self.has(path)
        return Check(shown if there else f"{shown}: {path} is not there", there, (path,) * there)

    def document(self, key: str, shown: str) -> Check:
        """Check that a document which release.yaml names is there."""
        path = str(getattr(self.own, key) or "")
        if path and self.has(path):
            return Check(shown, True, (path,))
        why = f"{path} is not there" if path else f"compliance.{key} in release.yaml names none"
        return Check(f"{shown}: {why}", False)

    def figure(self, figure_id: str) -> Check:
        """Check that a figure was measured."""
        stage = figure_id.partition(".")[0]
        path = evidence_of(stage).as_posix()
        evidence = self.evidence.get(stage)
        found = evidence.figure(figure_id) if evidence else None
        if found is None or found.value is None:
            why = found.missing if found else "not measured"
            return Check(f"{figure_id}: {why}", False, from_evidence=True)
        self.has(path)
        interval = numbers.figure_interval(found)
        shown = f"{found.label}: {numbers.figure_value(found)}"
        told = shown if interval == numbers.NONE else f"{shown} ({interval})"
        return Check(told, True, (path,), from_evidence=True)

    def details(self, stage: str, key: str) -> Any:
        """Part of a stage's evidence; None if it isn't there."""
        evidence = self.evidence.get(stage)
        return evidence.details.get(key) if evidence else None

    def detail(self, stage: str, key: str, shown: str) -> Check:
        """Check that a stage's evidence has something to say."""
        path = evidence_of(stage).as_posix()
        there = bool(self.details(stage, key)) and self.has(path)
        told = shown if there else f"{shown}: not in {path}"
        return Check(told, there, (path,) * there, from_evidence=True)

    def of_kind(self, *kinds: str) -> list[Entry]:
        """Entries of some kinds about the model, the oldest first."""
        return [e for e in self.entries if e["kind"] in kinds and e["subject"] == PRODUCT]

    def decided(self, shown: str) -> Check:
        """Check that a person decided: a demo's automatic approval or a timeout is nobody."""
        entries = self.of_kind("approval", "rejection", "override")
        people = [e for e in entries if e["data"].get("outcome", {}).get("kind") in BY_PEOPLE]
        if entries and not people:
            return Check(f"{shown}: {len(entries)} decisions, none of them by a person", False,
                         refuted=True)  # fmt: skip
        return self.logged(shown, "approval", "rejection", "override")

    def logged(self, shown: str, *kinds: str) -> Check:
        """Check that the ledger has an entry of one of the kinds, and holds."""
        found = self.of_kind(*kinds)
        if self.ledger_problem:
            return Check(f"{shown}: the ledger does not hold ({self.ledger_problem})", False)
        if not found:
            return Check(f"{shown}: the ledger has no entry of {' or '.join(kinds)}", False)
        self.has(LEDGER)
        last = f"{len(found)} in the ledger, the last of {day(found[-1])}"
        return Check(f"{shown}: {last}", True, (LEDGER,))

    def said(self, value: str | None, shown: str, key: str) -> Check:
        """Check that a person said something that no artifact can say."""
        mine = key.startswith("report.")
        if value and value.strip():
            file = "params.yaml" if mine else "release.yaml"
            return Check(f"{shown}: {value}", True, (file,) * self.has(file), from_evidence=mine)
        return Check(f"{shown}: {key} is empty", False, from_evidence=mine)

    @property
    def audit(self) -> AuditResult | None:
        """The bias audit, if there is one."""
        evidence = self.evidence.get("bias_audit")
        if evidence is None:
            return None
        place = f"{evidence_of('bias_audit')}: details."
        return validate_as(
            BiasAuditDetails, evidence.details, place, "run bias_audit of this version"
        ).audit


def day(entry: Entry) -> str:
    """Date of an entry."""
    return str(entry["time"])[:10]


def gather(
    project: Path,
    params: Params,
    own: ComplianceParams,
    entries: Sequence[Entry],
    ledger_problem: str = "",
) -> Facts:
    """Read what is there; what isn't becomes a red line, not an error.

    Raises
    ------
    SignalboxError
        If evidence is there but can't be read: damaged is worse than missing.
    """
    evidence = {}
    for stage in STAGES:
        path = project / evidence_of(stage)
        if path.is_file():
            evidence[stage] = read_evidence(path)
    if not evidence:
        raise SignalboxError("there is no evidence at all; run 'signalbox run' or 'dvc repro'")
    tidied = [round_floats(dict(entry)) for entry in entries]
    return Facts(project, params, own, evidence, tidied, ledger_problem)

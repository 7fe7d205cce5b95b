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
from pipelines.core.settings import (
    FactsAboutData,
    Name,
    Unset,
    is_filled_in,
    not_filled_in,
    validate_as,
)
from pipelines.mlops.compliance.requirement import Check
from pipelines.mlops.fairness.evidence import BiasAuditDetails
from pipelines.mlops.fairness.result import AuditResult
from pipelines.mlops.release_report.inputs import STAGES
from pipelines.release.approval import AUTO_APPROVE_DEMO
from pipelines.reporting import numbers


class ComplianceParams(FactsAboutData):
    """Section ``compliance``; documents are paths in the project, and must be there to count.

    What isn't said is null.
    """

    sex: str = ""
    """Sensitive feature that holds sex, for Local Law 144 and the four-fifths rule."""
    race: str = ""
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
"""Outcomes that a person can give; others come from a policy, a timeout or a stop."""
DECISIONS = ("approval", "rejection", "override")
"""Kinds of entries that decide on a release."""

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Decided:
    """Who decided on releases, counted from the ledger's entries.

    Attributes
    ----------
    people : dict of str to int
        Who answered → decisions that rest on an answer of that name. A name given on the command
        line has `CLAIMED` behind it: nobody authenticated it.
    by_people : int
        Approvals, overrides and rejections that rest on a person's answer.
    by_policy : int
        Those that a policy made, with nobody asked.
    unanswered : int
        Those that a timeout or a stop made: nobody decided.
    refused : int
        Releases that were refused although a task was about to make them.
    questions, answers : int
        Questions that were put to people, and answers of people to them.
    """

    people: dict[str, int]
    by_people: int = 0
    by_policy: int = 0
    unanswered: int = 0
    refused: int = 0
    questions: int = 0
    answers: int = 0

    @property
    def description(self) -> str:
        """Return the counts in one sentence, each kind apart."""
        names = ", ".join(f"{who}: {number}" for who, number in sorted(self.people.items()))
        told = f"{self.by_people} by people" + (f" ({names})" if names else "")
        return (
            f"decisions {told}, {self.by_policy} by a policy with nobody asked, {self.unanswered} "
            f"without an answer; {self.refused} releases refused; {self.questions} questions "
            f"asked, {self.answers} answered by people"
        )


CLAIMED = " (command line, not authenticated)"


def count_decisions(entries: Sequence[Entry]) -> Decided:
    """Count who decided, from entries about the model, in any order.

    Parameters
    ----------
    entries : sequence of Entry
        Of any kind; approvals, rejections, overrides, refusals, questions and answers count.

    Returns
    -------
    Decided
    """
    people: dict[str, int] = {}
    number = dict.fromkeys(
        ("by_people", "by_policy", "unanswered", "refused", "questions", "answers"), 0
    )
    for entry in entries:
        kind, data = entry["kind"], entry["data"]
        if kind in DECISIONS:
            answers = answers_of_people(entry)
            number[_decider(entry)] += 1
            for who in sorted({_name(answer) for answer in answers}):
                people[who] = people.get(who, 0) + 1
        elif kind == "answer":
            number["answers"] += _is_of_a_person(data.get("answer") or {})
        elif kind in ("refusal", "question"):
            number["refused" if kind == "refusal" else "questions"] += 1
    return Decided(people, **number)


def answers_of_people(entry: Entry) -> list[Mapping[str, Any]]:
    """Return a decision's answers without those that a policy gave by somebody's login."""
    outcome = entry["data"].get("outcome") or {}
    if outcome.get("kind") not in BY_PEOPLE:
        return []
    return [answer for answer in outcome.get("answers") or [] if _is_of_a_person(answer)]


def _is_of_a_person(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("who")) and answer.get("reason") != AUTO_APPROVE_DEMO


def _name(answer: Mapping[str, Any]) -> str:
    return f"{answer['who']}{CLAIMED if answer.get('channel') == 'command_line' else ''}"


def _decider(entry: Entry) -> str:
    if answers_of_people(entry):
        return "by_people"
    kind = (entry["data"].get("outcome") or {}).get("kind")
    return "unanswered" if kind in ("timed_out", "stopped") else "by_policy"


@dataclass(frozen=True)
class Use:
    """What the model was used for, from the ledger's entries and the records of scored batches.

    Attributes
    ----------
    batches, rows : int
        Scored batches and their rows.
    first, last : str
        Days of the first and of the last batch, ISO 8601; empty without one.
    unlogged : int
        Batches whose record lies in ``predictions/`` and that no entry of the ledger names.
    """

    batches: int = 0
    rows: int = 0
    first: str = ""
    last: str = ""
    unlogged: int = 0

    @property
    def description(self) -> str:
        """Return the same as a sentence."""
        if not self.batches:
            return "neither ledger nor predictions/ has a scored batch"
        days = f"on {self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        told = f"{self.rows:,} rows scored in {self.batches:,} batches, {days}"
        return told + (f"; {self.unlogged:,} are in no ledger entry" if self.unlogged else "")


def count_use(entries: Sequence[Entry], records: Sequence[Mapping[str, Any]]) -> Use:
    """Count the scored batches; one that both ledger and record tell of counts once.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, of any kind.
    records : sequence of mapping
        Records of batches with ``name``, ``scored_at``, ``rows`` and ``product``.

    Returns
    -------
    Use
    """
    logged = {
        _batch(e["data"]): int(e["data"].get("rows") or 0)
        for e in entries
        if e["kind"] == "scoring" and e["subject"] == PRODUCT
    }
    kept = {_batch(r): int(r["rows"]) for r in records if r.get("product") == PRODUCT}
    batches = kept | logged
    days = sorted(scored_at[:10] for _, scored_at in batches if scored_at)
    return Use(
        batches=len(batches),
        rows=sum(batches.values()),
        first=days[0] if days else "",
        last=days[-1] if days else "",
        unlogged=len(kept.keys() - logged.keys()),
    )


def _batch(data: Mapping[str, Any]) -> tuple[str, str]:
    return str(data.get("name") or ""), str(data.get("scored_at") or "")


@dataclass(frozen=True)
class Facts:
    """Everything that was found.

    Attributes
    ----------
    entries
        The ledger's entries as plain data; empty if there is no ledger.
    ledger_problem
        Why the ledger's chain or signatures don't hold; empty = they do.
    records
        Records of the scored batches in ``predictions/``, as plain data.
    watched
        Results of monitoring, paths in the project, the oldest first.
    """

    project: Path
    params: Params
    own: ComplianceParams
    evidence: dict[str, Evidence]
    entries: Sequence[Entry] = ()
    ledger_problem: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    watched: Sequence[str] = ()

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
        why = f"{path} is not there" if path else self.unfilled(f"compliance.{key}")
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
        """Entries of some kinds about the model, the oldest first; each release step once."""
        mine = [e for e in self.entries if e["kind"] in kinds and e["subject"] == PRODUCT]
        told = {step: {e["data"].get("of") for e in mine if e["data"].get("step") == step}
                for step in ("withdrawn", "reinstated")}  # fmt: skip
        gone = told["withdrawn"] - told["reinstated"]
        return [e for e in mine if e["data"].get("step", "made") == "made" and e["seq"] not in gone]

    def unfilled(self, key: str, file: str = "release.yaml") -> str:
        """Say that nobody has filled in a key of section ``compliance``."""
        elsewhere = not self.own.is_about(self.params.data.name)
        return not_filled_in(key, file, elsewhere=elsewhere)

    @property
    def decisions(self) -> Decided:
        """Who decided on releases of the model."""
        return count_decisions([e for e in self.entries if e["subject"] == PRODUCT])

    @property
    def use(self) -> Use:
        """How much the model was used."""
        return count_use(self.entries, self.records)

    def decided(self, shown: str) -> Check:
        """Check that a person decided: a policy's approval, a timeout or a refusal is nobody.

        Where a model was released, the last release counts: that a person once decided on an
        earlier one says nothing about it.
        """
        entries, found = self.of_kind(*DECISIONS), self.decisions
        if self.ledger_problem or not entries:
            return self.logged(shown, *DECISIONS)
        basis = self._basis(entries)
        told = f"{shown}: {found.description}"
        if basis is not None and not answers_of_people(basis):
            told += f"; the last release rests on entry {basis['seq']}, which no person gave"
        nobody = not found.by_people if basis is None else not answers_of_people(basis)
        if nobody:
            return Check(told, False, refuted=True)
        self.has(LEDGER)
        return Check(told, True, (LEDGER,))

    def _basis(self, entries: Sequence[Entry]) -> Entry | None:
        """Return the decision that the last release to production rests on."""
        released = [e for e in self.of_kind("release") if e["data"].get("approval")]
        seq = released[-1]["data"]["approval"].get("entry") if released else None
        return next((entry for entry in entries if entry["seq"] == seq), None)

    def used(self, shown: str) -> Check:
        """Check that it is known how much the model was used, and that the ledger has it all."""
        use = self.use
        if self.ledger_problem:
            return Check(f"{shown}: the ledger does not hold ({self.ledger_problem})", False)
        if not self.entries:
            return Check(f"{shown}: no ledger to say; {use.description}", False)
        self.has(LEDGER)
        paths = (LEDGER,) * (LEDGER in self.hashes)
        return Check(f"{shown}: {use.description}", not use.unlogged, paths)

    def monitored(self, shown: str) -> Check:
        """Check that the model in use is watched: that rows were scored is no monitoring."""
        if not self.watched:
            return Check(f"{shown}: monitoring/ has no result", False)
        last = self.watched[-1]
        self.has(last)
        alarms = len(self.of_kind("alarm"))
        told = (
            f"{len(self.watched)} days, the last {Path(last).stem}; {alarms} alarms in the ledger"
        )
        return Check(f"{shown}: {told}", True, (last,))

    def logged(self, shown: str, *kinds: str) -> Check:
        """Check that the ledger has an entry of one of the kinds, and holds."""
        found = self.of_kind(*kinds)
        if self.ledger_problem:
            return Check(f"{shown}: the ledger does not hold ({self.ledger_problem})", False)
        if not found:
            return Check(f"{shown}: the ledger has no entry of {' or '.join(kinds)}", False)
        self.has(LEDGER)
        each = ", ".join(f"{n} {kind}" for kind in kinds if (n := len(self.of_kind(kind))))
        number = each if len(kinds) > 1 else str(len(found))
        last = f"{number} in the ledger, the last of {day(found[-1])}"
        return Check(f"{shown}: {last}", True, (LEDGER,))

    def said(self, value: str | None, shown: str, key: str) -> Check:
        """Check that a person said something that no artifact can say."""
        mine = key.startswith("report.")
        file = "params.yaml" if mine else "release.yaml"
        if is_filled_in(value):
            return Check(f"{shown}: {value}", True, (file,) * self.has(file), from_evidence=mine)
        why = value if mine and value else self.unfilled(key, file)
        return Check(f"{shown}: {why}", False, from_evidence=mine)

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
    *,
    records: Sequence[Mapping[str, Any]] = (),
    watched: Sequence[str] = (),
) -> Facts:
    """Read what is there; what isn't becomes a red line, not an error.

    What ``release.yaml`` says about another data set than this one counts as not said.

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
    return Facts(
        project,
        params,
        own.facts_about(params.data.name),
        evidence,
        tidied,
        ledger_problem,
        records=records,
        watched=watched,
    )

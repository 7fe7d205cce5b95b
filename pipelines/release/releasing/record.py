"""Entries of the ledger for runs, gate decisions and approvals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.release.approval import Outcome
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry.params import load_product
from pipelines.release.releasing.candidate import Candidate
from pipelines.release.releasing.decision import GateDecision, read_decision, read_figures

OUTCOME_KINDS = frozenset({"approval", "override", "rejection"})
_KINDS = {"approved": "approval", "auto_approved": "approval", "overridden": "override"}


def record_run(
    project: Path, product: str, *, run: str, commit: str | None, facts: dict[str, Any]
) -> Entry:
    """Log a run; a task that is tried again doesn't log it twice.

    Parameters
    ----------
    run
        Its name, for example ``model_release/manual__2026-01-31T10.20.30+00.00``.
    commit
        Commit it was saved as; None if it did not get that far.
    facts
        What else is known of it: parameters, statuses of stages.
    """
    return _once(project, "run", product, {"run": run, "commit": commit, **facts})


def record_gate(project: Path, product: str, commit: str, run: str = "") -> GateDecision:
    """Log the gate's decision on a commit with all figures, once a run.

    The figures are there for trends; no figure is about one person.
    """
    params = load_product(project, product)
    decision = read_decision(project, params, commit)
    figures = read_figures(project, params, commit)
    data = {
        "commit": commit,
        "run": run,
        **decision.as_data(),
        "checks": decision.checks,
        "figures": figures,
    }
    _once(project, "gate", product, data)
    return decision


def record_outcome(
    project: Path, candidate: Candidate, outcome: Outcome, questions: Sequence[str] = ()
) -> Entry:
    """Log what people (or the policy) decided on a candidate; the last decision counts.

    Parameters
    ----------
    questions
        Hashes of the ledger's questions whose answers the outcome rests on.
    """
    ledger = Ledger.of(project)
    product, commit = candidate.product, candidate.commit
    data = {
        **candidate.as_data(),
        "outcome": outcome.model_dump(mode="json"),
        "questions": list(questions),
    }
    kind = _KINDS.get(outcome.kind, "rejection")
    last = last_outcome(ledger.entries(), product, commit)
    if last is not None and last.kind == kind and last.data == data:
        return last
    return ledger.append(kind, product, data)


def record_refusal(project: Path, product: str, *, run: str, reason: str) -> Entry:
    """Log that nothing was released although a task was about to, and why."""
    return _once(project, "refusal", product, {"run": run, "reason": reason})


def last_outcome(entries: list[Entry], product: str, commit: str) -> Entry | None:
    """Return the last approval, override or rejection of a commit."""
    for entry in reversed(entries):
        if (
            entry.kind in OUTCOME_KINDS
            and entry.subject == product
            and entry.data.get("commit") == commit
        ):
            return entry
    return None


def last_run_outcome(entries: list[Entry], product: str, run: str) -> Entry | None:
    """Return the last approval, override or rejection of a saved run."""
    for entry in reversed(entries):
        if (
            entry.kind in OUTCOME_KINDS
            and entry.subject == product
            and entry.data.get("run") == run
        ):
            return entry
    return None


def _once(project: Path, kind: str, product: str, data: dict[str, Any]) -> Entry:
    ledger = Ledger.of(project)
    for entry in reversed(ledger.entries()):
        if entry.kind == kind and entry.subject == product and entry.data == data:
            return entry
    return ledger.append(kind, product, data)

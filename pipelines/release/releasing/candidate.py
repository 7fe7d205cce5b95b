"""What is asked about and released: a run, its commit, and the bytes of its evidence and report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry.git import git_or_none
from pipelines.release.registry.params import load_product
from pipelines.release.releasing.decision import GateDecision, read_decision
from pipelines.release.releasing.files import CommitFiles

RUNS = "refs/runs"


class ChangedError(SignalboxError):
    """What is to be released isn't what was recorded or asked about."""


@dataclass(frozen=True)
class Candidate:
    """A commit that may be released, as git and ``dvc.lock`` have it.

    Attributes
    ----------
    run : str
        The saved run, ``<dag>/<run>`` as under ``refs/runs``; empty outside Airflow.
    decision : GateDecision
        What the gate says of it.
    report : str
        SHA-256 of the report that approvers read; empty if the product has none.
    """

    product: str
    run: str
    commit: str
    decision: GateDecision
    report: str

    def as_data(self) -> dict[str, Any]:
        """Return what questions, answers and outcomes say of it in the ledger."""
        return {
            "run": self.run,
            "commit": self.commit,
            "verdict": self.decision.verdict,
            "evidence": self.decision.sha256,
            "report": self.report,
        }


def read_candidate(project: Path, product: str, commit: str, run: str = "") -> Candidate:
    """Read a commit's gate decision and report; each is held against ``dvc.lock``.

    Raises
    ------
    SignalboxError
        If one of them is missing or was changed after its stage made it.
    """
    params = load_product(project, product)
    decision = read_decision(project, params, commit)
    report = CommitFiles(project, commit).sha256(params.report) if params.report else ""
    return Candidate(product, run, commit, decision, report)


def recorded_candidate(project: Path, product: str, run: str) -> Candidate:
    """Read what a run of Airflow saved; the ledger must say that it was that commit.

    Nothing here comes from Airflow's XComs, which every user of role op can write.

    Raises
    ------
    ChangedError
        If the run's ref was moved since the ledger recorded it.
    SignalboxError
        If the ledger has no saved run of that name.
    """
    entry = last_run(Ledger.of(project).entries(), product, run)
    if entry is None or not entry.data.get("commit"):
        raise SignalboxError(
            f"the ledger has no saved run {run} of {product}; clear the task record_run"
        )
    recorded = str(entry.data["commit"])
    now = saved_commit(project, run)
    if now != recorded:
        raise ChangedError(
            f"run {run} was recorded as commit {recorded[:12]} (ledger entry {entry.seq}), and "
            f"{RUNS}/{run} names {now[:12] if now else 'nothing'} now"
        )
    return read_candidate(project, product, recorded, run)


def saved_commit(project: Path, run: str) -> str | None:
    """Return the commit that ``refs/runs/<run>`` names; None if there is no such run."""
    ref = f"{RUNS}/{run}"
    if git_or_none(project, "check-ref-format", ref) is None:
        return None
    return git_or_none(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") or None


def last_run(entries: list[Entry], product: str, run: str) -> Entry | None:
    """Return the last entry about a run."""
    for entry in reversed(entries):
        if entry.kind == "run" and entry.subject == product and entry.data.get("run") == run:
            return entry
    return None


def require_unchanged(candidate: Candidate, entry: Entry) -> None:
    """Stop unless an entry is about this very candidate.

    Raises
    ------
    ChangedError
        Naming what differs, with both values.
    """
    now = candidate.as_data()
    keys = [key for key in now if key != "run" or candidate.run]
    differing = [key for key in keys if entry.data.get(key) != now[key]]
    if differing:
        told = "; ".join(
            f"{key} was {_short(entry.data.get(key))}, is {_short(now[key])}" for key in differing
        )
        raise ChangedError(
            f"ledger entry {entry.seq} ({entry.kind}) is about something else: {told}"
        )


def _short(value: Any) -> str:
    return repr(value[:12] if isinstance(value, str) and len(value) >= 40 else value)

"""Whether the ledger holds a consent to release a commit that the policy accepts."""

from pathlib import Path

from pydantic import ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.release.approval import ApprovalParams, Outcome, headless_outcome, outcome
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry
from pipelines.release.policy import Decision
from pipelines.release.releasing.record import last_outcome


def find_consent(
    project: Path, entries: list[Entry], product: str, commit: str, verdict: Decision
) -> Entry:
    """Return the entry that allows the release of a commit.

    The answers in it are held against the policy again: the list of approvers may have changed
    since, and an entry says only what someone wrote.

    Raises
    ------
    SignalboxError
        If nobody decided, the last decision was against it, or the policy doesn't accept it.
    """
    entry = last_outcome(entries, product, commit)
    if entry is None:
        raise SignalboxError(
            f"nobody has decided on commit {commit[:12]} of {product} (the gate says {verdict}); "
            "answer the question in Airflow, or approve it with: signalbox release --approver NAME"
        )
    try:
        given = Outcome.model_validate(entry.data.get("outcome"))
    except ValidationError as error:
        raise SignalboxError(f"ledger entry {entry.seq} ({entry.kind}) is no decision") from error
    params = load_section(project, "approval", ApprovalParams)
    again = (
        headless_outcome(verdict, params)
        if given.kind == "auto_approved"
        else outcome(given.answers, verdict, params)
    )
    if entry.kind == "rejection" or not given.releases:
        raise SignalboxError(
            f"commit {commit[:12]} of {product} was not approved: {_why(given)} (ledger entry "
            f"{entry.seq})"
        )
    if again.kind != given.kind:
        raise SignalboxError(
            f"ledger entry {entry.seq} ({entry.kind}, {given.policy}) doesn't allow this release: "
            f"{_why(again)}"
        )
    return entry


def _why(found: Outcome) -> str:
    return " ".join(found.reasons) or found.policy

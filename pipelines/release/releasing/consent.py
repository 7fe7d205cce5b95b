"""Whether the ledger holds a consent to release a candidate that the policy accepts."""

from pathlib import Path

from pydantic import ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.release.approval import ApprovalParams, Outcome, headless_outcome, outcome
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry
from pipelines.release.releasing.candidate import Candidate, require_unchanged
from pipelines.release.releasing.demo import is_demo_data
from pipelines.release.releasing.questions import answers_to
from pipelines.release.releasing.record import last_outcome


class ConsentError(SignalboxError):
    """Nobody allowed this release, or not of these bytes."""


def find_consent(project: Path, entries: list[Entry], candidate: Candidate) -> Entry:
    """Return the entry that allows the release of a candidate.

    It must be about this run, commit, evidence and report. The answers in it are held against the
    policy again: the list of approvers may have changed since, and an entry says only what someone
    wrote. An answer that came through Airflow counts only with its question and answer beside it.

    Raises
    ------
    ConsentError
        If nobody decided, the last decision was against it, it was about something else, or the
        policy doesn't accept it.
    """
    product, commit, verdict = candidate.product, candidate.commit, candidate.decision.verdict
    entry = last_outcome(entries, product, commit)
    if entry is None:
        raise ConsentError(
            f"nobody has decided on commit {commit[:12]} of {product} (the gate says {verdict}); "
            "answer the question in Airflow, or approve it with: signalbox release --approver NAME"
        )
    try:
        given = Outcome.model_validate(entry.data.get("outcome"))
    except ValidationError as error:
        raise ConsentError(f"ledger entry {entry.seq} ({entry.kind}) is no decision") from error
    if entry.kind == "rejection" or not given.releases:
        raise ConsentError(
            f"commit {commit[:12]} of {product} was not approved: {_why(given)} (ledger entry "
            f"{entry.seq})"
        )
    _require_same(candidate, entry)
    _require_answers(entries, entry, given)
    params = load_section(project, "approval", ApprovalParams)
    again = (
        headless_outcome(verdict, params, demo=is_demo_data(project, product, commit))
        if given.kind == "auto_approved"
        else outcome(given.answers, verdict, params)
    )
    if again.kind != given.kind:
        raise ConsentError(
            f"ledger entry {entry.seq} ({entry.kind}, {given.policy}) doesn't allow this release: "
            f"{_why(again)}"
        )
    return entry


def _require_same(candidate: Candidate, entry: Entry) -> None:
    try:
        require_unchanged(candidate, entry)
    except SignalboxError as error:
        raise ConsentError(f"{error}; decide again") from error


def _require_answers(entries: list[Entry], entry: Entry, given: Outcome) -> None:
    """Stop unless every answer through Airflow stands in the ledger under its own question."""
    through_airflow = [answer for answer in given.answers if answer.channel == "airflow"]
    told = answers_to(entries, [str(name) for name in entry.data.get("questions", [])])
    if through_airflow != told:
        raise ConsentError(
            f"ledger entry {entry.seq} ({entry.kind}) names answers that stand under no question "
            "in the ledger; ask again"
        )


def _why(found: Outcome) -> str:
    return " ".join(found.reasons) or found.policy

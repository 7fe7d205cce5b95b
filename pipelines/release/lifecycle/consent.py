"""Runs, gate decisions, questions and answers in the ledger, and whether they allow a release.

A question is written before anybody sees it and says exactly what is asked about: run, commit and
the hashes of the gate's evidence and of the report. An answer names the question's entry. What
follows reads both from here, and believes nothing that came another way.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.release.approval import Answer, ApprovalParams, Outcome, headless_outcome, outcome
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.candidate import (
    Candidate,
    GateDecision,
    changed_params,
    is_demo_data,
    last_entry,
    read_decision,
    read_figures,
    require_unchanged,
)
from pipelines.release.lifecycle.production import PRODUCTION, steps
from pipelines.release.registry.read import load_product

OUTCOME_KINDS = frozenset({"approval", "override", "rejection"})
_KINDS = {"approved": "approval", "auto_approved": "approval", "overridden": "override"}


def record_run(
    project: Path, product: str, *, run: str, commit: str | None, facts: dict[str, Any]
) -> Entry:
    """Log a run; a task that is tried again doesn't log it twice.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    run : str
        Its name, for example ``model_release/manual__2026-01-31T10.20.30+00.00``.
    commit : str or None
        Commit it was saved as; None if it did not get that far.
    facts : dict of str to object
        What else is known of it: parameters, statuses of stages.

    Returns
    -------
    Entry
    """
    return _once(project, "run", product, {"run": run, "commit": commit, **facts})


def record_gate(project: Path, product: str, commit: str, run: str = "") -> GateDecision:
    """Log the gate's decision on a commit with all figures, once a run and once a commit.

    The figures are there for trends; no figure is about one person.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Hash of the commit.
    run : str, default ''
        The saved run, ``<dag>/<run>``; empty outside Airflow.

    Returns
    -------
    GateDecision

    Raises
    ------
    SignalboxError
        If gate or evidence are missing or were changed after their stages made them.
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
    known = last_entry(Ledger.of(project).entries(), {"gate"}, product, commit=commit)
    if run or known is None or {**known.data, "run": ""} != data:
        _once(project, "gate", product, data)  # outside Airflow the run's own entry says it all
    return decision


def record_outcome(
    project: Path, candidate: Candidate, outcome: Outcome, questions: Sequence[str] = ()
) -> Entry:
    """Log what people (or the policy) decided on a candidate; the last decision counts.

    Parameters
    ----------
    project : Path
        Root of the project.
    candidate : Candidate
        What was decided on.
    outcome : Outcome
        What the policy makes of the answers.
    questions : sequence of str, default ()
        Hashes of the ledger's questions whose answers the outcome rests on.

    Returns
    -------
    Entry
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
    """Log that nothing was released although a task was about to, and why.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    run : str
        The saved run, ``<dag>/<run>``.
    reason : str
        Why, in words.

    Returns
    -------
    Entry
    """
    return _once(project, "refusal", product, {"run": run, "reason": reason})


def last_outcome(entries: list[Entry], product: str, commit: str) -> Entry | None:
    """Return the last approval, override or rejection of a commit.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    commit : str
        Full hash of the commit.

    Returns
    -------
    Entry or None
    """
    return last_entry(entries, OUTCOME_KINDS, product, commit=commit)


def last_run_outcome(entries: list[Entry], product: str, run: str) -> Entry | None:
    """Return the last approval, override or rejection of a saved run.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    run : str
        The saved run, ``<dag>/<run>``.

    Returns
    -------
    Entry or None
    """
    return last_entry(entries, OUTCOME_KINDS, product, run=run)


def _once(project: Path, kind: str, product: str, data: dict[str, Any]) -> Entry:
    ledger = Ledger.of(project)
    for entry in reversed(ledger.entries()):
        if entry.kind == kind and entry.subject == product and entry.data == data:
            return entry
    return ledger.append(kind, product, data)


Asked = Literal["approval", "override", "confirmation"]
"""Release it; release it against the gate; the same, for the second person."""


def record_question(
    project: Path, candidate: Candidate, asked: Asked, approvers: list[str]
) -> Entry:
    """Write down what is asked, about what, and who may answer.

    Parameters
    ----------
    project : Path
        Root of the project.
    candidate : Candidate
        What the question is about.
    asked : {'approval', 'override', 'confirmation'}
        Sort of question.
    approvers : list of str
        Names of those who may answer.

    Returns
    -------
    Entry
    """
    data = {"asked": asked, **candidate.as_data(), "approvers": approvers}
    return Ledger.of(project).append("question", candidate.product, data)


def open_question(entries: list[Entry], product: str, run: str, asked: Asked) -> Entry | None:
    """Return a run's last question of a sort: asking again makes the earlier one void.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    run : str
        The saved run, ``<dag>/<run>``.
    asked : {'approval', 'override', 'confirmation'}
        Sort of question.

    Returns
    -------
    Entry or None
    """
    return last_entry(entries, {"question"}, product, run=run, asked=asked)


def record_answer(project: Path, question: Entry, answer: Answer) -> Entry:
    """Write down an answer as Airflow's own record of it says; a question has one at most.

    Parameters
    ----------
    project : Path
        Root of the project.
    question : Entry
        The question's entry.
    answer : Answer
        As Airflow recorded it.

    Returns
    -------
    Entry
        The new entry, or the one that says the same already.

    Raises
    ------
    SignalboxError
        If the question has another answer already.
    """
    ledger = Ledger.of(project)
    given = answer_entry(ledger.entries(), question)
    data: dict[str, Any] = {
        "question": question.hash,
        "run": question.data["run"],
        "commit": question.data["commit"],
        "answer": answer.model_dump(mode="json"),
    }
    if given is None:
        return ledger.append("answer", question.subject, data)
    if given.data != data:
        raise SignalboxError(
            f"question {question.seq} was answered by ledger entry {given.seq}; ask again instead "
            "of answering twice"
        )
    return given


def answer_entry(entries: list[Entry], question: Entry) -> Entry | None:
    """Return the entry with the answer to a question.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    question : Entry
        The question's entry.

    Returns
    -------
    Entry or None
        None if nobody has answered.
    """
    for entry in entries:
        if (
            entry.kind == "answer"
            and entry.subject == question.subject
            and entry.data.get("question") == question.hash
        ):
            return entry
    return None


def read_answer(entry: Entry) -> Answer:
    """Return the answer that an entry holds.

    Parameters
    ----------
    entry : Entry
        An entry of kind ``answer``.

    Returns
    -------
    Answer

    Raises
    ------
    SignalboxError
        If it holds none.
    """
    try:
        return Answer.model_validate(entry.data.get("answer"))
    except ValidationError as error:
        raise SignalboxError(f"ledger entry {entry.seq} (answer) holds no answer") from error


def answers_to(entries: list[Entry], questions: list[str]) -> list[Answer]:
    """Return the answers to questions, which are named by their entries' hashes, in that order.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    questions : list of str
        Hashes of the questions' entries.

    Returns
    -------
    list of Answer
        Questions without an answer are left out.
    """
    asked = {entry.hash: entry for entry in entries if entry.kind == "question"}
    found = [answer_entry(entries, asked[name]) for name in questions if name in asked]
    return [read_answer(entry) for entry in found if entry is not None]


class ConsentError(SignalboxError):
    """Nobody allowed this release, or not of these bytes."""


def find_consent(
    project: Path, entries: list[Entry], candidate: Candidate, stage: str = PRODUCTION
) -> Entry:
    """Return the entry that allows the release of a candidate.

    It must be about this run, commit, evidence and report. The answers in it are held against the
    policy again: the list of approvers may have changed since, and an entry says only what someone
    wrote. An answer that came through Airflow counts only with its question and answer beside it.
    It allows one release: what was released and then replaced or rolled back needs a new decision,
    or a repeated task would bring it back.

    Parameters
    ----------
    project : Path
        Root of the project.
    entries : list of Entry
        The ledger's entries, in order.
    candidate : Candidate
        What is to be released.
    stage : str, default `PRODUCTION`
        The stage that it is to be in.

    Returns
    -------
    Entry
        An entry of kind ``approval`` or ``override``.

    Raises
    ------
    ConsentError
        If nobody decided, the last decision was against it, it was about something else, it was
        used already, or the policy doesn't accept it.
    """
    product, commit, verdict = candidate.product, candidate.commit, candidate.decision.verdict
    entry = last_outcome(entries, product, commit)
    if entry is None:
        raise ConsentError(
            f"nobody has decided on commit {commit[:12]} of {product} (the gate says {verdict}); "
            "answer the question in Airflow, or approve it with: "
            f"signalbox release {commit[:12]} --product {product} --approver NAME"
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
    _require_unused(entries, entry, stage)
    params = load_section(project, "approval", ApprovalParams)
    changed = bool(changed_params(entries, product, commit))
    again = (
        headless_outcome(
            verdict, params, demo=is_demo_data(project, product, commit), changed=changed
        )
        if given.kind == "auto_approved"
        else outcome(given.answers, verdict, params, changed=changed)
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
    in_ledger = answers_to(entries, [str(name) for name in entry.data.get("questions", [])])
    if through_airflow != in_ledger:
        raise ConsentError(
            f"ledger entry {entry.seq} ({entry.kind}) names answers that stand under no question "
            "in the ledger; ask again"
        )
    asked = {question.hash: question for question in entries if question.kind == "question"}
    for name in entry.data.get("questions", []):
        question = asked.get(str(name))
        if question is not None and not _about_the_same(question, entry.data):
            raise ConsentError(
                f"ledger entry {entry.seq} ({entry.kind}) rests on an answer to question "
                f"{question.seq}, which was about something else; ask again"
            )


_ABOUT = ("run", "commit", "verdict", "evidence", "report")


def _about_the_same(question: Entry, data: dict[str, Any]) -> bool:
    return all(question.data.get(key) == data.get(key) for key in _ABOUT)


def _require_unused(entries: list[Entry], entry: Entry, stage: str) -> None:
    """Stop where a decision was carried out already."""
    for made, step in steps(entries, entry.subject):
        used = made.kind == "release" and step.stage == stage
        if used and step.approval.get("hash") == entry.hash:
            raise ConsentError(
                f"ledger entry {entry.seq} ({entry.kind}) allowed one release, which took place as "
                f"{step.name(entry.subject)} (ledger entry {made.seq}) and is not in {stage} any "
                f"more; to bring it back, decide anew: signalbox rollback --to {step.version}, or "
                "clear the task that asks"
            )


def asked_about_another(entries: list[Entry], candidate: Candidate) -> Entry | None:
    """Return the last question under a run's name that was about something else.

    Airflow shows a cleared task's question as it was worded first, browsers show it until they are
    reloaded, and a run that was deleted can be made again under its name. What people read and
    what they answer are the same only while a name stands for one thing.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    candidate : Candidate
        What is to be asked about.

    Returns
    -------
    Entry or None
    """
    now = candidate.as_data()
    for entry in reversed(entries):
        asked = entry.kind == "question" and entry.subject == candidate.product
        if asked and entry.data.get("run") == candidate.run and not _about_the_same(entry, now):
            return entry
    return None


def _why(found: Outcome) -> str:
    return " ".join(found.reasons) or found.policy

"""Questions to approvers and their answers, as the ledger holds them.

A question is written before anybody sees it and says exactly what is asked about: run, commit and
the hashes of the gate's evidence and of the report. An answer names the question's entry. What
follows reads both from here, and believes nothing that came another way.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.release.approval import Answer
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.releasing.candidate import Candidate

Asked = Literal["approval", "override", "confirmation"]
"""Release it; release it against the gate; the same, for the second person."""


def record_question(
    project: Path, candidate: Candidate, asked: Asked, approvers: list[str]
) -> Entry:
    """Write down what is asked, about what, and who may answer."""
    data = {"asked": asked, **candidate.as_data(), "approvers": approvers}
    return Ledger.of(project).append("question", candidate.product, data)


def open_question(entries: list[Entry], product: str, run: str, asked: Asked) -> Entry | None:
    """Return a run's last question of a sort: asking again makes the earlier one void."""
    for entry in reversed(entries):
        data = entry.data
        if (
            entry.kind == "question"
            and entry.subject == product
            and (data.get("run"), data.get("asked")) == (run, asked)
        ):
            return entry
    return None


def record_answer(project: Path, question: Entry, answer: Answer) -> Entry:
    """Write down an answer as Airflow's own record of it says; a question has one at most.

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
    """Return the entry with the answer to a question."""
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
    """Return the answers to questions, which are named by their entries' hashes, in that order."""
    asked = {entry.hash: entry for entry in entries if entry.kind == "question"}
    found = [answer_entry(entries, asked[name]) for name in questions if name in asked]
    return [read_answer(entry) for entry in found if entry is not None]

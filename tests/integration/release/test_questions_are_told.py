"""A question is told once, and a message that can't be sent changes nothing about it."""

import socket
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput, TaskDeferred

from pipelines.release.ledger import Ledger
from tests.integration.release.test_questions import Run, draw, said
from tests.support.smtp_server import MailServer, mail_server

__all__ = ["draw"]

MAIL = [{"by": "smtp", "to": ["ann@example.org"]}]
SENT = ("approve_release", "notified")
NOTE = "signalbox_note"


def asked(draw: Any, monkeypatch: pytest.MonkeyPatch, server: MailServer) -> Run:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", server.connection)
    run: Run = draw(notify=MAIL)
    run.start("review")
    run.question("approve_release")
    return run


def test_a_question_is_told_once_and_a_retry_tells_nothing(
    draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as server:
        run = asked(draw, monkeypatch, server)
        assert [mail["To"] for mail in server.mails] == ["ann@example.org"]
        assert run.xcoms[SENT] == {"1: smtp": "sent"}
        run.tries = (2, 1)
        with pytest.raises(TaskDeferred):
            run.ask("approve_release")
        assert len(server.mails) == 1
        run.tries = (2, 2)  # cleared: another question
        with pytest.raises(TaskAwaitingInput):
            run.ask("approve_release")
        assert len(server.mails) == 2


def test_nobody_is_told_where_nobody_is_named(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    assert SENT not in run.xcoms


def test_a_message_that_cannot_be_sent_leaves_question_and_ledger_as_they_are(
    draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        run = asked(draw, monkeypatch, MailServer(taken.getsockname()[1]))
    assert run.xcoms[SENT]["1: smtp"].startswith("not sent: ")
    assert run.last().kind == "question"
    assert Ledger.of(run.project).verify().ok
    run.resume("approve_release", said("alice"))
    assert run.last().kind == "approval"
    assert run.release()["version"] == "v1.0.0"
    assert run.xcoms["release", NOTE] == "released as v1.0.0"


def test_a_rejection_by_a_person_is_in_the_note_with_the_name_and_the_reason(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.answer("approve_release", "alice", "Reject", "The data are of last year.")
    note = run.xcoms["approve_release", NOTE]
    assert note.startswith("rejected: ")
    assert "The data are of last year." in note
    assert "alice" in note


def test_a_rejection_by_the_gate_is_in_the_note_with_its_checks(draw: Any) -> None:
    run = draw()
    run.start("reject")
    to = run.dag.get_task("verdict").python_callable(**run.context("verdict"))
    assert to == "release_rejected"
    assert run.xcoms["verdict", NOTE] == "rejected by the gate: of 1 checks 1 failed (ranking)"

"""People are told that a question waits; what can't be sent is said and stops nothing."""

import socket
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.release.approval import NotifyParams
from pipelines.release.lifecycle import Candidate
from pipelines.release.lifecycle.candidate import GateDecision
from signalbox_airflow.notify import Message, message_about, send, send_each
from tests.support.smtp_server import MailServer, mail_server

RUN = "manual__2026-11-30T10:00:00+00:00"
BASE = "https://flow.example.org/air/"
MAIL = NotifyParams(by="smtp", to=["ann@example.org", "bob@example.org"])
SENTENCE = "Ranking is 0.7 <b>and</b> {{ 7 * 7 }}."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server() as running:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", running.connection)
        yield running


def message(asked: Any = "approval") -> Message:
    decision = GateDecision(
        "review",
        {"ranking": "fail", "ratio": "inconclusive", "rows": "pass"},
        {"ranking": SENTENCE, "ratio": "The ratio is between 0.7 and 0.9."},
        "a" * 64,
    )
    run = f"model_release/{RUN.replace(':', '.')}"
    candidate = Candidate("model_release", run, "c" * 40, decision, "b" * 64)
    ti = SimpleNamespace(dag_id="model_release", run_id=RUN, task_id="approve_release")
    return message_about(candidate, asked, ti, base=BASE, seconds=259_200)


def test_a_mail_says_what_is_asked_why_and_where_to_answer(server: MailServer) -> None:
    assert send_each([MAIL], message(), {}) == {"1: smtp": "sent"}
    [mail] = server.mails
    assert mail["Subject"] == "Release model_release? The gate says review"
    assert mail["To"] == "ann@example.org, bob@example.org"
    assert mail["From"] == "signalbox@example.org"
    body = mail.get_body(("html",))
    assert body is not None
    text = body.get_content()
    assert "1 of 3 checks failed, 1 are inconclusive" in text
    assert "Without an answer within 72 hours nothing is released" in text
    assert "fail: ranking: Ranking is 0.7" in text
    assert "inconclusive: ratio: The ratio" in text
    where = "model_release/runs/manual__2026-11-30T10%3A00%3A00%2B00%3A00/tasks/approve_release"
    assert f'href="https://flow.example.org/air/dags/{where}/required_actions"' in text
    report = "signalbox/reports/model_release/manual__2026-11-30T10.00.00%2B00.00"
    assert f'href="https://flow.example.org/air/{report}"' in text


def test_what_comes_from_data_is_neither_markup_nor_template(server: MailServer) -> None:
    send_each([MAIL], message(), {})
    body = server.mails[0].get_body(("html",))
    assert body is not None
    assert "&lt;b&gt;and&lt;/b&gt; {{ 7 * 7 }}" in body.get_content()


def test_the_sender_can_be_named(server: MailServer) -> None:
    send_each([MAIL.model_copy(update={"sender": "releases@example.org"})], message(), {})
    assert server.mails[0]["From"] == "releases@example.org"


def test_an_override_is_asked_for_by_its_name() -> None:
    assert message("override").subject.startswith("Override the gate for model_release?")
    assert message("confirmation").subject.startswith("Confirm the override for model_release?")


def test_a_server_that_is_away_is_told_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT", MailServer(taken.getsockname()[1]).connection
        )
        told = send(MAIL, message(), {})
    assert told.startswith("not sent: ConnectionRefusedError")


def test_a_server_that_never_answers_is_left_and_the_others_are_told_all_the_same(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", MailServer(silent.getsockname()[1]).connection)
        ways = [MAIL.model_copy(update={"connection": "silent"}), MAIL]
        became = send_each(ways, message(), {}, patience=4)
    assert became["1: smtp"] == "no word within 2 s; perhaps sent"
    assert became["2: smtp"] == "sent"
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("by", "package"), [("slack", "slack"), ("slack_webhook", "slack"), ("apprise", "apprise")]
)
def test_a_provider_that_is_not_installed_is_named_with_the_extra_that_has_it(
    by: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"airflow.providers.{package}", None)
    told = send(NotifyParams(by=by, to=["#releases"] if by == "slack" else []), message(), {})
    assert f"needs apache-airflow-providers-{package}" in told
    assert f"pip install 'signalbox[{package}]'" in told


def provided(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> list[dict[str, Any]]:
    """Put a provider's notifier in its place; return the list of what it sends."""
    sent: list[dict[str, Any]] = []

    class Notifier:
        def __init__(self, **arguments: Any) -> None:
            self.arguments = arguments

        def notify(self, context: Any) -> None:
            sent.append(self.arguments)

    made = ModuleType(module)
    setattr(made, name, Notifier)
    parts = module.split(".")
    for end in range(3, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType("package"))
    monkeypatch.setitem(sys.modules, module, made)
    return sent


def test_slack_gets_a_message_a_channel_in_which_no_value_calls_anybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = provided(monkeypatch, "airflow.providers.slack.notifications.slack", "SlackNotifier")
    way = NotifyParams(by="slack", to=["#releases", "#ml"], connection="our_slack")
    loud = Message("Release?", ["fail: ranking: <!channel>"], [("Answer", "https://a.org/x?a=1")])
    assert send(way, loud, {}) == "sent"
    assert [one["channel"] for one in sent] == ["#releases", "#ml"]
    assert {one["slack_conn_id"] for one in sent} == {"our_slack"}
    assert sent[0]["text"] == "fail: ranking: &lt;!channel&gt;\n\nAnswer: https://a.org/x?a=1"


def test_webhook_and_apprise_go_where_their_connection_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slack = provided(
        monkeypatch, "airflow.providers.slack.notifications.slack_webhook", "SlackWebhookNotifier"
    )
    apprise = provided(
        monkeypatch, "airflow.providers.apprise.notifications.apprise", "AppriseNotifier"
    )
    ways = [NotifyParams(by="slack_webhook"), NotifyParams(by="apprise", connection="phones")]
    assert set(send_each(ways, message(), {}).values()) == {"sent"}
    assert set(slack[0]) == {"text"}
    assert set(apprise[0]) == {"title", "body", "apprise_conn_id"}
    assert apprise[0]["apprise_conn_id"] == "phones"
    assert SENTENCE in apprise[0]["body"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"by": "smtp"}, "smtp needs addresses"),
        ({"by": "slack"}, "slack needs channels"),
        ({"by": "apprise", "to": ["#x"]}, "goes where its connection says"),
        ({"by": "slack", "to": ["#x"], "sender": "a@b.c"}, "only mail"),
        ({"by": "pigeon"}, "'smtp', 'slack', 'slack_webhook' or 'apprise'"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_reason(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        NotifyParams.model_validate(wrong)

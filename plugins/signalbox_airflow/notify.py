"""Tell people that a question waits for them, by Airflow's own notifiers.

Sent once for each question, after it was asked; a retry that looks for the answer sends nothing.
Whatever goes wrong is said in the task's log and in its XCom `SENT`: neither question nor ledger
depend on it, and a server that hangs is left after `PATIENCE` seconds.

A notifier renders its fields as Jinja templates when it is called, and what is sent here comes from
data and people; so its ``notify`` is used, which takes them as they are.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from signalbox_airflow.notes import one_line
from signalbox_airflow.saved_runs import address

if TYPE_CHECKING:
    from pipelines.release.approval import NotifyParams
    from pipelines.release.lifecycle import Asked, Candidate

SENT = "notified"
"""XCom of the question's task: what became of each message."""
PATIENCE = 20.0
"""Seconds for all messages of a question together."""

_ASKED: "dict[Asked, str]" = {
    "approval": "Release",
    "override": "Override the gate for",
    "confirmation": "Confirm the override for",
}


@dataclass(frozen=True)
class Message:
    """What is sent.

    Attributes
    ----------
    subject
        One line.
    lines
        The text, line by line.
    links
        Label and address of the question and the report.
    """

    subject: str
    lines: Sequence[str]
    links: Sequence[tuple[str, str]]

    def text(self) -> str:
        """Return it as plain text."""
        return "\n".join([*self.lines, "", *(f"{label}: {href}" for label, href in self.links)])

    def html(self) -> str:
        """Return it as HTML."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines if line)
        links = "".join(
            f'<p><a href="{html.escape(href)}">{html.escape(label)}</a></p>'
            for label, href in self.links
        )
        return lines + links


def message_about(
    candidate: "Candidate", asked: "Asked", ti: Any, *, base: str, seconds: float
) -> Message:
    """Write the message about a question.

    Parameters
    ----------
    candidate
        What is asked about.
    asked
        The sort of question.
    ti
        The task that asks.
    base
        Airflow's own address (``api.base_url``), also one with a path.
    seconds
        How long the question waits.
    """
    decision = candidate.decision
    subject = one_line(f"{_ASKED[asked]} {candidate.product}? The gate says {decision.verdict}")
    lines = [
        subject,
        f"Run {candidate.run}, commit {candidate.commit[:12]}. "
        f"Without an answer within {seconds / 3600:g} hours nothing is released.",
        f"{len(decision.named('fail'))} of {len(decision.checks)} checks failed, "
        f"{len(decision.named('inconclusive'))} are inconclusive.",
    ]
    lines += [
        one_line(f"{decision.checks[check]}: {check}: {sentence}")
        for check, sentence in decision.sentences.items()
    ]
    dag, _, name = candidate.run.partition("/")
    top = base.rstrip("/")
    asking = "/".join(quote(part, safe="") for part in (ti.run_id, "tasks", ti.task_id))
    where = f"{top}/dags/{quote(ti.dag_id, safe='')}/runs/{asking}/required_actions"
    return Message(subject, lines, [("Answer", where), ("Report", top + address(dag, name))])


def _smtp(told: "NotifyParams", message: Message) -> Any:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=list(told.to),
        from_email=told.sender,
        subject=message.subject,
        html_content=message.html(),
        **_connection("smtp_conn_id", told),
    )


def _slack(told: "NotifyParams", message: Message) -> list[Any]:
    from airflow.providers.slack.notifications.slack import SlackNotifier

    text = _slack_text(message)
    return [
        SlackNotifier(channel=channel, text=text, **_connection("slack_conn_id", told))
        for channel in told.to
    ]


def _slack_webhook(told: "NotifyParams", message: Message) -> Any:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    return SlackWebhookNotifier(
        text=_slack_text(message), **_connection("slack_webhook_conn_id", told)
    )


def _slack_text(message: Message) -> str:
    """Return the text without Slack's own marks, by which a value could call a whole channel."""
    return html.escape(message.text(), quote=False)


def _apprise(told: "NotifyParams", message: Message) -> Any:
    from airflow.providers.apprise.notifications.apprise import AppriseNotifier

    return AppriseNotifier(
        title=message.subject, body=message.text(), **_connection("apprise_conn_id", told)
    )


def _connection(argument: str, told: "NotifyParams") -> dict[str, str]:
    return {} if told.connection is None else {argument: told.connection}


NOTIFIERS: dict[str, tuple[Callable[["NotifyParams", Message], Any], str, str]] = {
    "smtp": (_smtp, "apache-airflow-providers-smtp", ""),
    "slack": (_slack, "apache-airflow-providers-slack", "slack"),
    "slack_webhook": (_slack_webhook, "apache-airflow-providers-slack", "slack"),
    "apprise": (_apprise, "apache-airflow-providers-apprise", "apprise"),
}
"""What makes a notifier; the package that has it, and the extra of Signalbox that installs it."""


def send(told: "NotifyParams", message: Message, context: Any) -> str:
    """Send a message in one way; return ``sent``, or why it wasn't.

    Parameters
    ----------
    told
        One entry of ``approval.notify``.
    message
        What is sent.
    context
        Airflow's, of the task that asks.
    """
    make, package, extra = NOTIFIERS[told.by]
    try:
        made = make(told, message)
        for notifier in made if isinstance(made, list) else [made]:
            notifier.notify(context)
    except ImportError as error:
        install = f"signalbox[{extra}]" if extra else package
        return f"not sent: {told.by} needs {package}: pip install '{install}' ({error})"
    except Exception as error:  # a message that isn't sent must not stop the release path
        return one_line(f"not sent: {type(error).__name__}: {error}")
    return "sent"


def send_each(
    ways: "Sequence[NotifyParams]", message: Message, context: Any, patience: float = PATIENCE
) -> dict[str, str]:
    """Send a message in every way, one after the other; return what became of each.

    A way that takes longer than its share of `patience` is left to itself, and the next one tried.
    Not all at once: threads that import Airflow's providers together lock each other out.

    Returns
    -------
    Way, as ``approval.notify`` has it → ``sent``, or why it wasn't.
    """
    share = patience / max(len(ways), 1)
    became: dict[str, str] = {}
    for number, way in enumerate(ways, start=1):
        name = f"{number}: {way.by}"
        became[name] = f"no word within {share:g} s; perhaps sent"
        # Ends with the process: a server that never answers holds nothing up.
        sending = Thread(
            target=lambda n=name, w=way: became.update({n: send(w, message, context)}), daemon=True
        )
        sending.start()
        sending.join(share)
    return dict(became)

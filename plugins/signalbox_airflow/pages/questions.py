"""What waits for an answer, and the way to Airflow's page where it is given."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup

from pipelines.release.lifecycle import Waiting, title_of
from pipelines.reporting.blocks import Text, Tone, join, name
from signalbox_airflow.pages.layout import airflow_link, since, when, word
from signalbox_airflow.release_path import APPROVE, CONFIRM, OVERRIDE

VERDICTS: dict[str, Tone] = {"approve": "good", "review": "open", "reject": "bad"}
_TASKS = {"approval": APPROVE, "override": OVERRIDE, "confirmation": CONFIRM}
_ASKED = {
    "approval": "{}: release it?",
    "override": "{}: override the gate?",
    "confirmation": "{}: confirm the override?",
}


def question_address(question: Waiting) -> str:
    """Return the address of Airflow's form; of the list of all questions if the run isn't known."""
    task = _TASKS.get(question.asked)
    if not (question.dag and question.run_id and task):
        return "/required_actions?response_received=false"
    dag, run = quote(question.dag, safe=""), quote(question.run_id, safe="")
    return f"/dags/{dag}/runs/{run}/tasks/{task}/required_actions"


def verdict(said: str) -> Text:
    """Write what the gate says."""
    return word(VERDICTS[said], said) if said in VERDICTS else (said or "–")


def question_line(question: Waiting, user: str, now: datetime) -> Markup:
    """Write a question with the way to its form, and who may answer."""
    title = _ASKED.get(question.asked, "{}: answer it").format(title_of(question.product))
    who: Sequence[object] = question.approvers
    mine = word("open", "waits for you") if user in question.approvers else ""
    others = Markup(", ").join(name(login) for login in who) or "nobody is named"
    return join(
        airflow_link(question_address(question), title), " ", mine, Markup("<br>"),
        "The gate says ", verdict(question.verdict), "; ", since(question.since, now),
        ", until ", when(question.until), ". May answer: ", others, ".",
    )  # fmt: skip

"""Answer a release DAG's question: by the demo's policy, in the terminal, or later.

The answer goes to Airflow over its API, with the login of the project's own Airflow, and counts as
any answer given there: Airflow knows who gave it, and the ledger says so.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.cli.airflow_api import AirflowApi
from pipelines.cli.airflow_stack import PROJECT, USER
from pipelines.core.project import dag_id
from pipelines.release.approval import AUTO_APPROVE_DEMO, ApprovalParams, Outcome
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import (
    Asked,
    answer_entry,
    is_demo_data,
    last_run_outcome,
    open_question,
    production,
    read_candidate,
)

TASKS: dict[str, Asked] = {
    "approve_release": "approval",
    "override_release": "override",
    "confirm_override": "confirmation",
}
"""Task that asks → what the ledger calls the question."""

_CHOICES = ("approve", "reject", "later")


def saved_run(entries: Sequence[Entry], dag: str, run: str) -> str:
    """Name under ``refs/runs`` that the ledger gives a run of Airflow; empty if it has none."""
    for entry in reversed(entries):
        data = entry.data
        if entry.kind == "run" and (data.get("dag"), data.get("run_id")) == (dag, run):
            return str(data["run"]) if data.get("commit") else ""
    return ""


def answer_question(console: Console, api: AirflowApi, product: str, run: str, task: str) -> bool:
    """Answer the question that a task asks; say whether that was done.

    The policy ``auto_approve_demo`` answers for the bundled demo's data. Otherwise somebody at the
    terminal is asked; where there is nobody, the question stays open and nothing is released.
    """
    entries = Ledger.of(PROJECT).entries()
    dag = dag_id(PROJECT, product)
    name = saved_run(entries, dag, run)
    question = open_question(entries, product, name, TASKS[task])
    if question is None:
        return False
    if _policy_answers(product, question):
        api.answer(dag, run, task, approve=True, reason=AUTO_APPROVE_DEMO)
        console.print(
            f"  {task}: approved by the policy {AUTO_APPROVE_DEMO}; nobody was asked", markup=False
        )
        return True
    approvers = question.data["approvers"]
    if USER not in approvers or not (sys.stdin.isatty() and console.is_terminal):
        return False
    return _ask(console, api, question, run, task)


def _policy_answers(product: str, question: Entry) -> bool:
    policy = load_section(PROJECT, "approval", ApprovalParams)
    return (
        policy.headless == AUTO_APPROVE_DEMO
        and question.data["asked"] == "approval"
        and USER in policy.approvers
        and is_demo_data(PROJECT, product, str(question.data["commit"]))
    )


def _ask(console: Console, api: AirflowApi, question: Entry, run: str, task: str) -> bool:
    """Ask whoever sits at the terminal."""
    from rich.prompt import Prompt

    product = question.subject
    decision = read_candidate(PROJECT, product, str(question.data["commit"])).decision
    console.rule(f"{task}: the gate says {decision.verdict}")
    for check, sentence in decision.sentences.items():
        console.print(f"  {check}: {sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"You answer as {USER}; the answer and your reason go to the ledger.")
    chosen = Prompt.ask("Release it?", choices=list(_CHOICES), default="later", console=console)
    if chosen == "later":
        return False
    reason = Prompt.ask("Reason", default="", console=console)
    api.answer(
        dag_id(PROJECT, product), run, task, approve=chosen == "approve", reason=reason or None
    )
    return True


def outcome_lines(project: Path, product: str, run: str) -> list[str]:
    """Say who or what approved a run, and what was released; all of it from ledger and tags.

    Parameters
    ----------
    run
        Id of the run in Airflow.
    """
    entries = Ledger.of(project).entries()
    name = saved_run(entries, dag_id(project, product), run)
    entry = last_run_outcome(entries, product, name)
    if entry is not None:
        found = Outcome.model_validate(entry.data["outcome"])
        told = (
            f"approval: {found.kind.replace('_', ' ')} – {found.policy} {' '.join(found.reasons)}"
        )
        return [told.rstrip(), f"release:  {_released(project, product, entry)}"]
    asked = [
        question
        for sort in TASKS.values()
        if (question := open_question(entries, product, name, sort)) is not None
        and answer_entry(entries, question) is None
    ]
    if asked:
        who = ", ".join(asked[-1].data["approvers"])
        return [
            f"approval: waits for an answer of {who}",
            "release:  none, until somebody answers: in Airflow, or with",
            f"          signalbox answer {product} --run '{run}' --approve (or --reject)",
        ]
    now = production(project, product)
    if now is not None and entries and _same_artifacts(project, product, entries, name):
        return [f"approval: not needed, these artifacts are in production as {now.name}",
                "release:  none"]  # fmt: skip
    return ["approval: nobody was asked", "release:  none"]


def _released(project: Path, product: str, outcome: Entry) -> str:
    now = production(project, product)
    if now is None or now.commit != outcome.data["commit"]:
        return "none"
    return f"{now.name} is in production"


def _same_artifacts(project: Path, product: str, entries: Sequence[Entry], name: str) -> bool:
    from pipelines.release.lifecycle import last_run, same_artifacts

    entry = last_run(list(entries), product, name)
    return entry is not None and bool(same_artifacts(project, product, str(entry.data["commit"])))

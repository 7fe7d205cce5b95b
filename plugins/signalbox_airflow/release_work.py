"""What the tasks do; imported when they run, so that reading the DAG stays cheap.

Nothing here that decides comes from XComs, task states or the run's conf, which every user of role
op can write. The run's commit comes from git, the verdict from the commit, questions and answers
from the ledger, and who answered from Airflow's own record of the answer.
"""

from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from dvc_airflow.runtime.run_key import RUNS, RunKey
from dvc_airflow.runtime.save import read_overrides, read_saved
from pipelines.core.errors import SignalboxError
from pipelines.release.approval import (
    AUTO_APPROVE_DEMO,
    Answer,
    ApprovalParams,
    Outcome,
    headless_outcome,
    outcome,
)
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import (
    Asked,
    Candidate,
    answer_entry,
    is_demo_data,
    open_question,
    production,
    read_answer,
    record_gate,
    record_outcome,
    record_refusal,
    record_run,
    recorded_candidate,
    release,
    require_ready,
)
from signalbox_airflow.report_page import address


def run_name(context: Any) -> str:
    """Name of the run that a task belongs to, as under ``refs/runs``."""
    return _key(context).ref(RUNS).removeprefix(f"{RUNS}/")


def _key(context: Any) -> RunKey:
    return RunKey(str(context["ti"].dag_id), str(context["ti"].run_id))


def record(project: Path, product: str, saved_task: str, context: Any) -> dict[str, Any]:
    """Log run and gate; return what the run's page shows.

    Raises
    ------
    AirflowFailException
        If the run wasn't saved (it failed): it is logged, and nothing after it runs.
    """
    ti, run = context["ti"], run_name(context)
    facts: dict[str, Any] = {"dag": ti.dag_id, "run_id": ti.run_id}
    saved = read_saved(project, _key(context))
    if saved is None or not ti.xcom_pull(task_ids=saved_task):  # an earlier try may have saved one
        record_run(project, product, run=run, commit=None, facts={**facts, "state": "failed"})
        raise AirflowFailException("the run failed; that is in the ledger, and nothing is released")
    facts |= {"state": "saved", "overrides": read_overrides(project, saved.commit)}
    try:
        record_run(project, product, run=run, commit=saved.commit, facts=facts)
        decision = record_gate(project, product, saved.commit, run)
    except SignalboxError as error:
        raise AirflowFailException(str(error)) from None  # nothing a retry would mend
    return {"run": run, "commit": saved.commit, "verdict": decision.verdict}


def candidate_of(project: Path, product: str, context: Any) -> Candidate:
    """Read what the run saved, from ledger and git.

    Raises
    ------
    AirflowFailException
        If it isn't what was recorded; that goes to the ledger.
    """
    run = run_name(context)
    try:
        return recorded_candidate(project, product, run)
    except SignalboxError as error:
        record_refusal(project, product, run=run, reason=str(error))
        raise AirflowFailException(str(error)) from None


def question(candidate: Candidate) -> str:
    """Return what an approver must know to decide, as Markdown."""
    decision = candidate.decision
    lines = [f"The gate says **{decision.verdict}**.", ""]
    for verdict in ("fail", "inconclusive"):
        named = decision.named(verdict)
        lines.append(f"**{verdict}: {len(named)} of {len(decision.checks)} checks**")
        lines += [f"- `{check}`: {decision.sentences[check]}" for check in named]
        lines.append("")
    dag, _, name = candidate.run.partition("/")
    lines += [
        f"[Read the report]({address(dag, name)})",
        "",
        f"Run `{candidate.run}`, commit `{candidate.commit}`, evidence "
        f"`{decision.sha256[:12]}`, report `{candidate.report[:12]}`. What you answer goes to the "
        "ledger with your name, beside these.",
    ]
    return "\n".join(lines)


def hindrance(project: Path) -> str:
    """Say why nothing can be released from this repository; empty if something can."""
    try:
        require_ready(project)
    except SignalboxError as error:
        return str(error)
    return ""


def answer_of(event: dict[str, Any], approve: str) -> Answer:
    """Return the answer in Airflow's record of it, under the name the person logged in with.

    Parameters
    ----------
    event
        What Airflow resumes a waiting task with: its human-in-the-loop record, filled in by its
        API server from the login of whoever answered. No other API writes it.
    """
    who = event.get("responded_by_user") or {}
    return Answer(
        who=str(who.get("id", "")),
        approves=event["chosen_options"] == [approve],
        reason=str((event.get("params_input") or {}).get("reason") or ""),
        at=event["responded_at"].isoformat(),
    )


def asked_of(project: Path, candidate: Candidate, asked: Asked) -> Entry | None:
    """Return the ledger's last question of a sort about the run."""
    return open_question(Ledger.of(project).entries(), candidate.product, candidate.run, asked)


def answer_in_ledger(project: Path, question: Entry | None) -> Answer | None:
    """Return the answer that the ledger holds to a question."""
    entry = None if question is None else answer_entry(Ledger.of(project).entries(), question)
    return None if entry is None else read_answer(entry)


def decide(
    project: Path, candidate: Candidate, answers: list[Answer], *, timed_out: bool
) -> Outcome:
    """Say what the answers come to, by the policy as it is now."""
    params = load_section(project, "approval", ApprovalParams)
    verdict = candidate.decision.verdict
    if not timed_out and [(a.approves, a.reason) for a in answers] == [(True, AUTO_APPROVE_DEMO)]:
        listed = outcome(answers, verdict, params)  # also the policy needs an approver's login
        if not listed.releases:
            return listed
        return headless_outcome(
            verdict,
            params,
            demo=is_demo_data(project, candidate.product, candidate.commit),
            hindrance=hindrance(project),
            answers=answers,
        )
    return outcome(answers, verdict, params, timed_out=timed_out)


def log_outcome(
    project: Path, candidate: Candidate, found: Outcome, questions: list[Entry]
) -> dict[str, Any]:
    """Write the outcome to the ledger; return what the task's page shows."""
    entry = record_outcome(project, candidate, found, [question.hash for question in questions])
    outcome_data = {**found.model_dump(mode="json"), "releases": found.releases}
    return {**outcome_data, "entry": entry.seq, "hash": entry.hash}


def release_recorded(project: Path, product: str, context: Any) -> dict[str, Any]:
    """Release the run's commit; a repeated task finds it released and is content.

    Raises
    ------
    AirflowFailException
        If the ledger holds no consent to just this run, commit, evidence and report. Nothing is
        released then, and the ledger says why.
    """
    candidate = candidate_of(project, product, context)
    try:
        now = production(project, product)
        if now is not None and now.commit == candidate.commit:
            print(f"{now.name} is in production already")
            return {"name": now.name, "commit": now.commit}
        done = release(project, product, candidate.commit, run=candidate.run)
    except SignalboxError as error:
        record_refusal(project, product, run=candidate.run, reason=str(error))
        raise AirflowFailException(str(error)) from None  # nothing a retry would mend
    print(f"{product} {done.version} is in {done.stage}; tags: {', '.join(done.tags)}")
    for warning in done.warnings:
        print(f"warning: {warning}")
    return done.model_dump(mode="json")

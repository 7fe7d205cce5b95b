"""What the tasks do; imported when they run, so that reading the DAG stays cheap."""

from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from pipelines.base.errors import SignalboxError
from pipelines.release.approval import (
    Answer,
    ApprovalParams,
    Outcome,
    headless_outcome,
    outcome,
    question_needed,
)
from pipelines.release.config import load_section
from pipelines.release.releasing import (
    production,
    record_gate,
    record_outcome,
    record_run,
    release,
    require_ready,
)
from pipelines.release.releasing.decision import GateDecision
from pipelines.release.releasing.files import CommitFiles
from release_path.report_page import address


def record(project: Path, product: str, saved_task: str, context: Any) -> dict[str, Any]:
    """Log run and gate; return what the next tasks need.

    Raises
    ------
    AirflowFailException
        If the run wasn't saved (it failed): it is logged, and nothing after it runs.
    """
    ti = context["ti"]
    saved = ti.xcom_pull(task_ids=saved_task)
    facts: dict[str, Any] = {"dag": ti.dag_id, "run_id": ti.run_id, "headless": _headless(context)}
    if not saved:
        facts |= {"state": "failed"}
        record_run(project, product, run=f"{ti.dag_id}/{ti.run_id}", commit=None, facts=facts)
        raise AirflowFailException("the run failed; that is in the ledger, and nothing is released")
    run, commit = saved["ref"].removeprefix("refs/runs/"), saved["commit"]
    facts |= {
        "state": "saved",
        "overrides": saved["overrides"],
        "statuses": saved["statuses"],
    }
    try:
        return _record_saved(project, product, run, commit, facts)
    except SignalboxError as error:
        raise AirflowFailException(str(error)) from None  # nothing a retry would mend


def _record_saved(
    project: Path, product: str, run: str, commit: str, facts: dict[str, Any]
) -> dict[str, Any]:
    record_run(project, product, run=run, commit=commit, facts=facts)
    decision = record_gate(project, product, commit, run)
    dag, _, name = run.partition("/")
    return {
        "run": run,
        "commit": commit,
        "verdict": decision.verdict,
        "question": question(decision, run, commit, address(dag, name)),
        "same_as": same_artifacts(project, product, commit),
    }


def same_artifacts(project: Path, product: str, commit: str) -> str:
    """Name of the release in production if its artifacts are those of the commit; else empty."""
    now = production(project, product)
    if now is None:
        return ""
    files = CommitFiles(project, commit)
    same = all(files.sha256(path) == sha256 for path, sha256 in now.artifacts.items())
    return now.name if same else ""


def question(decision: GateDecision, run: str, commit: str, report: str) -> str:
    """Return what an approver must know to decide, as Markdown."""
    lines = [f"The gate says **{decision.verdict}**.", ""]
    for verdict in ("fail", "inconclusive"):
        named = decision.named(verdict)
        lines.append(f"**{verdict}: {len(named)} of {len(decision.checks)} checks**")
        lines += [f"- `{check}`: {decision.sentences[check]}" for check in named]
        lines.append("")
    lines += [
        f"[Read the report]({report})",
        "",
        f"Run `{run}`, commit `{commit}`. What you answer goes to the ledger with your name.",
    ]
    return "\n".join(lines)


def without_question(
    project: Path, recorded: dict[str, Any], context: Any
) -> dict[str, Any] | None:
    """Return the outcome where nobody has to be asked; None where somebody has to."""
    params = load_section(project, "approval", ApprovalParams)
    verdict = recorded["verdict"]
    if _headless(context):
        found = headless_outcome(verdict, params, hindrance(project))
        return found.model_dump(mode="json")
    if question_needed(verdict, params) == "none":
        return outcome([], verdict, params).model_dump(mode="json")
    return None


def hindrance(project: Path) -> str:
    """Say why nothing can be released from this repository; empty if something can."""
    try:
        require_ready(project)
    except SignalboxError as error:
        return str(error)
    return ""


def answer_of(event: dict[str, Any], approve: str) -> dict[str, Any]:
    """Return the answer in Airflow's event, under the name the person logged in with."""
    who = event.get("responded_by_user") or {}
    return Answer(
        who=str(who.get("id", "")),
        approves=event["chosen_options"] == [approve],
        reason=str((event.get("params_input") or {}).get("reason") or ""),
        at=event["responded_at"].isoformat(),
    ).model_dump(mode="json")


def decide(
    project: Path, verdict: str, answers: list[dict[str, Any]], *, timed_out: bool
) -> dict[str, Any]:
    """Say what the answers come to, by the policy as it is now."""
    params = load_section(project, "approval", ApprovalParams)
    given = [Answer.model_validate(one) for one in answers]
    found = outcome(given, verdict, params, timed_out=timed_out)  # type: ignore[arg-type]
    return found.model_dump(mode="json")


def log_outcome(
    project: Path, product: str, recorded: dict[str, Any], decided: dict[str, Any]
) -> dict[str, Any]:
    """Write the outcome to the ledger."""
    found = Outcome.model_validate(decided)
    entry = record_outcome(
        project,
        product,
        commit=recorded["commit"],
        verdict=recorded["verdict"],
        outcome=found,
        run=recorded["run"],
    )
    return {**decided, "releases": found.releases, "entry": entry.seq, "hash": entry.hash}


def release_recorded(project: Path, product: str, record_task: str, context: Any) -> dict[str, Any]:
    """Release the run's commit; a repeated task finds it released and is content."""
    recorded = context["ti"].xcom_pull(task_ids=record_task)
    try:
        now = production(project, product)
        if now is not None and now.commit == recorded["commit"]:
            print(f"{now.name} is in production already")
            return {"name": now.name, "commit": now.commit}
        done = release(project, product, recorded["commit"])
    except SignalboxError as error:
        raise AirflowFailException(str(error)) from None  # nothing a retry would mend
    print(f"{product} {done.version} is in {done.stage}; tags: {', '.join(done.tags)}")
    return done.model_dump(mode="json")


def _headless(context: Any) -> bool:
    """Whether nobody watches this run: ``signalbox run`` says so when it starts one."""
    return (context["dag_run"].conf or {}).get("headless") is True

"""What the tasks do; imported when they run, so that reading the DAG stays cheap.

Nothing here that decides comes from XComs, task states or the run's conf, which everybody can write
who may start a run (roles user, op and admin). The run's commit comes from git, the verdict from
the commit, questions and answers from the ledger, and who answered from Airflow's own record of
the answer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from dvc_airflow.runtime.facts import facts_path, read_facts
from dvc_airflow.runtime.run_key import RUNS, RunKey
from dvc_airflow.runtime.save import read_overrides, read_saved
from pipelines.core.errors import SignalboxError
from pipelines.core.git import git, git_or_none
from pipelines.release.approval import (
    AUTO_APPROVE_DEMO,
    Answer,
    ApprovalParams,
    Outcome,
    answered_in_time,
    headless_outcome,
    outcome,
)
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import (
    CODE,
    Asked,
    Candidate,
    answer_entry,
    asked_about_another,
    changed_params,
    is_demo_data,
    last_run,
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
from signalbox_airflow.notes import leave
from signalbox_airflow.saved_runs import address

_SHOWN = 300
"""Characters that a question shows of a changed parameter."""


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
        leave(context, "nothing is released: the run failed before its gate")
        raise AirflowFailException("the run failed; that is in the ledger, and nothing is released")
    facts |= {"state": "saved", "overrides": overrides_of(project, saved.commit)}
    if code := foreign_code(project, saved.commit, _opened_with(saved_task, context)):
        facts[CODE] = code
    try:
        _require_own_name(project, product, run, context)
        record_run(project, product, run=run, commit=saved.commit, facts=facts)
        decision = record_gate(project, product, saved.commit, run)
    except SignalboxError as error:
        raise AirflowFailException(str(error)) from None  # nothing a retry would mend
    return {"run": run, "commit": saved.commit, "verdict": decision.verdict}


def overrides_of(project: Path, commit: str) -> dict[str, Any]:
    """Return the parameters that were changed for a saved run, and for runs that it was made of.

    A run can be based on the commit of another: then that one's changes are in its files, and its
    own message doesn't say so.
    """
    found: dict[str, Any] = {}
    for run in _runs_in(project, commit)[:-1]:
        found = {**read_overrides(project, run), **found}
    return found


def foreign_code(project: Path, commit: str, opened_with: str) -> str:
    """Return the commit that a saved run was made from, if it is an unexpected one; else ''.

    Expected is one in the history of the branch, or that with which the run's first task says on
    this machine's disk that it began: a snapshot of the work tree.
    """
    base = _runs_in(project, commit)[-1]
    known = git_or_none(project, "merge-base", "--is-ancestor", base, "HEAD") is not None
    return "" if known or base == opened_with else base


def _runs_in(project: Path, commit: str) -> list[str]:
    """Return a saved run's commit, those of the runs below it, and the commit all were made from.

    A commit that no run of Airflow saved is its own and only one.
    """
    found = [commit]
    while "\nRun-Id: " in git(project, "show", "--no-patch", "--format=%B", found[-1]):
        parent = git_or_none(project, "rev-parse", "--verify", "--quiet", f"{found[-1]}^")
        if not parent:
            break
        found.append(parent)
    return found


def _opened_with(saved_task: str, context: Any) -> str:
    """Return the commit that the run began with, as this machine's disk has it; '' if it hasn't."""
    workspaces = getattr(context["task"].dag.get_task(saved_task), "workspaces", None)
    if workspaces is None:
        return ""
    return str(read_facts(facts_path(_key(context), Path(workspaces))).get("commit", ""))


def candidate_of(project: Path, product: str, context: Any) -> Candidate:
    """Read what the run saved, from ledger and git.

    Raises
    ------
    AirflowFailException
        If it isn't what was recorded; that goes to the ledger.
    """
    run = run_name(context)
    try:
        _require_own_name(project, product, run, context)
        return recorded_candidate(project, product, run)
    except SignalboxError as error:
        record_refusal(project, product, run=run, reason=str(error))
        raise AirflowFailException(str(error)) from None


def _require_own_name(project: Path, product: str, run: str, context: Any) -> None:
    """Stop where another run is in the ledger under the run's name: ids are chosen by people."""
    known = last_run(Ledger.of(project).entries(), product, run)
    ours = {"dag": str(context["ti"].dag_id), "run_id": str(context["ti"].run_id)}
    if known is None or all(known.data.get(key, value) == value for key, value in ours.items()):
        return
    raise SignalboxError(
        f"run {ours['run_id']!r} has the same name ({run}) as run {known.data.get('run_id')!r} of "
        f"ledger entry {known.seq}; start a run with another id"
    )


def params_changed_for(project: Path, candidate: Candidate) -> dict[str, Any]:
    """Return the parameters that were changed for the run, as the ledger has them."""
    entries = Ledger.of(project).entries()
    return changed_params(entries, candidate.product, candidate.commit)


def other_question(project: Path, candidate: Candidate) -> str:
    """Say why nobody can be asked in this run; empty if somebody can."""
    other = asked_about_another(Ledger.of(project).entries(), candidate)
    if other is None:
        return ""
    return (
        f"run {candidate.run} asked about commit {str(other.data.get('commit'))[:12]} already "
        f"(ledger entry {other.seq}), and is {candidate.commit[:12]} now; who is asked would still "
        "read the earlier question: start a new run"
    )


def refused(project: Path, product: str, run: str, reason: str) -> AirflowFailException:
    """Log why nothing is released; return the error that ends the task, which no retry mends."""
    try:
        record_refusal(project, product, run=run, reason=reason)
    except SignalboxError as error:  # a ledger that was changed takes no entries
        return AirflowFailException(f"{reason}; and the ledger cannot say so: {error}")
    return AirflowFailException(reason)


def question(
    candidate: Candidate, changed: Mapping[str, Any] | None = None, first: Answer | None = None
) -> str:
    """Return what an approver must know to decide, as Markdown.

    Parameters
    ----------
    changed
        Parameters that were changed for the run.
    first
        Who overrides the gate, where a second person is asked to confirm that.
    """
    decision = candidate.decision
    lines = [f"The gate says **{decision.verdict}**.", ""]
    if first is not None:
        said = f"`{_short(first.who)}` overrides it, and says: `{_short(first.reason)}`"
        lines += [said, ""]
    changed = dict(changed or {})
    if code := changed.pop(CODE, ""):
        lines += [f"**It ran code that isn't in the branch's history: commit `{code}`.**", ""]
    if changed:
        lines.append("**Whoever started this run changed its parameters:**")
        lines += [f"- `{key}` = `{_short(value)}`" for key, value in sorted(changed.items())]
        lines.append("")
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


def _short(value: Any) -> str:
    """Put a value on one line, in characters that end no Markdown code."""
    text = json.dumps(value, ensure_ascii=False).replace("`", "'")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


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


def timing_of(project: Path, asked: Entry, answer: Answer) -> str:
    """Say whether an answer came ``before`` its question or too ``late``; empty if in time."""
    params = load_section(project, "approval", ApprovalParams)
    return answered_in_time(asked.time, answer, params.timeout_seconds)


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
    changed = bool(params_changed_for(project, candidate))
    if not timed_out and [(a.approves, a.reason) for a in answers] == [(True, AUTO_APPROVE_DEMO)]:
        # Also the policy needs an approver's login.
        listed = outcome(answers, verdict, params, changed=changed)
        if not listed.releases:
            return listed
        return headless_outcome(
            verdict,
            params,
            demo=is_demo_data(project, candidate.product, candidate.commit),
            hindrance=hindrance(project),
            answers=answers,
            changed=changed,
        )
    return outcome(answers, verdict, params, timed_out=timed_out, changed=changed)


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
        leave(context, f"not released: {error}")
        raise refused(project, product, candidate.run, str(error)) from None
    leave(context, f"released as {done.version}")
    print(f"{product} {done.version} is in {done.stage}; tags: {', '.join(done.tags)}")
    for warning in done.warnings:
        print(f"warning: {warning}")
    return done.model_dump(mode="json")

"""A git repository that holds what a pipeline run leaves, in bytes instead of megabytes."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from pipelines.release.approval import Answer, ApprovalParams, Outcome, headless_outcome, outcome
from pipelines.release.config import load_section
from pipelines.release.gating import Decision
from pipelines.release.ledger import Entry
from pipelines.release.lifecycle import (
    Candidate,
    Done,
    record_answer,
    record_outcome,
    record_question,
    release,
)
from pipelines.release.lifecycle.candidate import GateDecision
from pipelines.release.products import registered

PRODUCT = "model_release"
APPROVERS = ["alice", "bob"]
REPORT = "reports/model_release.html"
ARTIFACTS = {
    "models/model.skops": "model {n}",
    "models/model.json": "info {n}",
    "data/split/train.parquet": "rows {n}",
}


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=project, check=True, capture_output=True, text=True
    ).stdout.strip()


def make_project(place: Path, **approval: Any) -> Path:
    """Make a repository on branch main, with identity and policy, without a run."""
    place.mkdir(parents=True)
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "config", "user.name", "Rel Easer")
    git(place, "config", "user.email", "rel@example.org")
    section = {"approvers": APPROVERS, **approval}
    (place / "release.yaml").write_text(yaml.safe_dump({"approval": section}))
    (place / "released").mkdir()
    (place / "released/model_release.json").write_text('{"released": null}')
    commit(place, "project")
    return place


def commit(project: Path, message: str) -> str:
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(project, "rev-parse", "HEAD")


def make_run(project: Path, n: int, verdict: str = "approve", *, demo: bool = False) -> str:
    """Commit what run `n` made: artifacts, gate decision, report, dvc.lock.

    Parameters
    ----------
    demo
        Whether its evidence names the bundled demo's data; else it names other data.
    """
    judged = {"approve": "pass", "review": "inconclusive", "reject": "fail"}[verdict]
    files = {path: text.format(n=n) for path, text in ARTIFACTS.items()}
    checks = [{"id": "ranking", "verdict": judged, "sentence": f"Ranking: {judged}."}]
    files["evidence/gate.json"] = json.dumps({"details": {"decision": verdict, "checks": checks}})
    files["metrics/gate.json"] = json.dumps({"verdict": verdict, "run": n})
    bundled = registered()[PRODUCT].demo
    assert bundled is not None
    data = sorted(bundled.sha256) if demo else ["0" * 64]
    inputs = {f"data/part-{number}.csv": sha256 for number, sha256 in enumerate(data)}
    files["evidence/ingest.json"] = json.dumps({"inputs": inputs})
    files[REPORT] = f"<title>run {n}</title>"
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    write_lock(project, list(files))
    return commit(project, f"run {n}")


def write_lock(project: Path, paths: list[str]) -> None:
    outs = [{"path": p, "md5": hashlib.md5((project / p).read_bytes()).hexdigest()} for p in paths]
    lock = {"schema": "2.0", "stages": {"all": {"cmd": "true", "outs": outs}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))


def consent(project: Path, commit: str, verdict: Decision = "approve", *answers: Answer) -> Entry:
    """Log what the answers come to; alice approves if there are none."""
    given = answers or (Answer(who="alice", approves=True),)
    params = load_section(project, "approval", ApprovalParams)
    decided = outcome(given, verdict, params)
    questions = [ask(project, commit, verdict, answer) for answer in given]
    return record_outcome(project, candidate(project, commit, verdict), decided, questions)


def ask(project: Path, commit: str, verdict: Decision, answer: Answer) -> str:
    """Log a question and its answer; return the question's hash."""
    asked = record_question(project, candidate(project, commit, verdict), "approval", APPROVERS)
    record_answer(project, asked, answer)
    return asked.hash


def candidate(project: Path, commit: str, verdict: Decision) -> Candidate:
    """Return what an approver of a commit is shown, whatever ``dvc.lock`` says of it."""
    evidence, report = (
        hashlib.sha256(git(project, "show", f"{commit}:{path}").encode()).hexdigest()
        for path in ("evidence/gate.json", REPORT)
    )
    return Candidate(PRODUCT, "r", commit, GateDecision(verdict, {}, {}, evidence), report)


def consent_headless(
    project: Path, commit: str, verdict: Decision, *, demo: bool = True
) -> tuple[Outcome, Entry]:
    params = load_section(project, "approval", ApprovalParams)
    decided = headless_outcome(verdict, params, demo=demo)
    return decided, record_outcome(project, candidate(project, commit, verdict), decided)


def release_run(project: Path, n: int) -> Done:
    """Make run `n`, approve and release it, commit what that changed."""
    made = make_run(project, n)
    consent(project, made)
    done = release(project, PRODUCT, made)
    commit(project, f"release {done.version}")
    return done

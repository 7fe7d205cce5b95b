"""A git repository that holds what a pipeline run leaves, in bytes instead of megabytes."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from pipelines.release.approval import Answer, ApprovalParams, Outcome, headless_outcome, outcome
from pipelines.release.config import load_section
from pipelines.release.ledger import Entry
from pipelines.release.releasing import Done, record_outcome, release

PRODUCT = "model_release"
APPROVERS = ["alice", "bob"]
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


def make_run(project: Path, n: int, verdict: str = "approve") -> str:
    """Commit what run `n` made: artifacts, gate decision, dvc.lock."""
    judged = {"approve": "pass", "review": "inconclusive", "reject": "fail"}[verdict]
    files = {path: text.format(n=n) for path, text in ARTIFACTS.items()}
    checks = [{"id": "ranking", "verdict": judged, "sentence": f"Ranking: {judged}."}]
    files["evidence/gate.json"] = json.dumps({"details": {"decision": verdict, "checks": checks}})
    files["metrics/gate.json"] = json.dumps({"verdict": verdict, "run": n})
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    write_lock(project, list(files))
    return commit(project, f"run {n}")


def write_lock(project: Path, paths: list[str]) -> None:
    outs = [{"path": p, "md5": hashlib.md5((project / p).read_bytes()).hexdigest()} for p in paths]
    lock = {"schema": "2.0", "stages": {"all": {"cmd": "true", "outs": outs}}}
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))


def consent(project: Path, commit: str, verdict: str = "approve", *answers: Answer) -> Entry:
    """Log what the answers come to; alice approves if there are none."""
    given = answers or (Answer(who="alice", approves=True),)
    params = load_section(project, "approval", ApprovalParams)
    decided = outcome(given, verdict, params)  # type: ignore[arg-type]
    return record_outcome(
        project, PRODUCT, commit=commit, verdict=verdict, outcome=decided, run="r"
    )


def consent_headless(project: Path, commit: str, verdict: str) -> tuple[Outcome, Entry]:
    params = load_section(project, "approval", ApprovalParams)
    decided = headless_outcome(verdict, params)  # type: ignore[arg-type]
    entry = record_outcome(
        project, PRODUCT, commit=commit, verdict=verdict, outcome=decided, run="r"
    )
    return decided, entry


def release_run(project: Path, n: int) -> Done:
    """Make run `n`, approve and release it, commit what that changed."""
    made = make_run(project, n)
    consent(project, made)
    done = release(project, PRODUCT, made)
    commit(project, f"release {done.version}")
    return done

"""A project with judged runs, a question and a release: what pages and comparisons are made of."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.evidence import Evidence, Figure
from pipelines.release.approval import Answer, ApprovalParams, outcome
from pipelines.release.config import load_section
from pipelines.release.gating import Decision
from pipelines.release.lifecycle import (
    Candidate,
    Done,
    record_answer,
    record_gate,
    record_outcome,
    record_question,
    record_run,
    recorded_candidate,
    release,
)
from tests.unit.release.lifecycle.product import ARTIFACTS, PRODUCT, REPORT, commit, git

VERDICTS = {"approve": "pass", "review": "inconclusive", "reject": "fail"}
DATA = "data/samples/toy"


def figure(name: str, value: float | None, low: float, high: float, **where: str) -> Figure:
    return Figure(
        id=name,
        label=name.partition(".")[2],
        value=value,
        low=None if value is None else low,
        high=None if value is None else high,
        level=0.95,
        method="bootstrap",
        n=100,
        missing="" if value is not None else "too few rows",
        where=where,
    )


def judged_run(
    project: Path,
    n: int,
    verdict: Decision = "approve",
    *,
    figures: tuple[Figure, ...] = (figure("evaluate.roc_auc", 0.8, 0.75, 0.85),),
    seed: int = 1,
    threshold: float = 0.7,
    code: str = "a" * 32,
    run: str = "",
) -> Candidate:
    """Commit what run `n` made, as a run of Airflow, and log it and its gate's decision."""
    evidence = Evidence(stage="evaluate", inputs={}, figures=list(figures)).model_dump_json()
    checks = [
        {"id": "ranking", "verdict": VERDICTS[verdict], "sentence": f"Ranking: {verdict}."},
        {"id": "leakage", "verdict": "pass", "sentence": "Leakage: pass."},
    ]
    judged = {"evidence/evaluate.json": hashlib.sha256(evidence.encode()).hexdigest()}
    files = {path: text.format(n=n) for path, text in ARTIFACTS.items()} | {
        "evidence/evaluate.json": evidence,
        "evidence/gate.json": json.dumps(
            {"stage": "gate", "inputs": judged,
             "details": {"decision": verdict, "checks": checks}}
        ),
        "metrics/gate.json": json.dumps({"verdict": verdict, "run": n}),
        "reports/drift.html": f"<title>drift {n}</title>",
        REPORT: f"<title>run {n}</title>",
    }  # fmt: skip
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    (project / "dvc.lock").write_text(yaml.safe_dump(_lock(files, seed, threshold, code)))
    made = commit(project, f"run {n}")
    name = run or f"run_{n}"
    git(project, "update-ref", f"refs/runs/{PRODUCT}/{name}", made)
    facts = {"dag": PRODUCT, "run_id": name.replace(".", ":"), "state": "saved"}
    record_run(project, PRODUCT, run=f"{PRODUCT}/{name}", commit=made, facts=facts)
    record_gate(project, PRODUCT, made, f"{PRODUCT}/{name}")
    return recorded_candidate(project, PRODUCT, f"{PRODUCT}/{name}")


def _lock(files: dict[str, str], seed: int, threshold: float, code: str) -> dict[str, Any]:
    def of(path: str) -> dict[str, Any]:
        content = files[path].encode()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return {"path": path, "md5": md5, "size": len(content)}

    check = {"id": "ranking", "threshold": threshold}
    return {
        "schema": "2.0",
        "stages": {
            "evaluate": {
                "cmd": "true",
                "deps": [{"path": "pipelines/mlops/evaluate.py", "md5": code},
                         {"path": DATA, "md5": "d" * 32 + ".dir"}],
                "params": {"params.yaml": {"train": {"seed": seed, "folds": 3}}},
                "outs": [of(path) for path in ("evidence/evaluate.json", *ARTIFACTS)],
            },
            "drift": {"cmd": "true", "outs": [of("reports/drift.html")]},
            "gate": {
                "cmd": "true",
                "deps": [of("evidence/evaluate.json")],
                "params": {"params.yaml": {"gate.checks": [check]}},
                "outs": [of("evidence/gate.json"), of("metrics/gate.json")],
            },
            "report": {
                "cmd": "true",
                "deps": [of("evidence/gate.json"), of("reports/drift.html")],
                "outs": [of(REPORT)],
            },
        },
    }  # fmt: skip


def ask(project: Path, candidate: Candidate) -> Any:
    """Log the question whether to release a run."""
    approvers = load_section(project, "approval", ApprovalParams).approvers
    return record_question(project, candidate, "approval", approvers)


def approve(project: Path, candidate: Candidate, who: str = "alice") -> None:
    """Ask, answer yes, and log what that comes to."""
    asked, answer = ask(project, candidate), Answer(who=who, approves=True, reason="it reads well")
    record_answer(project, asked, answer)
    policy = load_section(project, "approval", ApprovalParams)
    decided = outcome([answer], candidate.decision.verdict, policy)
    record_outcome(project, candidate, decided, [asked.hash])


def release_candidate(project: Path, candidate: Candidate) -> Done:
    """Approve and release a run; commit what that changed."""
    approve(project, candidate)
    done = release(project, PRODUCT, candidate.commit, run=candidate.run)
    commit(project, f"release {done.version}")
    return done

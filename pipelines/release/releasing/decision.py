"""The gate's decision on a commit, read from the commit and nowhere else."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.artifacts import evidence_of, metrics_of
from pipelines.base.errors import SignalboxError
from pipelines.release.policy import Decision
from pipelines.release.registry.params import ProductParams
from pipelines.release.releasing.files import CommitFiles

_DECISIONS: tuple[Decision, ...] = ("approve", "review", "reject")


@dataclass(frozen=True)
class GateDecision:
    """What the gate decided.

    Attributes
    ----------
    checks
        Check → verdict.
    sentences
        The gate's explanation of every check that didn't pass, failed ones first.
    sha256
        Of the gate's evidence file.
    """

    verdict: Decision
    checks: dict[str, str]
    sentences: dict[str, str]
    sha256: str

    def named(self, verdict: str) -> list[str]:
        """Ids of the checks that got a verdict."""
        return [check for check, found in self.checks.items() if found == verdict]

    def as_data(self) -> dict[str, Any]:
        """Return what the ledger keeps of it."""
        return {
            "verdict": self.verdict,
            "failed": self.named("fail"),
            "inconclusive": self.named("inconclusive"),
            "evidence": self.sha256,
        }


def read_decision(project: Path, product: ProductParams, commit: str) -> GateDecision:
    """Read and cross-check the gate's metrics and evidence in a commit.

    Raises
    ------
    SignalboxError
        If either is missing, was changed after the gate made it, or says something else than the
        other: no decision must never look like an approval.
    """
    files = CommitFiles(project, commit)
    evidence_path, metrics_path = evidence_of(product.gate), metrics_of(product.gate)
    raw = files.read(evidence_path.as_posix())
    evidence = _json(raw, f"{evidence_path} of commit {commit[:12]}")
    metrics = _json(files.read(metrics_path.as_posix()), f"{metrics_path} of commit {commit[:12]}")
    details = evidence.get("details", {})
    verdict = metrics.get("verdict")
    if verdict not in _DECISIONS or details.get("decision") != verdict:
        raise SignalboxError(
            f"commit {commit[:12]}: {metrics_path} says {verdict!r} and {evidence_path} says "
            f"{details.get('decision')!r}; that is no gate decision"
        )
    judged = details.get("checks", [])
    told = sorted(judged, key=lambda one: one.get("verdict") != "fail")
    return GateDecision(
        verdict=verdict,
        checks={str(one["id"]): str(one["verdict"]) for one in judged},
        sentences={
            str(one["id"]): str(one["sentence"])
            for one in told
            if one["verdict"] in ("fail", "inconclusive")
        },
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def read_figures(project: Path, product: ProductParams, commit: str) -> dict[str, float]:
    """Id → value of every figure that has one, from the gate's evidence and what it judged."""
    files = CommitFiles(project, commit)
    gate = evidence_of(product.gate).as_posix()
    judged = _evidence(files, gate).get("inputs", {})
    return {
        str(figure["id"]): figure["value"]
        for path in sorted({gate, *judged})
        for figure in _evidence(files, path).get("figures", [])
        if figure.get("value") is not None
    }


def _evidence(files: CommitFiles, path: str) -> dict[str, Any]:
    return _json(files.read(path), f"{path} of commit {files.commit[:12]}")


def _json(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SignalboxError(f"{what}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise SignalboxError(f"{what}: not a JSON object")
    return found

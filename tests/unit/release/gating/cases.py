"""Policies and evidence for the gate's tests, built in code."""

from typing import Any

from pipelines.core.evidence import Evidence, Figure
from pipelines.core.params import Check


def check(**changes: Any) -> Check:
    return Check(
        **{
            "id": "ranking",
            "protects": "the model separates the classes",
            "figure": "evaluate.roc_auc",
            "compare": "at_least",
            "threshold": 0.85,
            "on_fail": "reject",
            "on_inconclusive": "review",
            "owner": "data science",
            "reason": "engineering judgement",
            **changes,
        }
    )


def figure(**changes: Any) -> Figure:
    return Figure(
        **{
            "id": "evaluate.roc_auc",
            "label": "ROC AUC",
            "value": 0.9,
            "low": 0.88,
            "high": 0.92,
            "level": 0.95,
            "method": "bootstrap",
            "n": 1000,
            **changes,
        }
    )


def evidence(*figures: Figure, stage: str = "evaluate") -> dict[str, Evidence]:
    return {stage: Evidence(stage=stage, inputs={"data/x": "0" * 64}, figures=list(figures))}

"""One of three tasks runs, named after the gate's verdict."""

from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, task

ENDS = {
    "approve": ("release_approved", "#009e73", "Every check passed."),
    "review": ("release_needs_review", "#e69f00", "Nothing failed for good; a person decides."),
    "reject": ("release_rejected", "#d55e00", "A check failed. This is a result, not a crash."),
}
"""Verdict → task, colour (Okabe and Ito 2008), and what it means."""


def verdict_tasks(gate: BaseOperator, after: BaseOperator) -> dict[str, BaseOperator]:
    """Add the branch on the verdict and its three ends; return the ends by verdict.

    Parameters
    ----------
    gate
        Task whose metrics hold ``verdict``: ``approve``, ``review`` or ``reject``.
    after
        Task to wait for.
    """

    @task.branch(task_id="verdict", doc_md="Follows the verdict of the gate.")
    def verdict(result: dict[str, Any]) -> str:
        word = verdict_of(result)
        print(f"verdict of the gate: {word}")
        return ENDS[word][0]

    branch = verdict(gate.output)
    after >> branch
    ends: dict[str, BaseOperator] = {}
    for word, (name, colour, meaning) in ENDS.items():
        end = EmptyOperator(task_id=name, doc_md=meaning)
        end.ui_color = colour
        branch >> end
        ends[word] = end
    return ends


def verdict_of(result: dict[str, Any]) -> str:
    """Verdict among the metrics that a gate's task returned.

    Raises
    ------
    ValueError
        If there is none, or one that isn't known: no verdict must never look like an approval.
    """
    for stage in result["stages"]:
        for metrics in stage["metrics"].values():
            if isinstance(metrics, dict) and metrics.get("verdict") in ENDS:
                return str(metrics["verdict"])
    raise ValueError(f"no verdict of {sorted(ENDS)} among the gate's metrics")

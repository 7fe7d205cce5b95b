"""One of three tasks runs, named after the gate's verdict."""

from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, task

ENDS = {
    "approve": ("release_approved", "#009e73", "Every check passed."),
    "review": ("release_needs_review", "#e69f00", "Nothing failed for good; a person decides."),
    "reject": ("release_rejected", "#d55e00", "A check failed. This is a result, not a crash."),
}
"""Verdict → task, colour (Okabe and Ito 2008), and what it means."""


def verdict_tasks(project: Path, product: str, after: BaseOperator) -> dict[str, BaseOperator]:
    """Add the branch on the verdict and its three ends; return the ends by verdict.

    The verdict is read from the run's commit, where it is held against ``dvc.lock``.

    Parameters
    ----------
    after
        Task that recorded the run.
    """

    @task.branch(task_id="verdict", doc_md="Follows the verdict of the gate.")
    def verdict(**context: Any) -> str:
        from release_path.work import candidate_of

        word = candidate_of(project, product, context).decision.verdict
        print(f"verdict of the gate: {word}")
        return ENDS[word][0]

    branch = verdict()
    after >> branch
    ends: dict[str, BaseOperator] = {}
    for word, (name, colour, meaning) in ENDS.items():
        end = EmptyOperator(task_id=name, doc_md=meaning)
        end.ui_color = colour
        branch >> end
        ends[word] = end
    return ends

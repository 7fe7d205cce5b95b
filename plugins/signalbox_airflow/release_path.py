"""The tasks of the release path: what a DAG does with a gate's verdict."""

from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import BaseOperator

from signalbox_airflow.approve import SETTINGS, ApproveOperator
from signalbox_airflow.parsing import policy

ENDS = {
    "approve": ("release_approved", "#009e73", "Every check passed."),
    "review": ("release_needs_review", "#e69f00", "Nothing failed for good; a person decides."),
    "reject": ("release_rejected", "#d55e00", "A check failed. This is a result, not a crash."),
}
"""Verdict → task, colour (Okabe and Ito 2008), and what it means."""


class ReleaseStep(PythonOperator):
    """A task of the release path; a class of its own, so that `links` can be about it alone."""


class VerdictBranch(BranchPythonOperator):
    """The branch on the verdict."""


class VerdictEnd(EmptyOperator):
    """Where a verdict leads to."""


def verdict_tasks(project: Path, product: str, after: BaseOperator) -> dict[str, BaseOperator]:
    """Add the branch on the verdict and its three ends; return the ends by verdict.

    The verdict is read from the run's commit, where it is held against ``dvc.lock``.

    Parameters
    ----------
    after
        Task that recorded the run.
    """

    def verdict(**context: Any) -> str:
        from signalbox_airflow.notes import leave, rejected
        from signalbox_airflow.release_work import candidate_of

        decision = candidate_of(project, product, context).decision
        print(f"verdict of the gate: {decision.verdict}")
        if decision.verdict == "reject":
            leave(context, rejected(decision))
        return ENDS[decision.verdict][0]

    branch = VerdictBranch(
        task_id="verdict", python_callable=verdict, doc_md="Follows the verdict of the gate."
    )
    after >> branch
    ends: dict[str, BaseOperator] = {}
    for word, (name, colour, meaning) in ENDS.items():
        end = VerdictEnd(task_id=name, doc_md=meaning)
        end.ui_color = colour
        branch >> end
        ends[word] = end
    return ends


RECORD = "record_run"
APPROVE = "approve_release"
OVERRIDE = "override_release"
CONFIRM = "confirm_override"


def release_tasks(project: Path, product: str, saved: BaseOperator) -> Any:
    """Add everything between the saved run and the release.

    ``record_run → verdict → release_approved | release_needs_review | release_rejected``, as the
    gate says; behind the first two ``approve_release → release``. Where ``release.yaml`` allows
    overrides, two more questions stand between ``release_rejected`` and ``release``.

    Parameters
    ----------
    product
        Name in the registry, for example ``model_release``.
    saved
        Task that saves the run under ``refs/runs``.

    Returns
    -------
    The task ``release``; what stands behind it runs only where something was released.
    """
    asked = policy(project)
    record = _record_task(project, product, saved)
    ends = verdict_tasks(project, product, after=record)
    common: dict[str, Any] = {
        "project": str(project),
        "product": product,
        "policy": asked,
        **SETTINGS,
    }
    approve = ApproveOperator(task_id=APPROVE, **common)
    [ends[word] for word in ("approve", "review")] >> approve
    release = _release_task(project, product)
    approve >> release
    if asked.asks_override:
        override = ApproveOperator(task_id=OVERRIDE, asked="override", **common)
        confirm = ApproveOperator(task_id=CONFIRM, asked="confirmation", **common)
        ends["reject"] >> override >> confirm >> release
    return release


def _record_task(project: Path, product: str, saved: BaseOperator) -> Any:
    """Add the task that logs the run and the gate's decision, also of a run that failed."""

    def record_run(**context: Any) -> dict[str, Any]:
        from signalbox_airflow.release_work import record

        return record(project, product, saved.task_id, context)

    recorded = ReleaseStep(
        task_id=RECORD,
        python_callable=record_run,
        trigger_rule="all_done",
        doc_md="Logs run and gate in the ledger.",
    )
    saved >> recorded
    return recorded


def _release_task(project: Path, product: str) -> Any:
    def release(**context: Any) -> dict[str, Any]:
        from signalbox_airflow.release_work import release_recorded

        return release_recorded(project, product, context)

    return ReleaseStep(
        task_id="release",
        python_callable=release,
        trigger_rule="none_failed_min_one_success",
        doc_md="Ledger entry, git tags, pointer: the version is in production.",
    )

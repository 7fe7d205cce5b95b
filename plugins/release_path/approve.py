"""The question to the approvers.

Airflow's operator waits and knows who answered; what the answer means is decided by
`pipelines.release.approval` and written to the ledger before this task ends, because Airflow
deletes the details together with the task instance.

Why not `ApprovalOperator`: without ``assigned_users`` it lets anyone answer; a rejection skips only
the next tasks, and one with the trigger rule ``all_done`` behind them would still run; a timeout
fails the task, and again such a task would run. Here everything downstream is skipped, whatever its
rule, unless the answer allows a release. No option is ever chosen by default.

A task that failed after it asked is tried once more, and then takes the answer to the question it
asked: see `answered`. Clearing the task asks anew.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.bases.skipmixin import SkipMixin

from pipelines.release.approval import ApprovalParams

APPROVE, REJECT = "Approve", "Reject"

SETTINGS = {
    # Param is typed, so that the form has a field for it.
    "params": {"reason": Param("", type="string", description="Why; goes to the ledger.")},
    "retries": 1,  # looks for the answer to the question, doesn't ask again: see `answered`
    "retry_delay": timedelta(seconds=5),
    "trigger_rule": "none_failed_min_one_success",
    "doc_md": "Asks the approvers; the answer goes to the ledger.",
}
"""Arguments for every question; Airflow merges them with the DAG's before ``__init__`` runs."""


class ApproveOperator(HITLOperator, SkipMixin):
    """Ask whether to release what a run made; log the answer; go on only if it allows a release.

    Parameters
    ----------
    project, product
        What is asked about.
    policy
        The section ``approval`` of ``release.yaml`` as it was when the DAG was read; what counts
        in the end is what it says when the answer is in.
    recorded
        Task that returned the run's ``commit``, ``verdict`` and ``question``.
    first_of_two
        Whether another approver has to confirm; then nothing is final after this answer.
    after
        Task with the first answer, where this one is the second.
    """

    inherits_from_skipmixin = True
    ui_color = "#cc79a7"

    def __init__(
        self,
        *,
        project: str,
        product: str,
        policy: ApprovalParams,
        recorded: str,
        first_of_two: bool = False,
        after: str = "",
        **kwargs: Any,
    ) -> None:
        pulled = f"ti.xcom_pull(task_ids='{recorded}')"
        what = "Override the gate for" if first_of_two or after else "Release"
        super().__init__(
            subject=f"{what} {product}? The gate says {{{{ {pulled}['verdict'] }}}}",
            body=f"{{{{ {pulled}['question'] }}}}",
            options=[APPROVE, REJECT],
            assigned_users=[{"id": name, "name": name} for name in policy.approvers],
            response_timeout=timedelta(seconds=policy.timeout_seconds),
            **kwargs,
        )
        self.project = project
        self.product = product
        self.recorded = recorded
        self.first_of_two = first_of_two
        self.after = after

    def execute(self, context: Any) -> Any:
        """Ask, unless policy or a headless run decides without a question."""
        from release_path.work import without_question

        recorded = self._recorded(context)
        if recorded["same_as"]:
            print(f"the artifacts are those of {recorded['same_as']}; there is nothing to release")
            self._skip_all(context)
        decided = without_question(Path(self.project), recorded, context)
        if decided is not None:
            return self._conclude(context, decided)
        if _is_retry(context["ti"]):
            self._look_for_the_answer(context)
        return super().execute(context)

    def _look_for_the_answer(self, context: Any) -> None:
        """Wait for the answer to the question that the first try asked, given or to be given."""
        from airflow.sdk.timezone import utcnow

        from release_path.answered import AnsweredTrigger

        print(
            "the first try of this task failed after its question was asked; an answer that was "
            "given counts, and where none was given, the question waits on"
        )
        assert self.response_timeout is not None
        trigger = AnsweredTrigger(
            ti_id=context["ti"].id,
            options=self.options,
            params=self.serialized_params,
            timeout_datetime=utcnow() + self.response_timeout,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Read the answer, or that there was none, and conclude."""
        from release_path.work import answer_of, decide

        timed_out = event.get("error_type") == "timeout"
        if not timed_out:
            super().execute_complete(context, event)  # refuses options that weren't offered
        given = [] if timed_out else [answer_of(event, APPROVE)]
        if self.first_of_two and given and given[0]["approves"]:
            context["ti"].xcom_push(key="answer", value=given[0])
            return {"answer": given[0]}
        if self.after:
            first = context["ti"].xcom_pull(task_ids=self.after, key="answer")
            given = [first, *given] if first else given
        decided = decide(
            Path(self.project), self._recorded(context)["verdict"], given, timed_out=timed_out
        )
        return self._conclude(context, decided)

    def _recorded(self, context: Any) -> dict[str, Any]:
        found = context["ti"].xcom_pull(task_ids=self.recorded)
        if not found:
            raise ValueError(f"task {self.recorded} left no record of the run")
        return dict(found)

    def _conclude(self, context: Any, decided: dict[str, Any]) -> dict[str, Any]:
        """Log the outcome; skip everything downstream unless it allows a release."""
        from release_path.work import log_outcome

        result = log_outcome(Path(self.project), self.product, self._recorded(context), decided)
        print(f"{result['kind']}: {result['policy']} {' '.join(result['reasons'])}")
        if not result["releases"]:
            context["ti"].xcom_push(key="return_value", value=result)
            self._skip_all(context)
        return result

    def _skip_all(self, context: Any) -> None:
        """Skip everything downstream, whatever its trigger rule."""
        downstream = context["task"].get_flat_relatives(upstream=False)
        self.skip(ti=context["ti"], tasks=[one for one in downstream if not one.is_teardown])


def _is_retry(ti: Any) -> bool:
    """Whether Airflow tries the task again by itself.

    Somebody who clears the task wants the question asked again; Airflow then raises ``max_tries``.
    """
    return bool(ti.try_number > ti.max_tries)

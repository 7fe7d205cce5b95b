"""The question to the approvers.

Airflow's operator waits and knows who answered. The question is in the ledger before anybody sees
it, with the hashes of what it is about; the answer is written there by the task that received it,
and what it means is decided by `pipelines.release.approval` from the ledger alone.

Why not `ApprovalOperator`: without ``assigned_users`` it lets anyone answer; a rejection skips only
the next tasks, and one with the trigger rule ``all_done`` behind them would still run; a timeout
fails the task, and again such a task would run. Here everything downstream is skipped, whatever its
rule, unless the answer allows a release. No option is ever chosen by default.

A task that failed after it asked is tried once more, and then takes the answer to the question it
asked: see `answered`. Clearing the task asks anew, but never about something else: Airflow keeps
the text of a cleared task's first question, and people would answer what they don't see.

People are told that a question waits (`notify`) once it is there to be answered, and once only.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import TaskAwaitingInput

from signalbox_airflow.notes import leave
from signalbox_airflow.parsing import Policy

if TYPE_CHECKING:
    from pipelines.release.approval import Answer, ApprovalParams, Outcome
    from pipelines.release.ledger import Entry
    from pipelines.release.lifecycle import Asked, Candidate

APPROVE, REJECT = "Approve", "Reject"

SETTINGS = {
    # Param is typed, so that the form has a field for it; optional, or the buttons stay disabled.
    "params": {
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason",
            description="Why; goes to the ledger. An override must have one.",
        )
    },
    "retries": 1,  # looks for the answer to the question, doesn't ask again: see `answered`
    "retry_delay": timedelta(seconds=5),
    "trigger_rule": "none_failed_min_one_success",
    "doc_md": "Asks the approvers; question and answer go to the ledger.",
}
"""Arguments for every question; Airflow merges them with the DAG's before ``__init__`` runs."""


class ApproveOperator(HITLOperator, SkipMixin):
    """Ask whether to release what a run made; log the answer; go on only if it allows a release.

    Parameters
    ----------
    project, product
        What is asked about.
    policy
        What section ``approval`` of ``release.yaml`` said when the DAG was read; what counts in
        the end is what it says when the answer is in.
    asked
        ``approval``; ``override``, after which nothing is final; or ``confirmation``, by a second
        person, of an override.
    """

    subject: str
    inherits_from_skipmixin = True
    ui_color = "#cc79a7"

    def __init__(
        self,
        *,
        project: str,
        product: str,
        policy: Policy,
        asked: "Asked" = "approval",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            subject=f"{'Release' if asked == 'approval' else 'Override the gate for'} {product}?",
            body="",
            options=[APPROVE, REJECT],
            assigned_users=[{"id": name, "name": name} for name in policy.approvers],
            response_timeout=timedelta(seconds=policy.timeout_seconds),
            **kwargs,
        )
        self.project = project
        self.product = product
        self.asked = asked

    def execute(self, context: Any) -> Any:
        """Ask, unless there is nothing to ask about."""
        from pipelines.release.approval import ApprovalParams, outcome, question_needed
        from pipelines.release.config import load_section
        from pipelines.release.lifecycle import record_question, same_artifacts
        from signalbox_airflow.release_work import (
            answer_in_ledger,
            asked_of,
            other_question,
            params_changed_for,
            question,
        )

        project = Path(self.project)
        candidate = self._candidate(context)
        if released := same_artifacts(project, self.product, candidate.commit):
            print(f"the artifacts are those of {released}; there is nothing to release")
            self._skip_all(context)
        verdict = candidate.decision.verdict
        params = load_section(project, "approval", ApprovalParams)
        changed = params_changed_for(project, candidate)
        needed = question_needed(verdict, params, changed=bool(changed))
        if (verdict == "reject") == (self.asked == "approval") or (
            self.asked != "approval" and needed != "override"
        ):
            self._refuse(
                context,
                candidate,
                f"the gate says {verdict}: {self.asked} isn't what is to be asked",
            )
        if needed == "none":
            return self._conclude(context, candidate, outcome([], verdict, params), [])
        if other := other_question(project, candidate):
            self._refuse(context, candidate, other)
        before = asked_of(project, candidate, self.asked)
        if before is not None and _is_retry(context["ti"]):
            self._look_for_the_answer(context, before)
        first = None
        if self.asked == "confirmation":
            first = answer_in_ledger(project, asked_of(project, candidate, "override"))
            if first is None or not first.approves:
                self._refuse(
                    context, candidate, "the ledger holds no first answer that overrides the gate"
                )
        record_question(project, candidate, self.asked, params.approvers)
        self.subject = f"{self.subject} The gate says {verdict}"
        self.body = question(candidate, changed, first)
        try:
            return super().execute(context)
        except TaskAwaitingInput:  # the question is there to be answered
            self._notify(context, candidate, params)
            raise

    def _notify(self, context: Any, candidate: "Candidate", params: "ApprovalParams") -> None:
        """Tell people that the question waits; whatever goes wrong, it waits."""
        if not params.notify:
            return
        try:
            from signalbox_airflow.notify import SENT, message_about, send_each

            base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
            message = message_about(
                candidate, self.asked, context["ti"], base=base, seconds=params.timeout_seconds
            )
            became = send_each(params.notify, message, context)
            for way, told in became.items():
                (self.log.info if told == "sent" else self.log.error)(
                    "approval.notify, %s: %s", way, told
                )
            context["ti"].xcom_push(key=SENT, value=became)
        except Exception:
            self.log.exception("nobody could be told that the question waits")

    def _look_for_the_answer(self, context: Any, asked: "Entry") -> None:
        """Wait for the answer to the question that the first try asked, given or to be given."""
        from signalbox_airflow.answered import AnsweredTrigger

        print(
            "the first try of this task failed after its question was asked; an answer that was "
            "given counts, and where none was given, the question waits on"
        )
        assert self.response_timeout is not None
        trigger = AnsweredTrigger(
            ti_id=context["ti"].id,
            options=self.options,
            params=self.serialized_params,
            timeout_datetime=datetime.fromisoformat(asked.time) + self.response_timeout,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Write the answer down, or see that there was none, and conclude."""
        from pipelines.release.lifecycle import ChangedError, record_answer, require_unchanged
        from signalbox_airflow.release_work import answer_of, asked_of, decide, timing_of

        project = Path(self.project)
        candidate = self._candidate(context)
        question = asked_of(project, candidate, self.asked)
        if question is None:
            self._refuse(
                context, candidate, f"the ledger holds no question ({self.asked}) of this run"
            )
        try:
            require_unchanged(candidate, question)
        except ChangedError as error:
            self._refuse(context, candidate, str(error))
        timed_out = event.get("error_type") == "timeout" or bool(event.get("timedout"))
        questions = [question]
        if not timed_out:
            super().execute_complete(context, event)  # refuses options that weren't offered
            answer = answer_of(event, APPROVE)
            when = timing_of(project, question, answer)
            if when == "before":
                self._refuse(
                    context,
                    candidate,
                    f"the answer of {answer.who!r} is of {answer.at}, before question "
                    f"{question.seq} was asked ({question.time}): it was given to an earlier one, "
                    "or the clocks differ",
                )
            record_answer(project, question, answer)
            timed_out = when == "late"
            if not timed_out and self.asked == "override" and answer.approves:
                return {"asked": self.asked, "question": question.seq}
        if self.asked == "confirmation":
            first = asked_of(project, candidate, "override")
            questions = [*([first] if first else []), question]
        decided = decide(project, candidate, self._answers(questions), timed_out=timed_out)
        return self._conclude(context, candidate, decided, questions)

    def _answers(self, questions: "list[Entry]") -> "list[Answer]":
        """Return the answers that the ledger holds, in the order of their questions."""
        from signalbox_airflow.release_work import answer_in_ledger

        found = [answer_in_ledger(Path(self.project), question) for question in questions]
        return [answer for answer in found if answer is not None]

    def _candidate(self, context: Any) -> "Candidate":
        from signalbox_airflow.release_work import candidate_of

        return candidate_of(Path(self.project), self.product, context)

    def _refuse(self, context: Any, candidate: "Candidate", reason: str) -> NoReturn:
        """Write down why nothing is released, and fail for good."""
        from signalbox_airflow.release_work import refused

        leave(context, f"not released: {reason}")
        raise refused(Path(self.project), self.product, candidate.run, reason)

    def _conclude(
        self, context: Any, candidate: "Candidate", decided: "Outcome", questions: "list[Entry]"
    ) -> dict[str, Any]:
        """Log the outcome; skip everything downstream unless it allows a release."""
        from signalbox_airflow.release_work import log_outcome

        result = log_outcome(Path(self.project), candidate, decided, questions)
        told = f"{result['kind']}: {result['policy']} {' '.join(result['reasons'])}"
        print(told)
        if not result["releases"]:
            leave(context, _who_decided(told, decided))
            context["ti"].xcom_push(key="return_value", value=result)
            self._skip_all(context)
        return result

    def _skip_all(self, context: Any) -> None:
        """Skip everything downstream, whatever its trigger rule."""
        downstream = context["task"].get_flat_relatives(upstream=False)
        self.skip(ti=context["ti"], tasks=[task for task in downstream if not task.is_teardown])


def _who_decided(told: str, decided: "Outcome") -> str:
    """Say for the run's note what the answers came to, and whose they were."""
    people = ", ".join(answer.who for answer in decided.answers if not answer.approves)
    return told.replace("_", " ", 1) + (f" ({people})" if people else "")


def _is_retry(ti: Any) -> bool:
    """Whether Airflow tries the task again by itself.

    Somebody who clears the task wants the question asked again; Airflow then raises ``max_tries``.
    """
    return bool(ti.try_number > ti.max_tries)

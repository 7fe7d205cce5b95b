"""Watches the model in production: data, drift, fairness, outcomes. Alarms ask for a new training.

**Needs**: a released model (DAG model_release) and the predictions of batch_scoring; for figures
about outcomes also a file of them (section ``monitoring`` of ``release.yaml``).

**Writes**: ``monitoring/<date>.json`` and its page; alarms in the ledger. A serious alarm starts
model_release, at most as often as ``release.yaml`` allows.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, task

from pipelines.core.project import dag_id
from signalbox_airflow.parsing import OWNER, described, project_of_file, retrain, time_of


def model_monitoring(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "model_monitoring"),
        schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["signalbox", "mlops", "monitoring"],
        doc_md=described(__doc__, "model-release", "operations"),
        params={
            "until": Param(
                None,
                type=["null", "string"],
                format="date-time",
                title="End of the days that are watched",
                description="Empty = the time of the run. The date names the result.",
            )
        },
        default_args={"owner": OWNER, "retries": 1, "retry_delay": timedelta(seconds=10)},
    ) as dag:

        @task(task_id="watch", doc_md="Measures the last days' batches; alarms go to the ledger.")
        def watch(params: dict[str, Any], dag_run: Any = None) -> dict[str, Any]:
            """Watch the days before the run's time: a repeated task looks at the same days."""
            from datetime import UTC, datetime

            from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

            from pipelines.core.errors import SignalboxError
            from pipelines.mlops.monitoring.result import describe
            from pipelines.mlops.monitoring.watch import watch_project
            from pipelines.release.lifecycle import production
            from signalbox_airflow.notes import ending_noted

            with ending_noted():
                try:
                    if production(project, "model_release") is None:
                        raise AirflowSkipException("no model is in production yet")
                    until = time_of(params["until"]) if params["until"] else dag_run.run_after
                    result = watch_project(project, until, datetime.now(UTC))
                except SignalboxError as error:
                    raise AirflowFailException(str(error)) from None  # nothing a retry would mend
            print(describe(result))
            return {
                "date": result.date,
                "alarms": [alarm.id for alarm in result.alarms()],
                "retrain": result.retrain.requested,
            }

        @task.short_circuit(
            task_id="retrain_needed", doc_md="Goes on only if an alarm asks for it."
        )
        def retrain_needed(found: dict[str, Any]) -> bool:
            """Whether a new training was asked for; the ledger's alarms limit how often."""
            return bool(found["retrain"])

        @task(task_id="request_retrain", outlets=[retrain(project)], doc_md="Starts model_release.")
        def request_retrain(found: dict[str, Any]) -> None:
            """Update the asset on which model_release runs."""
            print(f"{found['date']}: new training asked for because of {found['alarms']}")

        found = watch()
        needed = retrain_needed(found)
        needed >> request_retrain(found)
    return dag

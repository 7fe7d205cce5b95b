"""Finds what is unusual in metrics and logs, window by window; late or on time, it is the same.

**Needs**: metrics or logs in the lake of ``aiops.analysis.lake`` (DAG collect_telemetry).

**Writes**: a window's findings in ``aiops.analysis.results``; then the DAG incidents runs.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from pipelines.core.project import dag_id
from signalbox_airflow.analysis import WINDOW_FORM, anomalies_ready, timetable, window_task
from signalbox_airflow.parsing import OWNER, described, project_of_file


def telemetry_anomalies(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "telemetry_anomalies"),
        schedule=timetable(project),
        catchup=False,
        tags=["signalbox", "aiops", "incidents"],
        doc_md=described(__doc__, "incidents", "own-telemetry"),
        params=WINDOW_FORM,
        default_args={"owner": OWNER, "retries": 2, "retry_delay": timedelta(minutes=1)},
    ) as dag:

        @task(task_id="metric_partitions", doc_md="Cuts the services with metrics into partitions.")
        def metric_partitions(window: str) -> list[str]:
            """List the partitions."""
            from signalbox_airflow.analysis_work import metric_groups

            return metric_groups(project, window)

        @task(
            task_id="metric_anomalies",
            map_index_template="{{ partition }}",
            doc_md="Examines one partition.",
        )
        def metric_anomalies(window: str, partition: str) -> None:
            """Examine one partition."""
            from airflow.sdk import get_current_context

            from signalbox_airflow.analysis_work import run_stage_step

            get_current_context()["partition"] = partition
            run_stage_step(project, "metric_anomalies", "run_partition", window, partition)

        @task(
            task_id="join_metric_anomalies",
            trigger_rule="none_failed",
            doc_md="Joins the partitions; false alarms are controlled over all series of the run.",
        )
        def join_metric_anomalies(window: str | None) -> None:
            """Join the partitions; a window without metrics has none."""
            from airflow.sdk.exceptions import AirflowSkipException

            from signalbox_airflow.analysis_work import run_stage_step

            if window is None:
                raise AirflowSkipException("no window")
            run_stage_step(project, "metric_anomalies", "join", window)

        @task(
            task_id="log_anomalies",
            doc_md="New templates, bursts, silences, changed mixes, new values.",
        )
        def log_anomalies(window: str) -> None:
            """Examine the logs."""
            from signalbox_airflow.analysis_work import run_stage_step

            run_stage_step(project, "log_anomalies", "run", window)

        @task(
            task_id="findings",
            outlets=[anomalies_ready(project)],
            doc_md="Says what was found; starts incidents.",
        )
        def findings(window: str) -> dict[str, Any]:
            """Say what was found."""
            from signalbox_airflow.analysis_work import summarise_findings

            return summarise_findings(project, window)

        window = window_task(project)
        judged = metric_anomalies.partial(window=window).expand(partition=metric_partitions(window))
        joined = join_metric_anomalies(window)
        judged >> joined
        [joined, log_anomalies(window)] >> findings(window)
    return dag

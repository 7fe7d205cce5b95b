"""Groups alerts, anomalies and changes into incidents: where each began, whom it reaches.

Runs after either of telemetry_anomalies and service_map, and takes up every window of which both
are there and incidents are missing or out of date. So the order in which windows were analysed
doesn't matter, and an event that came while a run was under way loses nothing.

**Needs**: a window's results of telemetry_anomalies and service_map.

**Writes**: incidents with ranked likely causes and their pages in ``aiops.analysis.results``; sends
them on where ``aiops.group_incidents.post`` says so (a dry run by default).
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from pipelines.core.project import dag_id
from signalbox_airflow.analysis import anomalies_ready, service_map_ready
from signalbox_airflow.parsing import OWNER, described, project_of_file


def incidents(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "incidents"),
        # Not both: if all maps of a backfill came first, one event would be left for many windows.
        schedule=(anomalies_ready(project) | service_map_ready(project)),
        catchup=False,
        max_active_runs=1,
        tags=["signalbox", "aiops", "incidents"],
        doc_md=described(__doc__, "incidents", "operations"),
        params={
            "window": Param(
                None,
                type=["null", "string"],
                pattern=r"^\d{8}T\d{6}Z_\d{8}T\d{6}Z$",
                title="Only this window",
                description="Group it anew, for example 20260412T100000Z_20260412T110000Z; empty = "
                "every window whose incidents are missing or out of date.",
            )
        },
        default_args={"owner": OWNER, "retries": 2, "retry_delay": timedelta(minutes=1)},
    ) as dag:

        @task(task_id="pending", doc_md="Windows whose incidents are missing or out of date.")
        def pending(params: dict[str, Any]) -> list[str]:
            """List the windows."""
            from signalbox_airflow.analysis_work import pending_windows

            return [params["window"]] if params["window"] else pending_windows(project)

        @task(
            task_id="group_incidents", map_index_template="{{ named }}", doc_md="Groups findings."
        )
        def group_incidents(window: str) -> str:
            """Make one window's incidents."""
            from airflow.sdk import get_current_context

            from signalbox_airflow.analysis_work import group

            get_current_context()["named"] = window
            group(project, window)
            return window

        @task(
            task_id="report_incidents", map_index_template="{{ named }}", doc_md="Writes the pages."
        )
        def report_incidents(window: str) -> dict[str, str]:
            """Write one window's pages."""
            from airflow.sdk import get_current_context

            from signalbox_airflow.analysis_work import report

            get_current_context()["named"] = window
            return report(project, window)

        @task(
            task_id="post_incidents",
            map_index_template="{{ named }}",
            doc_md="Sends incidents to aiops.group_incidents.post; a dry run by default.",
        )
        def post_incidents(window: str) -> list[dict[str, Any]]:
            """Send one window's incidents on."""
            from airflow.sdk import get_current_context

            from signalbox_airflow.analysis_work import post

            get_current_context()["named"] = window
            return post(project, window)

        @task_group(group_id="window", prefix_group_id=False)
        def each(window: str) -> None:
            """Do one window; one that fails holds up no other."""
            grouped = group_incidents(window)
            grouped >> report_incidents(window) >> post_incidents(window)

        each.expand(window=pending())
    return dag

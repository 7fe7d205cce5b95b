"""Maps who calls whom, window by window, and finds what moved since the same hours before.

**Needs**: spans in the lake of ``aiops.analysis.lake`` (DAG collect_telemetry).

**Writes**: a window's map and changes in ``aiops.analysis.results``; then the DAG incidents runs.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from pipelines.core.project import dag_id
from signalbox_airflow.analysis import WINDOW_FORM, service_map_ready, timetable, window_task
from signalbox_airflow.parsing import OWNER, described, project_of_file


def service_map(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "service_map"),
        schedule=timetable(project),
        catchup=False,
        tags=["signalbox", "aiops", "incidents"],
        doc_md=described(__doc__, "incidents", "own-telemetry"),
        params=WINDOW_FORM,
        default_args={"owner": OWNER, "retries": 2, "retry_delay": timedelta(minutes=1)},
    ) as dag:

        @task(task_id="map_partitions", doc_md="Cuts the window into hours, long ones into days.")
        def partitions_of_map(window: str) -> list[str]:
            """List the partitions."""
            from signalbox_airflow.analysis_work import map_partitions

            return map_partitions(project, window)

        @task(
            task_id="map_services",
            map_index_template="{{ partition }}",
            doc_md="Maps one partition.",
        )
        def map_services(window: str, partition: str) -> None:
            """Map one partition."""
            from airflow.sdk import get_current_context

            from pipelines.aiops.lake.window import Window
            from signalbox_airflow.analysis_work import run_stage_step

            get_current_context()["partition"] = partition
            run_stage_step(
                project, "map_services", "run_partition", window, Window.parse(partition)
            )

        @task(
            task_id="join_service_map",
            outlets=[service_map_ready(project)],
            doc_md="Joins the partitions, compares with the time before and around each change; "
            "starts incidents.",
        )
        def join_service_map(window: str) -> None:
            """Join the partitions."""
            from signalbox_airflow.analysis_work import run_stage_step

            run_stage_step(project, "map_services", "join", window)

        window = window_task(project)
        mapped = map_services.partial(window=window).expand(partition=partitions_of_map(window))
        mapped >> join_service_map(window)
    return dag

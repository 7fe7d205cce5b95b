"""Who calls whom, window by window, and what moved since the same hours before."""

from datetime import timedelta

from airflow.sdk import DAG, task

from pipelines.core.project import find_project
from signalbox_airflow.analysis import SERVICE_MAP_READY, timetable, window_task

PROJECT = find_project(__file__)

with DAG(
    "service_map",
    schedule=timetable(PROJECT),
    catchup=False,
    tags=["signalbox", "aiops"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
) as dag:

    @task(task_id="map_pieces", doc_md="Cuts the window into hours, long ones into days.")
    def map_pieces(window: str) -> list[str]:
        """List the pieces."""
        from signalbox_airflow.analysis_work import map_partitions

        return map_partitions(PROJECT, window)

    @task(task_id="map_services", map_index_template="{{ piece }}", doc_md="Maps one piece.")
    def map_services(window: str, piece: str) -> None:
        """Map one piece."""
        from airflow.sdk import get_current_context

        from pipelines.aiops.lake.window import Window
        from signalbox_airflow.analysis_work import run_stage_step

        get_current_context()["piece"] = piece
        run_stage_step(PROJECT, "map_services", "run_partition", window, Window.parse(piece))

    @task(
        task_id="join_service_map",
        outlets=[SERVICE_MAP_READY],
        doc_md="Joins the pieces, compares with the time before, tells what changes moved; "
        "starts incidents.",
    )
    def join_service_map(window: str) -> None:
        """Join the pieces."""
        from signalbox_airflow.analysis_work import run_stage_step

        run_stage_step(PROJECT, "map_services", "join", window)

    window = window_task(PROJECT)
    mapped = map_services.partial(window=window).expand(piece=map_pieces(window))
    mapped >> join_service_map(window)

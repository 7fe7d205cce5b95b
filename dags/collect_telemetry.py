"""Read the telemetry sources of params.yaml into the lake: one task a source, hour by hour."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, task

from pipelines.core.project import find_project

PROJECT = find_project(__file__)

with DAG(
    "collect_telemetry",
    schedule=CronDataIntervalTimetable("10 * * * *", timezone="UTC"),
    catchup=False,
    tags=["signalbox", "aiops"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
) as dag:

    @task(task_id="sources", doc_md="Names of the sources in aiops.telemetry.")
    def sources() -> list[str]:
        """List the sources."""
        from pipelines.aiops.params import load_aiops_params

        params = load_aiops_params(PROJECT)
        return [source.name for source in params.telemetry.sources]

    @task(
        task_id="ingest",
        map_index_template="{{ source }}",
        doc_md="Reads what changed in the run's data interval; the same interval again changes "
        "nothing. A run without one reads all there is.",
    )
    def ingest(
        source: str, data_interval_start: Any = None, data_interval_end: Any = None
    ) -> dict[str, Any]:
        """Read one source."""
        from dataclasses import asdict
        from datetime import UTC, datetime

        from airflow.sdk import get_current_context

        from pipelines.aiops.lake.batch import ReadWindow
        from pipelines.aiops.params import load_aiops_params
        from pipelines.aiops.sources.ingest import chosen, describe
        from pipelines.aiops.sources.ingest import ingest as ingest_source

        get_current_context()["source"] = source
        params = load_aiops_params(PROJECT)
        window = ReadWindow(data_interval_start, data_interval_end, datetime.now(UTC))
        done = ingest_source(params, chosen(params.telemetry, [source])[0], window, PROJECT)
        print(describe(done))
        return asdict(done)

    ingest.expand(source=sources())

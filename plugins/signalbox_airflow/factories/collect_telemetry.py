"""Reads the telemetry sources of params.yaml into the lake: one task a source, hour by hour.

**Needs**: the sources in ``aiops.telemetry.sources`` of ``params.yaml``: files, addresses, or this
project's own Airflow.

**Writes**: days of alerts, tickets, metrics, logs and spans in the lake (``aiops.telemetry.lake``).
Reading the same hour again changes nothing.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task

from pipelines.core.project import dag_id
from signalbox_airflow.parsing import OWNER, described, project_of_file


def collect_telemetry(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "collect_telemetry"),
        schedule=CronDataIntervalTimetable("10 * * * *", timezone="UTC"),
        catchup=False,
        tags=["signalbox", "aiops", "telemetry"],
        doc_md=described(__doc__, "own-telemetry", "operations"),
        params={
            "sources": Param(
                None,
                type=["null", "array"],
                items={"type": "string"},
                title="Only these sources",
                description="Names in aiops.telemetry.sources, one a line; empty = all of them.",
            )
        },
        default_args={"owner": OWNER, "retries": 2, "retry_delay": timedelta(minutes=1)},
    ) as dag:

        @task(task_id="sources", doc_md="Names of the sources in aiops.telemetry.")
        def sources(params: dict[str, Any]) -> list[str]:
            """List the sources that the form asks for."""
            from airflow.sdk.exceptions import AirflowFailException

            from pipelines.aiops.params import load_aiops_params
            from pipelines.aiops.sources.ingest import chosen
            from pipelines.core.errors import SignalboxError
            from signalbox_airflow.notes import ending_noted

            with ending_noted():
                try:
                    telemetry = load_aiops_params(project).telemetry
                    return [source.name for source in chosen(telemetry, params["sources"] or ())]
                except SignalboxError as error:
                    raise AirflowFailException(str(error)) from None  # nothing a retry would mend

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
            params = load_aiops_params(project)
            window = ReadWindow(data_interval_start, data_interval_end, datetime.now(UTC))
            done = ingest_source(params, chosen(params.telemetry, [source])[0], window, project)
            print(describe(done))
            return asdict(done)

        ingest.expand(source=sources())
    return dag

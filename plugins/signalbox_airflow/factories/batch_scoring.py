"""Scores a table with the model in production: predictions with the model's version and reasons.

**Needs**: a released model (DAG model_release) and the address of a table with its columns.

**Writes**: ``predictions/<name>.parquet`` and, beside it, a record of model, input and rows. The
same batch again changes nothing.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from pipelines.core.project import dag_id
from signalbox_airflow.parsing import OWNER, described, project_of_file


def batch_scoring(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "batch_scoring"),
        schedule=None,
        catchup=False,
        max_active_runs=1,
        tags=["signalbox", "mlops"],
        doc_md=described(__doc__, "model-release", "operations"),
        params={
            "input": Param(
                type="string",
                minLength=1,
                title="Table to score",
                description="Parquet or delimited text: a path in the project or any fsspec "
                "address.",
            ),
            "name": Param(
                None,
                type=["null", "string"],
                pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
                title="Name of the batch",
                description="predictions/<name>.parquet; empty = after the run.",
            ),
            "reasons": Param(
                None,
                type=["null", "integer"],
                minimum=0,
                maximum=20,
                title="Reason codes a row",
                description="Empty = as release.yaml says.",
            ),
        },
        default_args={"owner": OWNER, "retries": 1, "retry_delay": timedelta(seconds=10)},
    ) as dag:

        @task(task_id="score", doc_md="Loads the released model by commit and hash, and scores.")
        def score(params: dict[str, Any], run_id: str) -> dict[str, Any]:
            """Score the table of the form."""
            import re

            from airflow.sdk.exceptions import AirflowFailException

            from pipelines.core.errors import SignalboxError
            from pipelines.mlops.scoring.record import describe
            from pipelines.mlops.scoring.score import as_entry, score_input
            from signalbox_airflow.notes import ending_noted

            # A repeated task must find its own batch again, so the name comes from the run.
            name = params["name"] or re.sub(r"[^A-Za-z0-9_.-]", "_", run_id)
            with ending_noted():
                try:
                    record = score_input(project, params["input"], name, reasons=params["reasons"])
                except SignalboxError as error:
                    raise AirflowFailException(str(error)) from None  # nothing a retry would mend
            print(describe(record))
            return as_entry(record)

        score()
    return dag

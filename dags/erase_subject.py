"""Erase a person from everything the project keeps, prove it in the ledger, retrain without them.

The form takes the subject's keyed hash alone, as ``signalbox erase --token KEY`` prints it: Airflow
keeps for good what is typed into a form, so a key in clear is refused before a run begins.
"""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task

from pipelines.core.project import find_project

PROJECT = find_project(__file__)
COMMAND = [sys.executable, "-m", "pipelines.cli.erase_commands", "-", "--yes", "--json"]

with DAG(
    "erase_subject",
    schedule=None,
    catchup=False,
    tags=["signalbox", "privacy"],
    doc_md=__doc__,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "subject": Param(
            type="string",
            pattern=r"^hmac-sha256:[0-9a-f]{64}$",
            title="Subject",
            description="Keyed hash (hmac-sha256:…) of the person to erase, as "
            "`signalbox erase --token KEY` prints it",
        )
    },
) as dag:

    @task(doc_md="Erases; its result is the proof, which holds no personal data.")
    def erase() -> dict[str, Any]:
        """Run the command; the subject travels by standard input, in no process list or log."""
        from airflow.sdk.log import mask_secret

        subject = str(get_current_context()["params"]["subject"])
        mask_secret(subject)
        done = subprocess.run(
            COMMAND, cwd=PROJECT, input=f"{subject}\n".encode(), capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode().strip()[-2000:]}")
        return dict(json.loads(done.stdout))

    retrain = TriggerDagRunOperator(
        task_id="retrain",
        trigger_dag_id="model_release",
        doc_md="Trains without the subject; the gate and the approvers decide as always.",
    )
    erase() >> retrain

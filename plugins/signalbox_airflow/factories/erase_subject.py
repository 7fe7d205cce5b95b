"""Erases a person from everything the project keeps, proves it in the ledger, trains without them.

The form takes the subject's keyed hash alone, as ``signalbox erase --token KEY`` prints it: Airflow
keeps for good what is typed into a form, so a key in clear is refused before a run begins.

**Needs**: the keys' folder on the machine that runs the task (``SIGNALBOX_KEYS``).

**Writes**: source files, tables, predictions and old runs without the person; the proof, which
holds no personal data, in the ledger; then it starts model_release.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from pipelines.core.project import VARIABLE, dag_id
from signalbox_airflow.parsing import OWNER, described, project_of_file

COMMAND = [sys.executable, "-m", "pipelines.cli.erase_commands", "-", "--yes", "--json"]


def erase_subject(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "erase_subject"),
        schedule=None,
        catchup=False,
        tags=["signalbox", "privacy"],
        doc_md=described(__doc__, "auditors", "operations"),
        max_active_runs=1,
        default_args={"owner": OWNER, "retries": 2, "retry_delay": timedelta(seconds=30)},
        params={
            "subject": Param(
                type="string",
                pattern=r"^hmac-sha256:[0-9a-f]{64}$",
                title="Subject",
                description="Keyed hash (hmac-sha256:…) of the person to erase, as "
                "signalbox erase --token KEY prints it.",
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
                COMMAND,
                cwd=project,
                env={**os.environ, VARIABLE: str(project)},
                input=f"{subject}\n".encode(),
                capture_output=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(
                    f"exit {done.returncode}: {done.stderr.decode().strip()[-2000:]}"
                )
            return dict(json.loads(done.stdout))

        @task(doc_md="Trains without the subject; the gate and the approvers decide as always.")
        def retrain(run_id: str) -> None:
            """Start model_release, as Airflow's TriggerDagRunOperator does.

            That operator's module imports Airflow's whole database model whenever the DAG is read.
            And an asset's event, the other way, is lost where model_release is paused. A repeated
            task finds the run that it started.
            """
            from airflow.sdk.exceptions import DagRunTriggerException

            raise DagRunTriggerException(
                trigger_dag_id=dag_id(project, "model_release"),
                dag_run_id=f"erased__{run_id}",
                conf={},
                reset_dag_run=False,
                skip_when_already_exists=True,
                wait_for_completion=False,
                allowed_states=[],
                failed_states=[],
                poke_interval=60,
                deferrable=False,
            )

        erase() >> retrain()
    return dag

"""Learns alert rules from history, tests them on later history, and asks people to release them.

One task a stage of ``dvc.yaml``, the gate's verdict, the approvers' question; a released rule set
is then published as Alertmanager and Prometheus configuration.

**Needs**: alerts in the telemetry lake (``signalbox ingest``, or the DAG collect_telemetry), and
your alertmanager.yml (``aiops.export_rules``). A fresh clone has a simulated company instead.

**Writes**: ``reports/alert_noise_reduction.html``; the run as a git commit under ``refs/runs/``;
the decision in the ledger; after a release ``released/alert_noise_reduction.json`` and the files
that ``aiops.export_rules.publish`` names.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, task

from dvc_airflow import DvcTaskGroup, ProjectConfig, RenderConfig
from pipelines.core.project import dag_id, project_name
from signalbox_airflow.parsing import (
    OWNER,
    described,
    params_schema,
    project_of_file,
    renamed_params,
)
from signalbox_airflow.release_path import release_tasks

FORM = [
    "aiops.alert_history.lake",
    "aiops.alert_history.days",
    "aiops.alert_history.until",
    "aiops.mine_rules.hold.wait_seconds",
    "aiops.mine_rules.hold.again_seconds",
    "aiops.mine_rules.hold.min_pages",
    "aiops.select_rules.short_wait_seconds",
    "aiops.export_rules.alertmanager_version",
    "aiops.export_rules.publish.shadow",
]
"""What a person changes for one run; all else goes into the run's configuration (JSON)."""


def alert_noise_reduction(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "alert_noise_reduction"),
        schedule=CronTriggerTimetable("0 4 * * 1", timezone="UTC"),
        catchup=False,
        tags=["signalbox", "aiops", "release"],
        doc_md=described(__doc__, "alert-rules", "own-telemetry", "params"),
        default_args={"owner": OWNER, "retries": 1, "retry_delay": timedelta(seconds=10)},
    ) as dag:
        DvcTaskGroup(
            project=ProjectConfig(project, project_name(project) or None),
            render=RenderConfig(
                targets=["report_rules"],
                params=FORM,
                schema=params_schema(project),
                renamed=renamed_params,
            ),
        )
        released = release_tasks(
            project,
            "alert_noise_reduction",
            saved=dag.get_task("save_run"),
        )

        @task(
            doc_md="Writes released rules to the files in params.yaml, aiops.export_rules.publish."
        )
        def publish_rules(**context: Any) -> dict[str, Any]:
            """Publish what is in production; without a target it says so and changes nothing."""
            from pipelines.aiops.alerting.publishing import publish_released
            from pipelines.aiops.params import load_aiops_params

            params = load_aiops_params(project)
            today = context["dag_run"].run_after.date()
            return publish_released(project, params, today=today)

        released >> publish_rules()
    return dag

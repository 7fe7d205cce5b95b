"""Alert rules' way to release: mined from history, tested on later history, then people."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, task

from dvc_airflow import DvcTaskGroup, RenderConfig
from pipelines.core.project import find_project
from signalbox_airflow.release_path import RENAMED_PARAMS, release_tasks

PROJECT = find_project(__file__)

with DAG(
    "alert_noise_reduction",
    schedule=CronTriggerTimetable("0 4 * * 1", timezone="UTC"),
    catchup=False,
    tags=["signalbox", "aiops"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
) as dag:
    stages = DvcTaskGroup(
        project=PROJECT, render=RenderConfig(targets=["report_rules"], renamed=RENAMED_PARAMS)
    )
    released = release_tasks(
        PROJECT,
        "alert_noise_reduction",
        saved=dag.get_task("save_run"),
    )

    @task(doc_md="Writes released rules to the files in params.yaml, aiops.export_rules.publish.")
    def publish_rules(**context: Any) -> dict[str, Any]:
        """Publish what is in production; without a target it says so and changes nothing."""
        from pipelines.aiops.alerting.publishing import publish_released
        from pipelines.aiops.params import load_aiops_params

        params = load_aiops_params(PROJECT)
        today = context["dag_run"].run_after.date()
        return publish_released(PROJECT, params, today=today)

    released >> publish_rules()

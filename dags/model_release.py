"""A model's way to release: one task a stage of ``dvc.yaml``, then the gate's verdict."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, CronTriggerTimetable

from dvc_airflow import DvcTaskGroup
from release_path import verdict_tasks

with DAG(
    "model_release",
    schedule=CronTriggerTimetable("0 3 * * 1", timezone="UTC"),
    catchup=False,
    tags=["signalbox", "mlops"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
) as dag:
    stages = DvcTaskGroup(project=Path(__file__).resolve().parents[1], targets=["report"])
    verdict_tasks(gate=dag.get_task("gate"), after=dag.get_task("save_run"))

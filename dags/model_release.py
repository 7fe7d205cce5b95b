"""A model's way to release: one task a stage of ``dvc.yaml``, the gate's verdict, then people."""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable

from dvc_airflow import DvcTaskGroup
from pipelines.core.project import find_project
from signalbox_airflow.release_path import release_tasks

PROJECT = find_project(__file__)
RETRAIN = Asset(name="retrain/model_release", uri="signalbox://retrain/model_release")
"""Updated by model_monitoring when an alarm asks for a new model."""

with DAG(
    "model_release",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 3 * * 1", timezone="UTC"), assets=[RETRAIN]
    ),
    catchup=False,
    tags=["signalbox", "mlops"],
    doc_md=__doc__,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
) as dag:
    stages = DvcTaskGroup(project=PROJECT, targets=["report"])
    release_tasks(
        PROJECT,
        "model_release",
        saved=dag.get_task("save_run"),
    )

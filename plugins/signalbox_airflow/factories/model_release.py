"""Trains a model, tests it, decides by the policy whether it is fit, and asks people to release it.

One task a stage of ``dvc.yaml``, the gate's verdict, the approvers' question.

**Needs**: the data that ``data.source`` in ``params.yaml`` names, and its rules in
``expectations/``. Runs every Monday, when model_monitoring asks for a new model, and after
erase_subject.

**Writes**: ``reports/model_release.html``; the run as a git commit under ``refs/runs/``; the
decision in the ledger; after a release ``released/model_release.json``, a git tag and a line in the
registry. A rejected model is a result, not a crash: the report says which check failed.
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from dvc_airflow import DvcTaskGroup, ProjectConfig, RenderConfig
from pipelines.core.project import dag_id, project_name
from signalbox_airflow.parsing import (
    OWNER,
    described,
    params_schema,
    project_of_file,
    renamed_params,
    retrain,
)
from signalbox_airflow.release_path import release_tasks

FORM = [
    "train.seed",
    "train.select_by",
    "train.threshold.rule",
    "train.calibration",
    "train.class_weight",
    "train.use_sensitive",
    "train.folds",
    "evaluate.replicates",
    "validate.max_quarantined_share",
]
"""What a person changes for one run; all else goes into the run's configuration (JSON)."""


def model_release(file: str) -> DAG:
    """Make the DAG of the project that a DAG file is part of.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = project_of_file(file)
    with DAG(
        dag_id(project, "model_release"),
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("0 3 * * 1", timezone="UTC"), assets=[retrain(project)]
        ),
        catchup=False,
        tags=["signalbox", "mlops", "release"],
        doc_md=described(__doc__, "model-release", "own-data", "params"),
        default_args={"owner": OWNER, "retries": 1, "retry_delay": timedelta(seconds=10)},
    ) as dag:
        DvcTaskGroup(
            project=ProjectConfig(project, project_name(project) or None),
            render=RenderConfig(
                targets=["report"],
                params=FORM,
                schema=params_schema(project),
                renamed=renamed_params,
            ),
        )
        release_tasks(
            project,
            "model_release",
            saved=dag.get_task("save_run"),
        )
    return dag

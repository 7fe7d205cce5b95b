"""The operators: open a workspace, run stages in it, save the run; and those of watched runs."""

from dvc_airflow.operators.open import OpenWorkspaceOperator
from dvc_airflow.operators.save import SaveRunOperator
from dvc_airflow.operators.stage import DvcStageOperator

__all__ = ["DvcStageOperator", "OpenWorkspaceOperator", "SaveRunOperator"]

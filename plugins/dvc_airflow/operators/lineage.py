"""Inputs and outputs of a stage task for OpenLineage, if its provider is there."""

from __future__ import annotations

from typing import Any


def run_facets(operator: Any, task_instance: Any) -> Any:
    """Return an ``OperatorLineage`` of the stage's dependencies and outputs, or None.

    Parameters
    ----------
    operator : DvcStageOperator
        The task.
    task_instance : Any
        Its instance.
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    namespace = f"dvc://{operator.project_name}"
    return OperatorLineage(
        inputs=[Dataset(namespace=namespace, name=path) for path in operator.reads],
        outputs=[Dataset(namespace=namespace, name=path) for path in operator.makes],
    )

"""Inputs and outputs of a stage task for OpenLineage, if its provider is there."""

from __future__ import annotations

from typing import Any


def run_facets(operator: Any, task_instance: Any) -> Any:
    """An ``OperatorLineage`` of the stage's dependencies and outputs, or None.

    Parameters
    ----------
    operator : DvcStageOperator
        The task.
    task_instance : Any
        Its instance; what it returned names the outputs.
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    namespace, inputs, outputs = operator.lineage
    return OperatorLineage(
        inputs=[Dataset(namespace=namespace, name=path) for path in inputs],
        outputs=[Dataset(namespace=namespace, name=path) for path in outputs],
    )

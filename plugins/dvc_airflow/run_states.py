"""What Airflow says of a DAG's runs, asked from the process that reads the DAG file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Final

_RUNNER: Final = "airflow.sdk.execution_time.task_runner"
OVER: Final = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States in which a task stays."""

_log = logging.getLogger(__name__)


def ended_runs(dag_id: str, run_ids: Sequence[str]) -> set[str] | None:
    """Return those of a DAG's runs whose tasks have all ended, or that Airflow no longer knows.

    Parameters
    ----------
    dag_id : str
        The DAG.
    run_ids : sequence of str
        Its runs.

    Returns
    -------
    set of str or None
        None if Airflow can't be asked: only its DAG processor and its tasks have a line to it.
    """
    # Looked up, not imported: whoever has a line has it loaded, and a plain parse need not pay.
    comms = getattr(sys.modules.get(_RUNNER), "SUPERVISOR_COMMS", None)
    if comms is None:
        return None
    from airflow.sdk.execution_time.comms import GetTaskStates

    try:
        answer = comms.send(GetTaskStates(dag_id=dag_id, run_ids=list(run_ids)))
    except Exception as exc:  # it is busy, or older: the DAG is drawn all the same
        _log.warning("Airflow doesn't say which runs of %s are over: %s", dag_id, exc)
        return None
    states = getattr(answer, "task_states", None)
    if states is None:
        return None
    return {
        run_id
        for run_id in run_ids
        if all(str(getattr(state, "value", state)) in OVER
               for state in states.get(run_id, {}).values())
    }  # fmt: skip

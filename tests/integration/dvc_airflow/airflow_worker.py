"""Runs DAGs in a process of its own; started by ``conftest.py``.

Airflow reads its configuration when it is first imported, which in the test process may
have happened long before. One request (JSON) a line comes in on standard input, one
answer a line goes out on the file descriptor that the first argument names.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any


def import_dag(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


def run(path: str, conf: dict[str, Any] | None) -> dict[str, Any]:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    # A DAG object remembers the parameters of its last test run, so import it anew.
    dag_run = import_dag(Path(path)).test(run_conf=conf or None)
    with create_session() as session:
        instances = dag_run.get_task_instances(session=session)
        xcoms = select(XComModel).where(
            XComModel.run_id == dag_run.run_id,
            XComModel.dag_id == dag_run.dag_id,
            XComModel.key == "return_value",
        )
        events = (
            select(AssetEvent, AssetModel.uri)
            .join(AssetModel, AssetEvent.asset_id == AssetModel.id)
            .where(AssetEvent.source_run_id == dag_run.run_id)
        )
        return {
            "run_id": dag_run.run_id,
            "state": str(dag_run.state),
            "states": {ti.task_id: str(ti.state) for ti in instances},
            "labels": {ti.task_id: ti.rendered_map_index for ti in instances},
            "xcoms": {
                row.task_id: XComModel.deserialize_value(row) for row in session.scalars(xcoms)
            },
            "assets": {uri: event.extra for event, uri in session.execute(events)},
        }


def import_errors(folder: str) -> list[str]:
    from airflow.dag_processing.dagbag import DagBag

    return list(DagBag(folder).import_errors.values())


def loaded() -> dict[str, str | None]:
    """Name and file of every top-level module that was imported so far."""
    tops = {name: module for name, module in sys.modules.items() if "." not in name}
    return {name: getattr(module, "__file__", None) for name, module in tops.items()}


def main() -> None:
    answers = os.fdopen(int(sys.argv[1]), "w")
    for line in sys.stdin:
        request = json.loads(line)
        known = {"run": run, "import_errors": import_errors, "loaded": loaded}
        function = known[request.pop("do")]
        try:
            answer = {"answer": function(**request)}
        except Exception as exc:
            answer = {"error": f"{type(exc).__name__}: {exc}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

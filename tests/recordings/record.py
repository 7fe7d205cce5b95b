"""What people and programs reach by name: commands, DAGs and tasks, pages.

``python -m tests.recordings.record`` writes it down anew; a change belongs into CHANGELOG.md.
"""

import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "tests/recordings/names.json"
OURS = ROOT / "plugins"


def commands() -> dict[str, Any]:
    """Return every command with its arguments, options, defaults and help."""
    import typer.main

    from pipelines.cli.main import app

    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        found[name] = {
            "help": command.help,
            "parameters": [
                {
                    "names": [*parameter.opts, *parameter.secondary_opts],
                    "required": parameter.required,
                    "help": getattr(parameter, "help", None),
                }
                for parameter in command.params
            ],
        }
        for below, child in sorted(getattr(command, "commands", {}).items()):
            walk(child, f"{name} {below}")

    walk(typer.main.get_command(app), "signalbox")
    return found


def dags() -> dict[str, Any]:
    """Return every DAG's tasks with what stands before them, and the fields of its form."""
    found = {}
    for path in sorted((ROOT / "dags").glob("[a-z]*.py")):
        dag = runpy.run_path(str(path))["dag"]
        found[dag.dag_id] = {
            "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
            "mapped": sorted(task.task_id for task in dag.tasks if task.is_mapped),
            "form": sorted(dag.params),
            "tags": sorted(dag.tags),
        }
    return found


def pages() -> dict[str, Any]:
    """Return the routes of our plugins, and where Airflow shows them."""
    from airflow.plugins_manager import AirflowPlugin

    found: dict[str, Any] = {}
    for path in sorted(OURS.rglob("*.py")):
        parts = path.relative_to(OURS).with_suffix("").parts
        if parts[0] == "dvc_airflow" or "AirflowPlugin" not in path.read_text(encoding="utf-8"):
            continue
        module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
        for value in vars(module).values():
            is_plugin = isinstance(value, type) and issubclass(value, AirflowPlugin)
            if is_plugin and value is not AirflowPlugin:
                found |= _pages_of(value)
    return found


def _pages_of(plugin: Any) -> dict[str, Any]:
    return {
        f"{plugin.name}: {entry['name']}": {
            key: value for key, value in entry.items() if isinstance(value, str)
        }
        | {"routes": _routes(entry["app"]) if "app" in entry else []}
        for entry in [*plugin.fastapi_apps, *plugin.external_views]
    }


def _routes(lazy: Any) -> list[str]:
    app = lazy._make(ROOT)
    return sorted(f"{sorted(route.methods)} {route.path}" for route in app.routes)


def record() -> dict[str, Any]:
    """Return all names."""
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / ".airflow"))
    if str(OURS) not in sys.path:
        sys.path.insert(0, str(OURS))
    return {"commands": commands(), "dags": dags(), "pages": pages()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(record(), indent=1, sort_keys=True) + "\n", encoding="utf-8")

"""What is worth knowing about a run but must not be in its outputs: a JSON beside it."""

from __future__ import annotations

import json
import platform
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dvc_airflow.runtime.run_key import RunKey


def facts_path(key: RunKey, workspaces: Path) -> Path:
    """``<workspaces>/<dag>/<run>.json``."""
    directory = key.workspace(workspaces)
    return directory.with_name(f"{directory.name}.json")


def write_facts(key: RunKey, workspaces: Path, facts: Mapping[str, Any]) -> Path:
    """Add to a run's facts; later facts win."""
    path = facts_path(key, workspaces)
    path.parent.mkdir(parents=True, exist_ok=True)
    merged = {**read_facts(path), "dag_id": key.dag_id, "run_id": key.run_id, **facts}
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(merged, indent=2, default=str) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def read_facts(path: Path) -> dict[str, Any]:
    """Return a run's facts; nothing if there are none or they are damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def environment() -> dict[str, Any]:
    """Host and versions."""
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "dvc": _version("dvc"),
        "airflow": _version("apache-airflow"),
    }


def now() -> str:
    """Return the time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

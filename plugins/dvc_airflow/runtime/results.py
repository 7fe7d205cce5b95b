"""Which results of a run's stages a workspace holds: a note a stage, beside DVC's own state.

A workspace that lies where the run was opened looks like the original, but stages may have run on
other hosts since. dvc.lock doesn't tell: for those stages it names what the run's commit had. So
the driver notes each stage that it brought up to date in this workspace, or whose entry it was
given, and whoever reads from another stage of the run looks here first. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

MARKER: Final = "dvc-airflow.json"
"""In ``.git`` of a finished workspace: its description."""
_FOLDER: Final = "dvc-airflow-results"


def run_of(project: Path) -> dict[str, Any] | None:
    """Return the description of the run whose workspace a project is; None for any other."""
    for directory in (project, *project.parents):
        if (directory / ".git").is_dir():
            try:
                found = json.loads((directory / ".git" / MARKER).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                return None
            return found if isinstance(found, dict) else None
    return None


def note_result(project: Path, result: Mapping[str, Any]) -> None:
    """Note that a stage is up to date in this workspace.

    Parameters
    ----------
    project : Path
        The DVC project in the workspace.
    result : mapping
        A stage's result, see `StageResult`; of one that ran elsewhere ``stage`` and ``lock`` do.
    """
    path = _path(project, str(result["stage"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.replace(path)


def forget_result(project: Path, stage: str) -> None:
    """Take a stage's note back: it is about to run (again)."""
    _path(project, stage).unlink(missing_ok=True)


def noted_results(project: Path) -> dict[str, dict[str, Any]]:
    """Return the notes of a workspace by stage; damaged ones count as none."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(_folder(project).glob("*.json")):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            found[note["stage"]] = note
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found


def _folder(project: Path) -> Path:
    # DVC ignores this folder, git too, and it goes away with the workspace.
    return project / ".dvc" / "tmp" / _FOLDER


def _path(project: Path, stage: str) -> Path:
    return _folder(project) / f"{hashlib.sha256(stage.encode()).hexdigest()[:32]}.json"

"""Where the project lies that code works for: code installed from a wheel lies elsewhere."""

import os
from pathlib import Path

from pipelines.core.errors import SignalboxError

VARIABLE = "SIGNALBOX_PROJECT"
PIPELINE = "dvc.yaml"
"""The file that makes a directory a project."""
_ABOVE = slice(1, 3)
"""Where a project can lie above one of its files: ``dags/x.py``, ``pipelines/cli/x.py``. Further up
there may be somebody else's."""


def find_project(file: str) -> Path:
    """Return the project's top directory.

    It is what ``$SIGNALBOX_PROJECT`` names; else the one that `file` is part of, as DAG files and a
    checkout are; else the current directory.

    Parameters
    ----------
    file : str
        ``__file__`` of the code that asks.

    Returns
    -------
    Path
        Absolute, with links resolved.

    Raises
    ------
    SignalboxError
        If the variable names something else than a project, or there is no project.
    """
    named = os.environ.get(VARIABLE)
    if named:
        project = Path(named).expanduser().resolve()
        if not (project / PIPELINE).is_file():
            raise SignalboxError(f"${VARIABLE}: {project} has no {PIPELINE}; name a project's top")
        return project
    here = Path.cwd().resolve()
    for directory in (*Path(file).resolve().parents[_ABOVE], here):
        if (directory / PIPELINE).is_file():
            return directory
    raise SignalboxError(
        f"{here} has no {PIPELINE}: start in the project's top directory, or set ${VARIABLE} to it"
    )

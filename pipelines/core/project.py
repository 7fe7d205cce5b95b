"""Where the project lies that code works for: code installed from a wheel lies elsewhere."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import SignalboxError

VARIABLE = "SIGNALBOX_PROJECT"
PROJECTS = "SIGNALBOX_PROJECTS"
"""Variable with the directories of all projects of one Airflow, parted as ``PATH`` is."""
PIPELINE = "dvc.yaml"
"""The file that makes a directory a project."""
_ABOVE = slice(1, 3)
"""Where a project can lie above one of its files: ``dags/x.py``, ``pipelines/cli/x.py``. Further up
there may be somebody else's."""


NAME = "project.name"
"""Key of ``release.yaml``: what the ids of a project's DAGs begin with."""


_MARKS = (PIPELINE, "release.yaml", "params.yaml", "ledger/ledger.jsonl")
"""What a command takes a directory for a project by: not every project has a pipeline yet."""


@dataclass(frozen=True)
class Chosen:
    """The project that a command works for.

    Attributes
    ----------
    path : Path
        Its top directory; absolute, with links resolved.
    why : str
        Why it is this one and not the directory that somebody stands in; empty if it is that one.
    """

    path: Path
    why: str = ""


def command_project(file: str) -> Chosen:
    """Return the project that a command works for, where none is named.

    It is what ``$SIGNALBOX_PROJECT`` names; else the directory that somebody stands in, or the
    nearest one above it, if it is a project; else the one that the command's code is part of. A
    DAG file asks `find_project` instead: nobody stands anywhere when Airflow reads it.

    Parameters
    ----------
    file : str
        ``__file__`` of the code that asks.

    Returns
    -------
    Chosen
        Where nothing is a project, the current directory: the command says what it lacks.

    Raises
    ------
    SignalboxError
        If the variable names something else than a project.
    """
    here = Path.cwd().resolve()
    if os.environ.get(VARIABLE):
        named = find_project(file)
        return Chosen(named, "" if named == here else f"${VARIABLE} names it")
    for directory in (here, *here.parents):
        if any((directory / mark).is_file() for mark in _MARKS):
            why = "" if directory == here else "the directory you stand in is part of it"
            return Chosen(directory, why)
    for directory in Path(file).resolve().parents[_ABOVE]:
        if (directory / PIPELINE).is_file():
            why = f"the installed Signalbox is part of it; {here} is in no project"
            return Chosen(directory, why)
    return Chosen(here)


def project_name(project: Path) -> str:
    """Return a project's name; empty if it has none, as the bundled demo project.

    Only this key of ``release.yaml`` is looked at: Airflow asks whenever it reads a DAG file. The
    typed model checks it together with the rest of its section
    (`pipelines.core.runtime.ProjectParams`).

    Parameters
    ----------
    project : Path
        Its top directory.

    Returns
    -------
    str
        Empty too where ``release.yaml`` isn't readable: whoever reads more of it says so.
    """
    return _setting(project, NAME)


def use_keys_of(project: Path) -> None:
    """Let this process, and those it starts, find the secret keys where ``release.yaml`` says.

    ``$SIGNALBOX_KEYS`` counts more; without either the user's own folder is taken.

    Parameters
    ----------
    project : Path
        Its top directory.
    """
    folder = _setting(project, "project.keys")
    if folder:
        os.environ.setdefault("SIGNALBOX_KEYS", str(project / Path(folder).expanduser()))


def _setting(project: Path, setting: str) -> str:
    """Return a text in ``release.yaml``; empty if it isn't there or isn't one."""
    import yaml

    section, _, key = setting.partition(".")
    try:
        found = yaml.load((project / "release.yaml").read_bytes(), yaml.CSafeLoader)
        value = found[section][key]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def dag_id(project: Path, dag: str) -> str:
    """Return the id of one of a project's DAGs: ``churn.model_release``, or ``model_release``.

    Parameters
    ----------
    project : Path
    dag : str
        The DAG's name: that of its file, and of the product that it releases.
    """
    name = project_name(project)
    return f"{name}.{dag}" if name else dag


def dag_name(dag_id: str) -> str:
    """Return the name of the DAG with an id, without its project's: names have no dots."""
    return dag_id.rpartition(".")[2]


def project_of_dag(dag_id: str, file: str, otherwise: Path | None = None) -> Path:
    """Return the project that a DAG belongs to, of those whose DAGs this Airflow reads.

    Parameters
    ----------
    dag_id : str
    file : str
        ``__file__`` of the code that asks.
    otherwise : Path, optional
        For DAGs of no project with a name, instead of what `find_project` finds.

    Raises
    ------
    SignalboxError
        As `find_project`.
    """
    name = dag_id.rpartition(".")[0]
    if name:
        for project in airflow_projects():
            if project_name(project) == name:
                return project
    return otherwise or find_project(file)


def airflow_projects() -> list[Path]:
    """Return the projects whose DAGs this Airflow reads (``$SIGNALBOX_PROJECTS``); [] = one."""
    return [Path(path) for path in os.environ.get(PROJECTS, "").split(os.pathsep) if path]


def find_project(file: str) -> Path:
    """Return the project's top directory.

    It is what ``$SIGNALBOX_PROJECT`` names; else the one that `file` is part of, as DAG files and a
    checkout are; else the current directory. A file of a project with another name belongs to that
    project all the same: one Airflow may read the DAG files of several.

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
        own = _project_around(file)
        if own is not None and project_name(own) not in ("", project_name(project)):
            return own
        if not (project / PIPELINE).is_file():
            raise SignalboxError(f"${VARIABLE}: {project} has no {PIPELINE}; name a project's top")
        return project
    around = _project_around(file)
    if around is not None:
        return around
    here = Path.cwd().resolve()
    if (here / PIPELINE).is_file():
        return here
    raise SignalboxError(
        f"{here} has no {PIPELINE}: start in the project's top directory, or set ${VARIABLE} to it"
    )


def _project_around(file: str) -> Path | None:
    """Return the project that a file is part of."""
    above = Path(file).resolve().parents[_ABOVE]
    return next((directory for directory in above if (directory / PIPELINE).is_file()), None)

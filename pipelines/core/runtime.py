"""Section ``runtime`` of ``release.yaml``: settings of a deployment, on which no result depends.

They stand beside the settings of the release path and not in ``params.yaml``, whose values are
inputs of stages: more memory is no reason to compute anything again.
"""

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipelines.core.errors import SignalboxError
from pipelines.core.settings import PositiveInt, Section, Unset, read_mapping, validate_section

RELEASE_CONFIG = Path("release.yaml")
SECTIONS = frozenset(
    {
        "project",
        "approval",
        "registry",
        "scoring",
        "monitoring",
        "kpis",
        "privacy",
        "compliance",
        "runtime",
    }
)
"""Every section there may be: a misspelt one must not pass for "not given"."""
DEFAULT_MEMORY_MB = 2048


class ProjectParams(Section):
    """Who this project is where several share an installation or an Airflow."""

    name: Unset[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]] = None
    """Begins the ids of the project's DAGs: ``churn`` makes ``churn.model_release``; null = they
    have no project's name before them."""
    airflow: Annotated[str, Field(min_length=1)] = ".airflow"
    """Folder of the Airflow that runs the DAGs, relative to the project. Projects that name the
    same one share it: its login, its port and its workers."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of Airflow's UI on loopback; null = 8080, or a free one if that is taken."""
    keys: Unset[str] = None
    """Folder of the secret keys, outside the project or ignored by git, where
    ``SIGNALBOX_KEYS`` names none; null = ``~/.config/signalbox/keys``, which all projects of a user
    share."""


class RuntimeParams(Section):
    """What a machine or a cluster gives the stages; results don't depend on it."""

    memory_mb: PositiveInt = DEFAULT_MEMORY_MB
    """Memory of a stage, MB. The engine keeps to it; stages that mine, choose and test rules give
    the engine half of it, and refuse a history that needs more before they read it (200 bytes an
    alert to mine, 550 to choose and test)."""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 8
    """Tasks that the work on metrics is spread over."""


def read_sections(file: Path, allowed: Set[str] = SECTIONS) -> dict[str, Any]:
    """Read all sections of ``release.yaml``, unchecked; nothing if there is no file.

    Raises
    ------
    SignalboxError
        If it can't be read, isn't a mapping, or has a section that isn't allowed.
    """
    try:
        raw = read_mapping(file)
    except FileNotFoundError:
        return {}
    if raw is None:
        return {}
    unknown = sorted(str(key) for key in raw if key not in allowed)
    if unknown:
        raise SignalboxError(f"{file}: unknown section {unknown}; allowed are {sorted(allowed)}")
    return raw


def load_runtime(project: Path = Path()) -> RuntimeParams:
    """Load section ``runtime`` of a project; without file or section the defaults.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    file = project / RELEASE_CONFIG
    raw = read_sections(file).get("runtime")
    return validate_section(file, {} if raw is None else raw, RuntimeParams, "runtime")


def load_project_params(project: Path = Path()) -> ProjectParams:
    """Load section ``project`` of ``release.yaml``; without file or section the defaults.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    file = project / RELEASE_CONFIG
    raw = read_sections(file).get("project")
    return validate_section(file, {} if raw is None else raw, ProjectParams, "project")

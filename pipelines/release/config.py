"""Load sections of ``release.yaml``: what the release path needs and no DVC stage reads.

Approvers, limits and KPIs change without a re-run of the training; so they don't stand in
``params.yaml``, whose values are inputs of stages. Every section is optional and has defaults.
"""

from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.core.settings import Model, read_mapping, validate_section

RELEASE_CONFIG = Path("release.yaml")
SECTIONS = frozenset(
    {"approval", "registry", "scoring", "monitoring", "kpis", "privacy", "compliance"}
)
"""Every section there may be: a misspelt one must not pass for "not given"."""


def load_section(path: Path, name: str, model: type[Model]) -> Model:
    """Load one section of ``release.yaml``.

    Parameters
    ----------
    path : Path
        The project's root, or the file itself.
    name : str
        The section, for example ``approval``.
    model : type[Model]
        Its type; a section (or file) that isn't there gives the defaults.

    Returns
    -------
    Model
        The typed section.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    file = path / RELEASE_CONFIG if path.is_dir() else path
    raw = _read(file, SECTIONS | {name}).get(name)
    return validate_section(file, {} if raw is None else raw, model, name)


def _read(file: Path, allowed: frozenset[str]) -> dict[str, Any]:
    """All sections of the file, unchecked; nothing if there is no file."""
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

"""Load sections of ``release.yaml``: what the release path needs and no DVC stage reads.

Approvers, limits and KPIs change without a re-run of the training; so they don't stand in
``params.yaml``, whose values are inputs of stages. Every section is optional and has defaults.
"""

from pathlib import Path

from pipelines.core.runtime import RELEASE_CONFIG, SECTIONS, read_sections
from pipelines.core.settings import Model, validate_section


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
    raw = read_sections(file, SECTIONS | {name}).get(name)
    return validate_section(file, {} if raw is None else raw, model, name)

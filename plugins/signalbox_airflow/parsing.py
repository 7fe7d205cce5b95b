"""What the DAGs need while Airflow reads them, without our typed models.

Airflow reads every DAG file again and again, and once more at the start of each task: pydantic's
models of ``params.yaml`` and ``release.yaml`` alone would cost more than all else in the file. So
the few values that shape a DAG are looked at here, and the models are asked only where those are
not plainly right: they then say what is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import Asset

from pipelines.core.project import find_project, project_name, use_keys_of

OWNER = "signalbox"
"""Who answers for a DAG, as Airflow shows and filters it."""


DOCS = "/signalbox-docs"
"""Where Airflow's own server shows the pages of ``docs/``: see `signalbox_airflow.docs_page`."""

PARAMS_SCHEMA = "params.schema.json"
"""The JSON schema of ``params.yaml``, from which the forms take titles, choices and limits."""


def project_of_file(file: str) -> Path:
    """Return the project of a DAG file; what its tasks do uses that project's keys.

    Parameters
    ----------
    file : str
        ``__file__`` of the DAG file.
    """
    project = find_project(file)
    use_keys_of(project)
    return project


def asset(project: Path, name: str) -> Asset:
    """Return one of a project's own assets; those of a project with a name begin with it."""
    begin = project_name(project)
    full = f"{begin}/{name}" if begin else name
    return Asset(name=full, uri=f"signalbox://{full}")


def retrain(project: Path) -> Asset:
    """Return the asset an event on which asks the project's DAG model_release for a training."""
    return asset(project, "retrain/model_release")


_ON_REJECT = "stop"
"""The one `on_reject` that asks nothing of the approvers; the other is checked by the model."""


@dataclass(frozen=True)
class Policy:
    """What a DAG must know of section ``approval`` of ``release.yaml``.

    Attributes
    ----------
    approvers : tuple of str
        Who may answer.
    timeout_seconds : int
        How long a question waits.
    asks_override : bool
        Whether people may override a rejection.
    """

    approvers: tuple[str, ...]
    timeout_seconds: int
    asks_override: bool = False


def policy(project: Path) -> Policy:
    """Read who is asked, for how long, and whether a rejection can be overridden.

    Raises
    ------
    SignalboxError
        If one of these is wrong. Everything else in the section is checked when a task asks.
    """
    return _plain_policy(_section(project / "release.yaml", "approval")) or _checked_policy(project)


def _plain_policy(raw: Mapping[str, Any]) -> Policy | None:
    names, seconds = raw.get("approvers"), raw.get("timeout_seconds")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    if type(seconds) is not int or seconds < 1 or raw.get("on_reject") != _ON_REJECT:
        return None
    people = {name.strip().casefold() for name in names}
    if not names or "" in people or len(people) != len(names):
        return None
    return Policy(tuple(names), seconds) if names == [name.strip() for name in names] else None


def _checked_policy(project: Path) -> Policy:
    from pipelines.release.approval import ApprovalParams
    from pipelines.release.config import load_section

    found = load_section(project, "approval", ApprovalParams)
    return Policy(tuple(found.approvers), found.timeout_seconds, found.on_reject == "ask_override")


def _section(file: Path, name: str) -> Mapping[str, Any]:
    """Return a section as it stands in the file; nothing if that isn't to be had."""
    import yaml

    try:
        found = yaml.load(file.read_bytes(), yaml.CSafeLoader)
        section = found.get(name)
    except (OSError, yaml.YAMLError, AttributeError):
        return {}
    return section if isinstance(section, Mapping) else {}


def params_schema(project: Path) -> str | None:
    """Return the schema of a project's params: its own file, or the one that our wheel brings.

    Returns
    -------
    str or None
        None if there is neither: then the values in ``params.yaml`` say what the form takes.
    """
    if (project / PARAMS_SCHEMA).is_file():
        return PARAMS_SCHEMA
    here = Path(__file__).parent
    installed = (here / PARAMS_SCHEMA, here.parents[1] / PARAMS_SCHEMA)  # a wheel's, and a tree's
    return next((str(file) for file in installed if file.is_file()), None)


def renamed_params() -> Mapping[str, str]:
    """Return what old keys of ``params.yaml`` are called now; a run with one is told so."""
    from pipelines.aiops.params.renamed import RENAMED

    return RENAMED


def time_of(text: str) -> datetime:
    """Read a time as a form sends it; without a zone it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def described(doc: str | None, *pages: str) -> str:
    """Return a DAG's description with links to the pages about it.

    Parameters
    ----------
    doc : str
        What the DAG does, needs and writes.
    pages : str
        Files in ``docs/``, without their suffix, the first one first.
    """
    links = ", ".join(f"[docs/{page}.md]({DOCS}/{page}.md)" for page in pages)
    return f"{(doc or '').strip()}\n\n**More**: {links}\n"

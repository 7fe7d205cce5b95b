"""What the Airflow task and its child process say to each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ran", "cached", "unchanged"]
METRICS_LIMIT = 32 * 1024


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes
    ----------
    project : str
        The DVC project inside the run's workspace.
    stages : list of str
        Addresses, in the order to run them.
    locks : dict
        dvc.lock entries of earlier stages that this workspace may not have:
        file to stage name to the entry as YAML text.
    answer : str
        The file to write the answer to.
    collect : bool
        Run nothing: bring what the stages made (per ``locks``) into the workspace, as far as git
        will keep it, and tell what is missing.
    watch : list of dict
        Run these tasks' stages and tell of each by itself (`dvc_airflow.runtime.watch`): ``task``,
        ``stages``, ``upstream`` (task ids), ``force``, ``env`` and ``timeout`` (seconds or None).
    place : str
        Where it tells of them.
    """

    project: str
    stages: list[str]
    answer: str
    token: str
    locks: dict[str, dict[str, str]] = field(default_factory=dict)
    force: bool = False
    transfer: bool = False
    remote: str | None = None
    lock_timeout: float = 600.0
    grace: float = 3.0
    collect: bool = False
    watch: list[dict[str, Any]] = field(default_factory=list)
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class StageResult:
    """What happened to one stage.

    Attributes
    ----------
    status : str
        ``ran``; ``cached`` if DVC restored its outputs from an earlier run with the
        same inputs; ``unchanged`` if they were in place already.
    outs : list of dict
        Path, hash, size and number of files of each output.
    lock : str
        The stage's entry in dvc.lock, as YAML text (exact, also where JSON is not).
    metrics : dict
        Contents of its metrics files up to 32 KB.
    transferred : bool
        Whether all that it made was pushed to a DVC remote, outputs that git keeps included.
    remote : str or None
        Which remote, if not the default one.
    """

    stage: str
    status: Status
    seconds: float
    outs: list[dict[str, Any]]
    lock_file: str
    lock_name: str
    lock: str
    metrics: dict[str, Any] = field(default_factory=dict)
    transferred: bool = False
    remote: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

"""Small configuration objects; every field has a default that suits one machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dvc_airflow.grouping import Granularity
from dvc_airflow.runtime.repository import GitConfig, lasting_name

__all__ = ["ExecutionConfig", "GitConfig", "ProjectConfig", "RenderConfig", "WorkspaceConfig"]


@dataclass(frozen=True)
class ProjectConfig:
    """Which project.

    Attributes
    ----------
    path : path
        The DVC project: the directory that holds ``.dvc``.
    name : str, optional
        Its name in asset URIs; by default the directory's, or the bundle's if a git DAG bundle's
        copy is the project.
    """

    path: str | os.PathLike[str]
    name: str | None = None

    @property
    def root(self) -> Path:
        """The project's absolute path."""
        return Path(os.path.abspath(self.path))

    @property
    def project_name(self) -> str:
        """The project's name."""
        return self.name or lasting_name(self.root)


@dataclass(frozen=True)
class RenderConfig:
    """Which stages become tasks, and how.

    Attributes
    ----------
    targets : sequence of str, optional
        What to run, as for ``dvc repro``; outputs' paths are understood too. Everything
        in the root's dvc.yaml by default.
    downstream : bool
        The targets and all that reads from them, instead of all they read from.
    granularity : {"stage", "pipeline"} or mapping
        A task a stage, one task, or group names to stages.
    params : bool or sequence of str
        Parameters that Airflow's trigger form shows: all that the selected stages depend on, or
        those at or below some keys, in that order. With a list, all others that the stages depend
        on are changed by the run's configuration (JSON). ``False``: none can be changed.
    schema : str, optional
        A JSON schema of params.yaml, as a path in the project: titles, descriptions, units
        (``"unit"``), choices and limits of the form's fields. A run whose configuration breaks it
        is refused.
    assets : bool
        Whether outputs become Airflow assets.
    renamed : mapping of str to str, or a function that returns one
        Parameters, or sections of them, that had another name: old key → new one. A run that is
        triggered with an old key is refused, and told the new one. A function is called in the
        run, so that reading the DAG file need not import what holds the names.
    """

    targets: Sequence[str] | str | None = None
    downstream: bool = False
    granularity: Granularity = "stage"
    params: bool | Sequence[str] = True
    schema: str | None = None
    assets: bool = True
    renamed: Mapping[str, str] | Callable[[], Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkspaceConfig:
    """Where runs work.

    Attributes
    ----------
    directory : path, optional
        Holds a directory a DAG with a workspace a run; ``runs/`` in the project by
        default. Must be ignored by git if it is inside the repository.
    rev : str, optional
        The git revision to run; a snapshot of the working tree by default.
    keep : int
        How many workspaces of a DAG to keep.
    untracked : {"code", "all", "none"}
        Which files that git doesn't track (and doesn't ignore) a snapshot takes. A
        snapshot is kept as a git commit, so data must not get into it by chance:
        ``"code"`` takes files with a source or configuration suffix of up to 1 MB that
        dvc.yaml, parameters or imports name; ``"all"`` what ``git add --all`` would;
        ``"none"`` only what is added to git's index.
    """

    directory: str | os.PathLike[str] | None = None
    rev: str | None = None
    keep: int = 5
    untracked: Literal["code", "all", "none"] = "code"

    def __post_init__(self) -> None:
        if self.untracked not in ("code", "all", "none"):
            msg = f"untracked must be 'code', 'all' or 'none', not {self.untracked!r}"
            raise ValueError(msg)

    def workspaces_directory(self, project: Path) -> Path:
        """Return the workspaces directory of a project."""
        if self.directory is None:
            return project / "runs"
        return Path(os.path.abspath(self.directory))


@dataclass(frozen=True)
class ExecutionConfig:
    """How stages run.

    Attributes
    ----------
    force : bool
        Run stages even if nothing changed.
    transfer : bool
        Pull what a stage needs from the DVC remote before, push what it made after: for
        workers that don't share a disk.
    remote : str, optional
        Which remote, if not the default one.
    lock_timeout : float
        Seconds to wait for DVC's locks.
    grace : float
        Seconds between SIGTERM and SIGKILL when a task is stopped. Airflow kills a task
        5 s after it asked it to stop, so stay below that.
    env : mapping
        Extra environment variables for the commands; Jinja templates are rendered.
    stages : mapping of str to mapping
        What single tasks get besides: name → ``{"queue": …, "pool": …, "retries": …}``, or any
        other argument of a task (durations may be numbers of seconds). The name is a stage's, that
        of a ``foreach`` or ``matrix`` group, of a task of several stages, a pattern
        (``"train*"``), ``"open_workspace"`` or ``"save_run"``. Narrower names win over wider
        ones, all of them over ``meta: {airflow: {…}}`` in dvc.yaml.
    mode : {"auto", "worker", "watcher"}
        Where stages run: each in its own task's worker; or all in one process of the task that
        opens the workspace, while their tasks only report (astronomer-cosmos calls that
        ``ExecutionMode.WATCHER``): a second or two less a task, but one after the other, and
        on one machine, the triggerer's. ``"auto"`` is what Airflow's configuration says under
        ``[dvc_airflow] mode`` (``AIRFLOW__DVC_AIRFLOW__MODE``); without it, and with
        ``transfer``, a worker a task.
    """

    force: bool = False
    transfer: bool = False
    remote: str | None = None
    lock_timeout: float = 600.0
    grace: float = 3.0
    env: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mode: Literal["auto", "worker", "watcher"] = "auto"

    def __post_init__(self) -> None:
        if self.mode not in ("worker", "watcher", "auto"):
            msg = f"mode must be 'worker', 'watcher' or 'auto', not {self.mode!r}"
            raise ValueError(msg)
        if self.mode == "watcher" and self.transfer:
            msg = (
                "mode='watcher' runs all stages on one machine, and transfer=True is for several: "
                "choose mode='worker', or transfer=False"
            )
            raise ValueError(msg)

    @property
    def is_watched(self) -> bool:
        """Whether one process runs all stages.

        Raises
        ------
        ValueError
            If ``"auto"`` finds another word than the two in Airflow's configuration.
        """
        if self.mode != "auto":
            return self.mode == "watcher"
        if self.transfer:
            return False
        from airflow.sdk.configuration import conf

        said = str(conf.get("dvc_airflow", "mode", fallback="worker")).strip()
        if said not in ("worker", "watcher"):
            msg = f"[dvc_airflow] mode in Airflow's configuration is {said!r}: worker or watcher"
            raise ValueError(msg)
        return said == "watcher"

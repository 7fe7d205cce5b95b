"""Evidence: what a stage measured, how, on how many rows, and from which files.

The gate decides on evidence and nothing else, and the report prints for every figure the artifact
and hash it was computed from.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.artifacts import EVIDENCE
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_path, write_json

DIGITS = 10
"""Significant digits: more than anyone reads, fewer than rounding errors reach."""


LEFT_OUT = "left out"
"""Key of `Figure.where` that names the groups that took no part in a worst case, and why."""


@overload
def round_floats(value: float) -> float: ...
@overload
def round_floats(value: dict[str, Any]) -> dict[str, Any]: ...
@overload
def round_floats(value: list[Any]) -> list[Any]: ...
def round_floats(value: Any) -> Any:
    """Round every float in `value` to `DIGITS` significant digits; infinite and NaN become None.

    The last bits of a sum depend on the processor; what is written must not.

    Parameters
    ----------
    value : float, dict or list
        A value as JSON has it, nested as it may be; whatever is no float stays as it is.

    Returns
    -------
    float, dict, list or None
        A rounded copy of the same form.
    """
    if isinstance(value, dict):
        return {key: round_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [round_floats(item) for item in value]
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return rounded if abs(rounded) < float("inf") else None
    return value


class Figure(BaseModel):
    """One measured figure.

    Attributes
    ----------
    id : str
        ``stage.name``, for example ``evaluate.roc_auc``; unique within a release.
    label : str
        What a person reads, for example "ROC AUC".
    value : float or None
        The point estimate; None where it is undefined, then `missing` says why.
    low, high : float or None
        Bounds of the confidence interval at `level`; None where the figure has no interval.
    level : float or None
        Confidence level of the interval, for example 0.95; None without an interval.
    method : str
        How the value and its interval were computed.
    n : int
        Number of rows (or other units, as `method` says) it was computed on.
    unit : str
        ``ratio``, ``share``, ``rows``, ``nats``, … ; empty for a plain number.
    missing : str
        Why there is no value; empty where there is one.
    where : dict of str to str
        The slice ``{"sex": "Female"}``, for example, or the groups a worst case was found in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str
    n: int
    unit: str = ""
    missing: str = ""
    where: dict[str, str] = Field(default_factory=dict)
    """For example the slice ``{"sex": "Female"}`` or the groups a worst case was found in."""


class Evidence(BaseModel):
    """The evidence file of one stage.

    Attributes
    ----------
    stage : str
        The stage's name in ``dvc.yaml``.
    inputs : dict of str to str
        Path → SHA-256 of everything the figures were computed from.
    figures : list of Figure
        The figures, in the order a person would read them.
    details : dict of str to object
        Tables and facts of this kind of stage that aren't single figures.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    inputs: dict[str, str]
    figures: list[Figure] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)

    def figure(self, figure_id: str) -> Figure | None:
        """Return the figure called `figure_id`, or None if this stage did not measure it.

        Parameters
        ----------
        figure_id : str
            ``stage.name``, as in `Figure.id`.

        Returns
        -------
        Figure or None
        """
        return next((figure for figure in self.figures if figure.id == figure_id), None)


def hash_inputs(*paths: Path) -> dict[str, str]:
    """Hash files and folders: path → SHA-256, paths as they stand in ``dvc.yaml``.

    Parameters
    ----------
    *paths : Path
        Files and folders, relative to the project's root.

    Returns
    -------
    dict of str to str
        POSIX path → SHA-256 as 64 hex digits, in the order given.

    Raises
    ------
    SignalboxError
        If there is nothing at a path.
    """
    return {path.as_posix(): sha256_path(path) for path in paths}


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write an evidence file, whole or not at all, with the same bytes for the same evidence.

    Parameters
    ----------
    path : Path
        File to write.
    evidence : Evidence
        What the stage measured.

    Raises
    ------
    ValueError
        If a float in it isn't finite.
    """
    write_json(path, evidence.model_dump(mode="json"))


def read_evidence(path: Path) -> Evidence:
    """Read an evidence file.

    Parameters
    ----------
    path : Path
        File that `write_evidence` wrote.

    Returns
    -------
    Evidence

    Raises
    ------
    SignalboxError
        If it is missing or doesn't have the form of evidence.
    """
    try:
        return Evidence.model_validate(read_json(path))
    except ValidationError as error:
        raise SignalboxError(f"{path}: not an evidence file: {error}") from error


def own_stages(stage: str, known: Collection[str], root: Path = Path()) -> tuple[str, ...]:
    """Return the stages of a project's own whose evidence a stage reads.

    Whoever adds a check of their own to a project lists its ``evidence/NAME.json`` among the deps
    of the gate's and the report's stage in ``dvc.yaml``: then DVC knows, and so do these.

    Parameters
    ----------
    stage : str
        Stage in ``dvc.yaml`` that reads evidence, for example ``gate``.
    known : collection of str
        Stages whose evidence it reads anyway.
    root : Path, optional
        Root of the project.

    Returns
    -------
    tuple of str
        Names, in the order of the deps.

    Raises
    ------
    SignalboxError
        If ``dvc.yaml`` can't be read.
    """
    from pipelines.core.settings import read_mapping

    try:
        pipeline = read_mapping(root / "dvc.yaml") or {}
    except FileNotFoundError:
        return ()
    stages = pipeline.get("stages")
    entry = stages.get(stage) if isinstance(stages, dict) else None
    deps = entry.get("deps") if isinstance(entry, dict) else None
    paths = [Path(dep) for dep in deps or () if isinstance(dep, str)]
    return tuple(
        path.stem
        for path in paths
        if path.parent == EVIDENCE and path.suffix == ".json" and path.stem not in known
    )


RENAMED_FIGURES: Final[Mapping[str, str]] = {
    "select_rules.lost": "select_rules.missed",
    "replay_rules.lost": "replay_rules.missed",
    "replay_rules.lost_share": "replay_rules.missed_share",
    "replay_rules.pages_today": "replay_rules.baseline_pages",
    "replay_rules.pages": "replay_rules.candidate_pages",
    "replay_rules.notifications_today": "replay_rules.baseline_notifications",
    "replay_rules.notifications": "replay_rules.candidate_notifications",
    "watch_rules.bad": "watch_rules.harmful",
}
"""Old id of a figure → today's.

Entries of the ledger keep the ids under which they were written, so whoever follows a figure over
releases reads them through `new_ids`. Policies and formulas must name today's ids.
"""

V = TypeVar("V")


def new_ids(figures: Mapping[str, V]) -> dict[str, V]:
    """Give figures their ids of today.

    Parameters
    ----------
    figures : mapping of str to object
        Id → figure or value, as an entry of the ledger or evidence has them.

    Returns
    -------
    dict of str to object
        The same values; an id that wasn't renamed stays.
    """
    return {RENAMED_FIGURES.get(name, name): value for name, value in figures.items()}


def refuse_old(name: str) -> None:
    """Refuse the old id of a figure.

    Parameters
    ----------
    name : str
        Id that a policy or a formula names.

    Raises
    ------
    ValueError
        Naming today's id.
    """
    if name in RENAMED_FIGURES:
        raise ValueError(f"figure {name} is now {RENAMED_FIGURES[name]}")

"""Which artifact every figure on a page comes from; evidence and tables as chapters read them.

Artifacts are numbered once, in the order a reader meets them: evidence files in the order of the
pipeline, then tables the page draws from, then what the evidence itself was computed from.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, read_evidence
from pipelines.core.files import sha256_path
from pipelines.core.settings import validate_as

EVIDENCE, TABLE, INPUT = "evidence", "table", "input"


@dataclass(frozen=True)
class Artifact:
    """A file or folder that figures come from.

    Attributes
    ----------
    number : int
        What its marks show.
    path : str
        Relative to the project.
    sha256 : str
        64 hex digits.
    role : str
        ``evidence``, ``table`` (the page draws it) or ``input`` (evidence was computed from it).
    inputs : tuple of str
        Paths of the artifacts it was computed from, where evidence says so.
    """

    number: int
    path: str
    sha256: str
    role: str
    inputs: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Its row in the index."""
        return f"artifact-{self.number}"


@dataclass(frozen=True)
class Sourced:
    """A figure and the evidence file that holds it.

    Attributes
    ----------
    figure : Figure
    artifact : Artifact
    anchor : str
        Id of its row in the index.
    """

    figure: Figure
    artifact: Artifact
    anchor: str


@dataclass
class Sources:
    """All artifacts and figures of a page.

    Attributes
    ----------
    artifacts : dict of str to Artifact
        Path → artifact, in the order of their numbers.
    figures : dict of str to Sourced
        Id → figure.
    """

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    figures: dict[str, Sourced] = field(default_factory=dict)

    def mark(self, *paths: Path) -> Markup:
        """Write the small numbers that lead to the artifacts at `paths`.

        Parameters
        ----------
        *paths : Path
            Paths of artifacts; unknown ones are left out.

        Returns
        -------
        Markup
        """
        known = [self.artifacts[p.as_posix()] for p in paths if p.as_posix() in self.artifacts]
        return Markup("").join(_mark(artifact) for artifact in known)

    def figure_mark(self, figure_id: str) -> Markup:
        """Write the small number that leads to a figure's row in the index.

        Parameters
        ----------
        figure_id : str
            Id of the figure; nothing is written for an unknown one.

        Returns
        -------
        Markup
        """
        sourced = self.figures.get(figure_id)
        if sourced is None:
            return Markup("")
        title = f"{figure_id} from {sourced.artifact.path}"
        return Markup('<a class="mark" href="#{}" title="{}">{}</a>').format(
            sourced.anchor, title, sourced.artifact.number
        )


def _mark(artifact: Artifact) -> Markup:
    return Markup('<a class="mark" href="#{}" title="{}">{}</a>').format(
        artifact.anchor, f"source: {artifact.path}", artifact.number
    )


def gather(
    evidence: Mapping[Path, Evidence], tables: Sequence[Path] = (), root: Path = Path()
) -> Sources:
    """Collect every artifact, with its number, and every figure.

    Parameters
    ----------
    evidence : mapping of Path to Evidence
        Path of an evidence file → what it holds, in the order of the pipeline.
    tables : sequence of Path, default ()
        Further files the page draws from.
    root : Path, optional
        Folder that all paths are relative to.

    Returns
    -------
    Sources

    Raises
    ------
    SignalboxError
        If two pieces of evidence come from different versions of one artifact, or one comes from
        another version of an evidence file or table than lies there now: such a page would mix
        two releases.
    """
    sources = Sources()
    for path, content in evidence.items():
        own = sha256_path(root / path)
        _add(sources, path.as_posix(), own, EVIDENCE, tuple(sorted(content.inputs)))
    for path in tables:
        _add(sources, path.as_posix(), sha256_path(root / path), TABLE)
    seen: dict[str, str] = {}
    for path, content in evidence.items():
        for name, sha256 in sorted(content.inputs.items()):
            _check_one_version(sources, name, sha256, path.as_posix(), seen)
            _add(sources, name, sha256, INPUT)
    _add_figures(sources, evidence)
    return sources


def _add(sources: Sources, path: str, sha256: str, role: str, inputs: tuple[str, ...] = ()) -> None:
    if path not in sources.artifacts:
        number = len(sources.artifacts) + 1
        sources.artifacts[path] = Artifact(number, path, sha256, role, inputs)


def _check_one_version(
    sources: Sources, name: str, sha256: str, path: str, seen: dict[str, str]
) -> None:
    known = sources.artifacts.get(name)
    if known is not None and known.sha256 != sha256:
        other = f"{seen[name]} from another" if name in seen else "another lies there now"
        raise SignalboxError(
            f"{path}: was computed from one version of {name}, {other}; run dvc repro"
        )
    seen.setdefault(name, path)


def _add_figures(sources: Sources, evidence: Mapping[Path, Evidence]) -> None:
    taken: set[str] = set()
    for path, content in evidence.items():
        for figure in content.figures:
            if figure.id in sources.figures:
                raise SignalboxError(f"{path}: figure '{figure.id}' is there twice")
            anchor = _free(f"figure-{_slug(figure.id)}", taken)
            sources.figures[figure.id] = Sourced(figure, sources.artifacts[path.as_posix()], anchor)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-") or "x"


def _free(anchor: str, taken: set[str]) -> str:
    wanted, turn = anchor, 2
    while anchor in taken:
        anchor, turn = f"{wanted}-{turn}", turn + 1
    taken.add(anchor)
    return anchor


Number = float | None
Records = list[dict[str, str]]


class Shape(BaseModel):
    """Part of what a stage wrote that a chapter reads; more keys than it reads are fine."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What the stages measured, and where every number comes from.

    Attributes
    ----------
    evidence : dict of str to Evidence
        Stage → its evidence.
    sources : Sources
        Artifacts and figures of the page.
    curves : dict of str to Records
        Name of a curve → rows of its table.
    """

    evidence: dict[str, Evidence]
    sources: Sources
    curves: dict[str, Records] = field(default_factory=dict)

    def details(self, stage: str, kind: type[T]) -> T:
        """Read the details of a stage's evidence as the stage's own typed model.

        Parameters
        ----------
        stage : str
            Name of the stage.
        kind : type
            That model.

        Returns
        -------
        object
            An object of that model.

        Raises
        ------
        SignalboxError
            If a key is missing or has another form.
        """
        place, advice = f"{evidence_of(stage)}: details.", f"run {stage} of this version"
        return validate_as(kind, self.evidence[stage].details, place, advice)

    def figure(self, figure_id: str) -> Figure | None:
        """Return the figure called `figure_id`; None if no stage measured it.

        Parameters
        ----------
        figure_id : str
            ``stage.name``.

        Returns
        -------
        Figure or None
        """
        sourced = self.sources.figures.get(figure_id)
        return sourced.figure if sourced else None


def read_evidence_of(stages: Iterable[str], root: Path = Path()) -> dict[Path, Evidence]:
    """Read the evidence of some stages.

    Parameters
    ----------
    stages : iterable of str
        Names of stages.
    root : Path, optional
        Root of the project.

    Returns
    -------
    dict of Path to Evidence
        Path of each stage's evidence, relative to `root` → what it holds.

    Raises
    ------
    SignalboxError
        If a file is missing or isn't evidence.
    """
    return {evidence_of(stage): read_evidence(root / evidence_of(stage)) for stage in stages}


def read_records(path: Path) -> Records:
    """Read the rows of a CSV with a header line.

    Parameters
    ----------
    path : Path
        The file, UTF-8.

    Returns
    -------
    list of dict of str to str
        Column → text, one dict a row.

    Raises
    ------
    SignalboxError
        If the file isn't there.
    """
    if not path.is_file():
        raise SignalboxError(f"{path}: no such file; run the stage that makes it")
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def points(records: Records, x: str, y: str) -> list[tuple[float, float]]:
    """Return pairs of two columns, without those that aren't numbers.

    Parameters
    ----------
    records : list of dict of str to str
        Rows, as `read_records` gives them.
    x : str
        Name of a column.
    y : str
        Name of a column.

    Returns
    -------
    list of tuple of (float, float)
    """
    pairs = ((as_number(row.get(x)), as_number(row.get(y))) for row in records)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def as_number(text: str | None) -> Number:
    """Read a finite number; return None if there is none.

    Parameters
    ----------
    text : str or None
        The number as text.

    Returns
    -------
    float or None
    """
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None

"""The report as a program reads it: checked before anything in it is believed or followed."""

import contextlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.artifacts import REPORT_HTML, REPORT_JSON
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure

MAX_BYTES = 64 << 20
"""A report is about 0.1 MB; something much larger isn't read into memory."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Source(BaseModel):
    """Where a figure stands.

    Attributes
    ----------
    path : str
        Evidence file, relative to the project.
    sha256 : str
        Its hash, 64 hex digits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    sha256: Sha256


class SourcedFigure(Figure):
    """A figure of the report.

    Attributes
    ----------
    source : Source
        Where it stands in the evidence.
    """

    source: Source

    def bare(self) -> dict[str, Any]:
        """Return the figure as evidence has it."""
        return self.model_dump(mode="json", exclude={"source"})


class Artifact(BaseModel):
    """An artifact of the report.

    Attributes
    ----------
    number : int
        What its marks on the page show.
    role : str
        ``evidence``, ``table`` or ``input``.
    sha256 : str
        64 hex digits.
    inputs : list of str
        Paths of the artifacts it was computed from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    role: str
    sha256: Sha256
    inputs: list[str]


class CheckSource(BaseModel):
    """Evidence of a check; without a hash where the evidence was missing.

    Attributes
    ----------
    path : str
        Evidence file, relative to the project.
    sha256 : str or None
        64 hex digits; None where the file was missing.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    sha256: Sha256 | None


class DecidedCheck(BaseModel):
    """A check of the gate in the report.

    Attributes
    ----------
    id : str
        Id of the check in the policy.
    verdict : str
        The check's verdict.
    source : CheckSource
        Where its figure stands.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    verdict: str
    source: CheckSource


class Decision(BaseModel):
    """The gate's decision in the report.

    Attributes
    ----------
    verdict : str
        The gate's decision.
    because : list of str
        Ids of the checks that ask for it.
    checks : list of DecidedCheck
        What came of each check.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    verdict: str
    because: list[str]
    checks: list[DecidedCheck]


class Document(BaseModel):
    """The report's JSON; chapters this reader doesn't know are held by hash and new computation.

    Attributes
    ----------
    schema_ : {'signalbox.report/1'}
        Schema of the JSON, its key ``schema``.
    kind : str
        What was released or not, for example ``model_release``.
    decision : Decision
        The gate's decision.
    figures : list of SourcedFigure
        Every figure of the page.
    artifacts : dict of str to Artifact
        Path → artifact.
    params : dict of str to object
        Every parameter the stages ran with.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_: Literal["signalbox.report/1"] = Field(alias="schema")
    kind: str
    decision: Decision
    figures: list[SourcedFigure]
    artifacts: dict[str, Artifact]
    params: dict[str, Any]


@dataclass(frozen=True)
class Given:
    """A report as it was named on the command line.

    Attributes
    ----------
    path : Path
        The file.
    stands_for : str
        Out of the pipeline that it is, or is a copy of.
    """

    path: Path
    stands_for: str

    @property
    def json_name(self) -> str:
        """The same report for machines."""
        return Path(self.stands_for).with_suffix(".json").as_posix()


def recognise(path: Path, outs: Collection[str] = ()) -> Given:
    """Find out which report a file is.

    Which product's it is follows from what it says or is called; whether it is the page or the
    JSON, from its suffix.

    Parameters
    ----------
    path : Path
        A report's JSON or HTML.
    outs : collection of str, default ()
        Outs of the pipeline. What none of its reports is called is held against the model's.

    Returns
    -------
    Given

    Raises
    ------
    SignalboxError
        If there is no such file, or it is neither JSON nor HTML.
    """
    if not path.is_file():
        raise SignalboxError(f"{path}: no such file; name a report's JSON or HTML")
    kinds = {".json": REPORT_JSON, ".html": REPORT_HTML, ".htm": REPORT_HTML}
    if path.suffix.lower() not in kinds:
        raise SignalboxError(f"{path}: a report is a .json or .html file")
    default = kinds[path.suffix.lower()]
    names = [(default.parent / f"{kind}{default.suffix}").as_posix() for kind in _kinds(path)]
    return Given(path, next((name for name in names if name in outs), default.as_posix()))


def _kinds(path: Path) -> list[str]:
    """Give what a report says it is, and what it is called; the first may be anything."""
    said = []
    if path.suffix.lower() == ".json":
        with contextlib.suppress(SignalboxError):
            content = _json(path, path.name)
            said = [str(content.get("kind"))] if isinstance(content, dict) else []
    return [*said, path.stem]


def read_document(path: Path, name: str) -> Document:
    """Read a report's JSON.

    Parameters
    ----------
    path : Path
        The file, of at most `MAX_BYTES`.
    name : str
        The report's name in messages.

    Returns
    -------
    Document

    Raises
    ------
    SignalboxError
        If it is missing, too large, not JSON, or not a report; the message names `name`.
    """
    try:
        return Document.model_validate(_json(path, name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "top"
        raise SignalboxError(f"not a report of this version: {where}: {first['msg']}") from error


def _json(path: Path, name: str) -> Any:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SignalboxError(f"{name} has {size:,} bytes; a report has at most {MAX_BYTES:,}")
        return json.loads(path.read_bytes().decode("utf-8"), parse_constant=_not_json)
    except OSError as error:
        raise SignalboxError(f"{name} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SignalboxError(f"not valid JSON ({error})") from error


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")

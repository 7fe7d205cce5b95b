"""What is kept beside the predictions of a batch: when, by which model, from which files."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, write_json

FOLDER = Path("predictions")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class ScoredFile(BaseModel):
    """A file that was scored.

    Attributes
    ----------
    address : str
        Where it was read.
    sha256 : str
        Of its unpacked content.
    rows : int
        Rows of data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    sha256: str
    rows: int


class ColumnCounts(BaseModel):
    """What was unusual in one input, in rows.

    Attributes
    ----------
    missing : int
        Values that are missing.
    strange : int
        Texts the model doesn't know (scored as unknown), or numbers outside the training range.
    unreadable : int
        Numbers that couldn't be read and were scored as missing; part of `missing`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    missing: int = 0
    strange: int = 0
    unreadable: int = 0


class Record(BaseModel):
    """A scored batch. It is written last: predictions without a record aren't complete.

    Attributes
    ----------
    name : str
        Of the batch.
    scored_at : str
        Time of the batch, ISO 8601 with time zone.
    product : str
        Product that the model belongs to.
    model_version, commit, model_sha256 : str
        The release that scored, its Git commit, and the hash of its model file.
    threshold : float
        Rows with a score at or above it are selected.
    positive : str
        Label that a selected row gets.
    source : list of ScoredFile
        Files that were scored.
    rows, selected : int
        Scored rows, and those of them that are selected.
    reasons : int
        Reason codes a row; 0 = none.
    no_reasons : str
        Why there are no reason codes.
    reference : dict of str to float, str or None
        Reference value of each input; empty without reasons.
    columns : dict of str to ColumnCounts
        Input → what was unusual in it.
    outputs : dict of str to str
        Files of the batch and their hashes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=NAME)]
    scored_at: str
    product: str
    model_version: str
    commit: str
    model_sha256: str
    threshold: float
    positive: str
    source: list[ScoredFile]
    rows: int
    selected: int
    reasons: int
    no_reasons: str = ""
    """Why there are none although they were asked for; empty otherwise."""
    reference: dict[str, float | str | None]
    columns: dict[str, ColumnCounts]
    outputs: dict[str, str]
    """File name → SHA-256."""

    def same_work(self, other: "Record") -> bool:
        """Tell whether both say the same but for the time.

        Parameters
        ----------
        other : Record
            Of the same name.

        Returns
        -------
        bool
        """
        return self.model_copy(update={"scored_at": other.scored_at}) == other


def describe(record: Record) -> str:
    """Say in one line what was done, for logs.

    Parameters
    ----------
    record : Record
        A scored batch.

    Returns
    -------
    str
    """
    decided = f"{record.selected:,} decided {record.positive!r}"
    sentence = f"{record.rows:,} rows scored by {record.model_version}, {decided}"
    return (
        f"{sentence}; without reason codes: {record.no_reasons}" if record.no_reasons else sentence
    )


def predictions_path(folder: Path, name: str) -> Path:
    """Path of a batch's scores, decisions and reasons."""
    return folder / f"{name}.parquet"


def inputs_path(folder: Path, name: str) -> Path:
    """Path of what was scored: model inputs and sensitive features of the same rows, in order."""
    return folder / f"{name}.inputs.parquet"


def record_path(folder: Path, name: str) -> Path:
    """Path of a batch's record."""
    return folder / f"{name}.json"


def read_record(path: Path) -> Record:
    """Read a record.

    Parameters
    ----------
    path : pathlib.Path
        ``predictions/<name>.json``.

    Returns
    -------
    Record

    Raises
    ------
    SignalboxError
        If it is missing or not in form.
    """
    try:
        return Record.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(
            f"{path}: not a record of predictions ({where}: {first['msg']})"
        ) from error


def write_record(folder: Path, record: Record) -> None:
    """Write a record, whole or not at all.

    Parameters
    ----------
    folder : pathlib.Path
        Directory of the predictions.
    record : Record
        Its name is that of the file.
    """
    write_json(record_path(folder, record.name), record.model_dump(mode="json"))

"""Batches that were scored within a span of time."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.base.tables import read_table
from pipelines.mlops.scoring.record import Record, inputs_path, predictions_path, read_record

if TYPE_CHECKING:
    import pandas as pd

BATCH = "batch"
"""Column with a batch's name."""

MATURE = "mature"
"""Column that says whether a row is older than the label delay."""


@dataclass(frozen=True)
class Span:
    """Times `t` with after < t <= until."""

    after: datetime
    until: datetime

    def holds(self, time: datetime) -> bool:
        """Whether `time` is within."""
        return self.after < time <= self.until


def records(folder: Path) -> list[Record]:
    """All complete batches of a folder, oldest first.

    Raises
    ------
    SignalboxError
        If a record isn't in form.
    """
    found = [read_record(path) for path in sorted(folder.glob("[!.]*.json"))]
    return sorted(found, key=lambda record: (scored_at(record), record.name))


def scored_at(record: Record) -> datetime:
    """Time of a batch.

    Raises
    ------
    SignalboxError
        If the record's time cannot be read or has no time zone.
    """
    try:
        time = datetime.fromisoformat(record.scored_at)
    except ValueError as error:
        raise SignalboxError(f"predictions/{record.name}.json: scored_at: {error}") from None
    if time.tzinfo is None:
        raise SignalboxError(f"predictions/{record.name}.json: scored_at has no time zone")
    return time


def read_predictions(
    folder: Path, chosen: list[Record], mature: datetime | None = None
) -> "pd.DataFrame":
    """Predictions of batches as one frame, with columns `BATCH` and `MATURE`.

    Parameters
    ----------
    mature
        Rows scored up to this time are mature; None = all.
    """
    frames = []
    for record in chosen:
        frame = read_table(predictions_path(folder, record.name))
        frame[BATCH] = record.name
        frame[MATURE] = mature is None or scored_at(record) <= mature
        frames.append(frame)
    return _joined(frames)


def read_inputs(folder: Path, chosen: list[Record]) -> "pd.DataFrame":
    """Return what was scored, in the order of `read_predictions`."""
    return _joined([read_table(inputs_path(folder, record.name)) for record in chosen])


def _joined(frames: "list[pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

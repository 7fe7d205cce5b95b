"""Score a table with the model in production, and say so in the ledger."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipelines.core.settings import Section
from pipelines.mlops.scoring.batch import Batch, score_table
from pipelines.mlops.scoring.production import PRODUCT, in_production, load_released
from pipelines.mlops.scoring.record import FOLDER, Record
from pipelines.release.config import load_section
from pipelines.release.ledger import Ledger


class ScoringParams(Section):
    """How batches are scored."""

    reasons: Annotated[int, Field(ge=0, le=20)] = 3
    """Reason codes a row; 0 = none, and the release's training data isn't needed."""
    chunk_rows: Annotated[int, Field(ge=1000)] = 50_000
    """Rows held in memory at once."""


def score_input(
    project: Path, path: str, name: str = "", *, reasons: int | None = None, product: str = PRODUCT
) -> Record:
    """Score a table; predictions go to ``predictions/<name>.parquet``.

    Parameters
    ----------
    project : pathlib.Path
        The project's root.
    path : str
        Table to score, see `chunks.Input`; relative paths start at the project's root.
    name : str, default=""
        Of the batch; empty = the file's name and the time.
    reasons : int, optional
        Reason codes a row; None = as ``release.yaml`` says.
    product : str, default="model_release"
        Product whose model scores.

    Returns
    -------
    Record
        As it was written, and entered into the ledger.

    Raises
    ------
    SignalboxError
        If there is no model in production, it isn't the one that was released, or the table
        cannot be scored.
    """
    params = load_section(project, "scoring", ScoringParams)
    count = params.reasons if reasons is None else reasons
    release = load_released(in_production(project, product), project, with_train=count > 0)
    now = datetime.now(UTC)
    batch = Batch(
        path=path if "://" in path else str(project / path),
        name=name or f"{Path(path).name.split('.')[0] or 'batch'}-{now:%Y%m%dT%H%M%S}",
        folder=project / FOLDER,
        now=now.isoformat(timespec="microseconds"),
        product=product,
    )
    record = score_table(batch, release, reasons=count, chunk_rows=params.chunk_rows)
    log_batch(Ledger.of(project), record)
    return record


def log_batch(ledger: Ledger, record: Record) -> None:
    """Enter a batch into the ledger, once: a task that is repeated must not count twice.

    Parameters
    ----------
    ledger : Ledger
        Gets an entry of kind ``scoring``.
    record : Record
        The batch.
    """
    entry_data = as_entry(record)
    if not any(entry.kind == "scoring" and entry.data == entry_data for entry in ledger.entries()):
        ledger.append("scoring", record.product, entry_data)


def as_entry(record: Record) -> dict[str, Any]:
    """Return what the ledger keeps of a batch: counts and hashes, nothing of any row.

    Parameters
    ----------
    record : Record
        The batch.

    Returns
    -------
    dict
        JSON; data of an entry of kind ``scoring``.
    """
    return {
        "name": record.name,
        "scored_at": record.scored_at,
        "model_version": record.model_version,
        "commit": record.commit,
        "model_sha256": record.model_sha256,
        "source": [file.sha256 for file in record.source],
        "rows": record.rows,
        "selected": record.selected,
        "outputs": record.outputs,
        **({"no_reasons": record.no_reasons} if record.no_reasons else {}),
    }

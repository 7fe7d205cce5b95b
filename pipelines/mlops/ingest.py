"""Stage ``ingest``: read the source into one typed table, name every subject, leave out the erased.

Evidence details: `pipelines.mlops.data.evidence.IngestDetails`.
"""

from typing import TYPE_CHECKING

from pipelines.core.artifacts import INGESTED, evidence_of
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.core.params import DataParams, Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import RESERVED, SUBJECT, write_table
from pipelines.mlops.data.columns import (
    check_binary,
    check_favourable,
    is_numeric,
    model_inputs,
)
from pipelines.mlops.data.evidence import ColumnFacts, IngestDetails
from pipelines.mlops.data.sources import SourceFile, read_source
from pipelines.mlops.data.table import check_names, name_rows, typed
from pipelines.mlops.data.types import notices
from pipelines.mlops.privacy.subject import drop_erased

if TYPE_CHECKING:
    import pandas as pd

STAGE = "ingest"


def main(params: Params) -> None:
    """Run the stage."""
    data = params.data
    frame, files = read_source(data)
    # Later stages need these columns; it is told now, not after training.
    check_names("evaluate.slices", params.evaluate.slices, [str(name) for name in frame.columns])
    named = name_rows(typed(frame, data), data)
    frame = drop_erased(named, sources=[file.sha256 for file in files])
    check_binary(frame, data, files[0].address)
    check_favourable(frame, data)
    write_table(INGESTED, frame)
    write_evidence(evidence_of(STAGE), describe(frame, files, data))
    for notice in notices(frame, model_inputs(frame, data, use_sensitive=True), data.min_cell):
        log(f"note: {notice}")
    log(f"{len(frame):,} rows of {frame[SUBJECT].nunique():,} subjects from {len(files)} part(s)")


def describe(frame: "pd.DataFrame", files: list[SourceFile], data: DataParams) -> Evidence:
    """Count what was read."""
    rows, subjects = len(frame), int(frame[SUBJECT].nunique())
    said = notices(frame, model_inputs(frame, data, use_sensitive=True), data.min_cell)
    return Evidence(
        stage=STAGE,
        inputs={file.address: file.sha256 for file in files if file.sha256},
        figures=[
            Figure(id="ingest.rows", label="Rows read", value=rows, method="count", n=rows,
                   unit="rows"),
            Figure(id="ingest.subjects", label="Subjects", value=subjects, method="count of keys",
                   n=rows, unit="subjects"),
        ],
        details=IngestDetails(
            source=data.name,
            kind=data.source.kind,
            files=files,
            columns=[_describe_column(frame, name) for name in frame.columns
                     if name not in RESERVED],
            labels={str(k): int(v) for k, v in frame[data.target].value_counts().items()},
            subject_key=data.subject_key,
            notices=said,
        ).model_dump(mode="json", exclude_defaults=True),
    )  # fmt: skip


def _describe_column(frame: "pd.DataFrame", name: str) -> ColumnFacts:
    column = frame[name]
    return ColumnFacts(
        name=name,
        type="numeric" if is_numeric(frame, name) else "categorical",
        missing=int(column.isna().sum()),
        distinct=int(column.nunique()),
    )


if __name__ == "__main__":
    run_stage(STAGE, main)

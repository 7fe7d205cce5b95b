"""Stage ``ingest``: read the source into one typed table, name every subject, leave out the erased.

Evidence details: `pipelines.mlops.data.evidence.IngestDetails`.
"""

import difflib
from itertools import product
from typing import TYPE_CHECKING

from pipelines.core.artifacts import INGESTED, evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.core.params import DataParams, Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import RESERVED, SUBJECT, write_table
from pipelines.mlops.data.columns import (
    check_binary,
    check_favourable,
    favourable_is_positive,
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


_COMPARED = ("accuracy", "average_precision", "brier", "calibration_error", "log_loss", "roc_auc")
FIGURES: dict[str, tuple[str, ...]] = {
    "ingest": ("rows", "subjects"),
    "validate": (
        "rows_kept", "rows_quarantined", "quarantined_share", "rules_broken", "leaking_columns",
        "identifier_columns",
    ),
    "split": ("train_rows", "validation_rows", "test_rows"),
    "train": (
        "cv_roc_auc", "cv_average_precision", "cv_log_loss", "cv_brier_score", "threshold",
        "validation_accuracy", "validation_selection_rate",
    ),
    "evaluate": (
        *_COMPARED, "precision", "recall", "f1", "selection_rate", "baseline_accuracy",
        "baseline_brier", "baseline_log_loss", *(f"delta_{name}" for name in _COMPARED),
        "worst_slice_roc_auc", "worst_slice_accuracy", "released_seen_subjects",
    ),
    "drift": ("drifted_share", "target_distance", "largest_distance", "released_drifted_share"),
}  # fmt: skip
"""Stage → names of its figures; those of ``bias_audit`` follow from what decisions mean."""


def check_policy(params: Params) -> None:
    """Check that stages measure what the gate's checks ask for.

    Stages of others are not known here, and what is asked of them isn't checked.

    Parameters
    ----------
    params : Params
        Its ``gate.checks``, and ``data``, which says what decisions mean.

    Raises
    ------
    SignalboxError
        Naming the check, the figure, and the figure with the nearest name.
    """
    from pipelines.mlops.fairness.orientation import orientation

    how = orientation(favourable_is_positive=favourable_is_positive(params.data) is not False)
    rates = ("impact", *how.harmful_rates)
    extremes = (f"{a}_{b}_ratio_to_reference" for a, b in product(("highest", "lowest"), rates))
    known = {**FIGURES, "bias_audit": (*how.figures, *extremes)}
    for check in params.gate.checks:
        stage, _, rest = check.figure.partition(".")
        name = rest.partition(":")[0]
        if stage in known and name not in known[stage]:
            near = difflib.get_close_matches(name, known[stage], n=1)
            hint = f"; did you mean {stage}.{near[0]}?" if near else ""
            what = f" where the model is {how.kind}" if stage == "bias_audit" else ""
            raise SignalboxError(
                f"params.yaml: gate.checks: check '{check.id}' asks for {check.figure}, which "
                f"{stage} doesn't measure{what}{hint}"
            )


def main(params: Params) -> None:
    """Run the stage."""
    data = params.data
    check_policy(params)
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

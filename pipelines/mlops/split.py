"""Stage ``split``: deal subjects to train, validation and test by a hash of their key.

A subject's side depends on its key and the salt alone: it stays when the data grows, and all rows
of a subject stand on one side. Evidence details: `pipelines.mlops.data.evidence.SplitDetails`.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.artifacts import TEST, TRAIN, VALIDATED, VALIDATION, evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.params import DataParams, Params, SplitParams
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import SUBJECT, read_table, write_table
from pipelines.mlops.data.columns import check_binary, labels
from pipelines.mlops.data.evidence import SplitDetails, SplitPart

if TYPE_CHECKING:
    import pandas as pd

STAGE = "split"
PARTS: dict[str, Path] = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def main(params: Params) -> None:
    """Run the stage."""
    parts = assign_split(read_table(VALIDATED), params.split)
    evidence = describe(parts, params)
    for name, part in parts.items():
        check_binary(part, params.data, f"part '{name}' of the split ({len(part):,} rows)")
    for name, part in parts.items():
        write_table(PARTS[name], part)
    write_evidence(evidence_of(STAGE), evidence)
    log(", ".join(f"{name} {len(part):,} rows" for name, part in parts.items()))


def position(subject: str, salt: str) -> float:
    """Return the position of a subject on [0, 1): the first 52 bits of SHA-256 of salt and key.

    52 bits are what a float holds exactly, so the position is the same on every machine.
    """
    digest = hashlib.sha256(f"{salt}\0{subject}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 12) / 2**52


def assign_split(frame: "pd.DataFrame", split: SplitParams) -> "dict[str, pd.DataFrame]":
    """Assign the rows of `frame` to the three parts, whole subjects at a time."""
    position_of = {subject: position(subject, split.salt) for subject in frame[SUBJECT].unique()}
    positions = frame[SUBJECT].map(position_of)
    first, second = split.train, split.train + split.validation
    sides = {
        "train": positions < first,
        "validation": (positions >= first) & (positions < second),
        "test": positions >= second,
    }
    return {name: frame[side].reset_index(drop=True) for name, side in sides.items()}


def describe(parts: "dict[str, pd.DataFrame]", params: Params) -> Evidence:
    """Count the parts and verify proportions and separation.

    Raises
    ------
    SignalboxError
        If a part's share of rows is off by more than ``split.tolerance``, or a subject stands in
        two parts.
    """
    total = sum(len(part) for part in parts.values())
    wanted = {name: getattr(params.split, name) for name in parts}
    table = {name: _part(part, wanted[name], total, params.data) for name, part in parts.items()}
    _check_separation(parts)
    for name, row in table.items():
        if abs(row.share - row.wanted_share) > params.split.tolerance:
            raise SignalboxError(
                f"split.{name}: wanted {row.wanted_share:.1%} of rows, got {row.share:.1%} "
                f"({row.rows:,} of {total:,}); too few subjects for so exact a split, or one "
                "has very many rows: raise split.tolerance or change split.salt"
            )
    return Evidence(
        stage=STAGE,
        inputs=hash_inputs(VALIDATED),
        figures=[
            Figure(id=f"split.{name}_rows", label=f"Rows in {name}", value=row.rows,
                   method="count", n=total, unit="rows")
            for name, row in table.items()
        ],
        details=SplitDetails(parts=table, salt=params.split.salt).model_dump(mode="json"),
    )  # fmt: skip


def _part(part: "pd.DataFrame", wanted: float, total: int, data: DataParams) -> SplitPart:
    return SplitPart(
        rows=len(part),
        subjects=int(part[SUBJECT].nunique()),
        positives=int(labels(part, data).sum()),
        share=len(part) / total,
        wanted_share=wanted,
    )


def _check_separation(parts: "dict[str, pd.DataFrame]") -> None:
    seen: dict[str, str] = {}
    for name, part in parts.items():
        for subject in part[SUBJECT].unique():
            if seen.setdefault(subject, name) != name:
                raise SignalboxError(f"subject {subject} stands in {seen[subject]} and in {name}")


if __name__ == "__main__":
    run_stage(STAGE, main)

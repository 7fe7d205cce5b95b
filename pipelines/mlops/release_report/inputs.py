"""What the chapters read: evidence by stage, tables of the plots, params, sources."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.core.artifacts import PLOTS
from pipelines.core.params import Params
from pipelines.reporting.provenance import (
    Measured,
    Number,
    Records,
    Shape,
    as_number,
    points,
    read_records,
)

__all__ = ["Inputs", "Number", "Records", "Shape", "as_number", "points", "read_curves"]

STAGES = ("ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift", "gate")
"""Stages whose evidence the report reads, in the order of the pipeline."""

CURVES = ("roc", "precision_recall", "calibration", "score_histogram")
"""Tables under ``plots/`` that the report draws."""


@dataclass(frozen=True, kw_only=True)
class Inputs(Measured):
    """Everything the report is made from.

    Attributes
    ----------
    params : Params
        All parameters.
    """

    params: Params


def read_curves(folder: Path = PLOTS) -> dict[str, Records]:
    """Read the plots' tables, as text.

    Parameters
    ----------
    folder : Path
        Directory of the tables.

    Returns
    -------
    dict of str to Records
        Name of a curve to its rows.

    Raises
    ------
    SignalboxError
        If a table is missing or isn't CSV.
    """
    return {name: read_records(folder / f"{name}.csv") for name in CURVES}

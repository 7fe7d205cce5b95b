"""What to audit and how."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.mlops.fairness.contingency import DEFAULT_BIN_EDGES
from pipelines.mlops.fairness.groups import FeatureSpec


class AuditConfig(BaseModel):
    """Parameters of a bias audit.

    Parameters
    ----------
    features : tuple of FeatureSpec
        Sensitive columns.
    intersections : tuple of tuples of str
        Which of them to cross.
    reference : {"largest", "highest_rate"}
        Which compared group the others are compared with (differences, ratios and tests; the
        impact ratio always refers to the highest selection rate). Ties go to the first label.
    reference_groups : dict of str to str
        Reference group by dimension, such as ``{"sex": "Male", "sex & race": "Male & White"}``;
        goes before ``reference``. Such a group is compared however small it is.
    min_share : float
        Groups below this share of all rows are left out of comparisons but still reported; 6 RCNY
        § 5-301 allows it below 2 %, with a justification. 0 compares every group.
    exclusion_reason : str
        That justification; stands beside every excluded group.
    replicates, level, seed
        Bootstrap replicates, confidence level of all intervals, seed.
    alpha : float
        Level of the family of Fisher tests after Holm's correction.
    bin_edges : tuple of float
        Score bins for calibration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[FeatureSpec, ...] = Field(min_length=1)
    intersections: tuple[tuple[str, ...], ...] = ()
    reference: Literal["largest", "highest_rate"] = "largest"
    reference_groups: dict[str, str] = Field(default_factory=dict)
    min_share: float = Field(default=0.02, ge=0, lt=1)
    exclusion_reason: str = "too few rows for a stable rate"
    replicates: int = Field(default=1000, ge=100, le=100_000)
    level: float = Field(default=0.95, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    bin_edges: tuple[float, ...] = DEFAULT_BIN_EDGES

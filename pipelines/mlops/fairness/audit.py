"""The audit: from a contingency table to everything a report shows and a gate decides on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipelines.mlops.fairness.bootstrap import draw_confusions
from pipelines.mlops.fairness.contingency import (
    DEFAULT_BIN_EDGES,
    ContingencyTable,
    Counts,
    Marginal,
)
from pipelines.mlops.fairness.disparity import (
    Replicated,
    disparities,
    impact_ratios,
    reference_extremes,
    reference_gaps,
)
from pipelines.mlops.fairness.groups import JOIN, FeatureSpec, dimensions
from pipelines.mlops.fairness.orientation import Orientation, orientation
from pipelines.mlops.fairness.rates import RATES, RateSample, hide_rates
from pipelines.mlops.fairness.result import (
    AuditResult,
    DimensionResult,
    empty_groups,
    exclusions,
    group_rows,
    summarise,
    unknowns,
)
from pipelines.mlops.fairness.significance import (
    REASON,
    Groups,
    SelectionTest,
    correct,
    selection_test,
)


class AuditConfig(BaseModel):
    """Parameters of a bias audit.

    Parameters
    ----------
    features : tuple of FeatureSpec
        Sensitive columns.
    intersections : tuple of tuples of str
        Which of them to cross.
    favourable_is_positive : bool
        Whether the positive decision is the good one for the person; rates, ratios and tests are
        those of the favourable decision.
    reference : {"largest", "highest_rate"}
        Which compared group the others are compared with (differences, ratios and tests; the
        impact ratio always refers to the highest favourable rate). Ties go to the first label.
    reference_groups : dict of str to str
        Reference group by dimension, such as ``{"sex": "Male", "sex & race": "Male & White"}``;
        goes before ``reference``. Such a group is compared however small it is.
    compare_all : bool
        Whether groups are compared whose rows can't tell (``small_groups``); else they are left out
        of comparisons, by name, but still reported.
    min_share : float
        Share of rows below which Local Law 144 allows to leave a category out of its table (6 RCNY
        § 5-301(d)). Handed on; the audit itself leaves nobody out for a share.
    exclusion_reason : str
        Stands beside every group that isn't compared.
    replicates : int
        Bootstrap replicates.
    level : float
        Two-sided confidence level of all intervals, in (0, 1).
    alpha : float
        Level of the family of Fisher tests after Holm's correction.
    seed : int
        Of the bootstrap.
    bin_edges : tuple of float
        Score bins for calibration; increasing from 0 to 1.
    min_rows : int
        Rates with fewer rows in the denominator are undefined, and groups with fewer rows aren't
        compared: they would be figures of single people. 0 or 1 = off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[FeatureSpec, ...] = Field(min_length=1)
    intersections: tuple[tuple[str, ...], ...] = ()
    favourable_is_positive: bool = True
    reference: Literal["largest", "highest_rate"] = "largest"
    reference_groups: dict[str, str] = Field(default_factory=dict)
    compare_all: bool = False
    min_share: float = Field(default=0.02, ge=0, lt=1)
    exclusion_reason: str = REASON
    replicates: int = Field(default=1000, ge=100, le=100_000)
    level: float = Field(default=0.95, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    bin_edges: tuple[float, ...] = DEFAULT_BIN_EDGES
    min_rows: int = Field(default=0, ge=0)

    @property
    def orientation(self) -> Orientation:
        """How decisions are read."""
        return orientation(favourable_is_positive=self.favourable_is_positive)


_ALL: Final = "all rows"


@dataclass(frozen=True, eq=False)
class _Part:
    """A dimension on its way through the audit."""

    marginal: Marginal
    sample: RateSample
    roles: tuple[str, ...]
    reference: int | None
    groups: Groups

    @property
    def compared(self) -> list[int]:
        return [g for g, role in enumerate(self.roles) if role == "compared"]


def audit(table: ContingencyTable, config: AuditConfig) -> AuditResult:
    """Audit decisions for bias.

    Parameters
    ----------
    table : ContingencyTable
        Must hold every audited feature.
    config : AuditConfig
        What to audit and how.

    Returns
    -------
    AuditResult
        Deterministic: the same table, configuration and NumPy give the same result.

    Raises
    ------
    ValueError
        The table has no rows, a feature is not in it, or a chosen reference group doesn't exist.
    """
    if table.rows == 0:
        raise ValueError("there is nothing to audit: the table has no rows")
    wanted = dimensions([spec.name for spec in config.features], config.intersections)
    known = {JOIN.join(names) for names in wanted}
    if stray := set(config.reference_groups) - known:
        raise ValueError(f"reference groups for dimensions that are not audited: {sorted(stray)}")
    marginals = [table.marginal(names) for names in wanted]
    samples = _samples(table, [_whole(table), *marginals], config)
    parts = [
        _part(marginal, sample, config)
        for marginal, sample in zip(marginals, samples[1:], strict=True)
    ]
    how = config.orientation
    rate = how.favourable_rate
    tests = correct([test for part in parts for test in _tests(part, rate)], config.alpha)
    replicated = [disparities(part.sample, part.groups, config.level, how) for part in parts]
    return AuditResult(
        rows=table.rows,
        subjects=table.subject_count,
        level=config.level,
        replicates=config.replicates,
        seed=config.seed,
        alpha=config.alpha,
        min_share=config.min_share,
        orientation=how.kind,
        favourable_rate=rate,
        harmful_rates=how.harmful_rates,
        tests_corrected=len(tests),
        overall=group_rows(table, _whole(table), samples[0], ("all",), config.level)[0],
        dimensions=tuple(
            _dimension(table, part, found, tests, config)
            for part, found in zip(parts, replicated, strict=True)
        ),
        summary=summarise([part.marginal.name for part in parts], replicated, config.level, how),
    )


def _whole(table: ContingencyTable) -> Marginal:
    """Return the table as one group, to get the overall rates by the same way."""
    return Marginal(
        features=(),
        groups=((_ALL,),),
        counts=table.counts.sum(axis=0, keepdims=True),
        score_units=table.score_units.sum(axis=0, keepdims=True),
        membership=np.zeros(len(table.cells), np.int64),
    )


def _samples(
    table: ContingencyTable, marginals: list[Marginal], config: AuditConfig
) -> list[RateSample]:
    """Compute rates and their replicates: one set of draws, summed to every dimension.

    Rates don't depend on scores, so score bins are summed away before drawing. The finest cells are
    those of the audited features: a feature that isn't audited would only add draws.
    """
    if table.subjects is not None:
        return _samples_by_subject(table, marginals, config)
    finest = table.marginal([spec.name for spec in config.features])
    # One cell of the full table for each finest cell, to look up the dimension's group.
    first = np.unique(finest.membership, return_index=True)[1]
    drawn = draw_confusions(
        finest.confusion.reshape(-1, 4),
        [(marginal.membership[first], len(marginal.groups)) for marginal in marginals],
        replicates=config.replicates,
        rng=np.random.default_rng(config.seed),
    )
    return [
        hide_rates(
            RateSample.make(marginal.labels, marginal.confusion.reshape(-1, 4), replicates),
            config.min_rows,
        )
        for marginal, replicates in zip(marginals, drawn, strict=True)
    ]


def _samples_by_subject(
    table: ContingencyTable, marginals: list[Marginal], config: AuditConfig
) -> list[RateSample]:
    """Compute the same where subjects have several rows, which come and go together."""
    patterns = table.decisions
    drawn = draw_confusions(
        table.counts.sum(axis=3).reshape(-1, 4),
        [(marginal.membership, len(marginal.groups)) for marginal in marginals],
        replicates=config.replicates,
        rng=np.random.default_rng(config.seed),
        patterns=patterns,
    )
    names = tuple(RATES)
    return [
        RateSample.make(
            marginal.labels,
            marginal.confusion.reshape(-1, 4),
            replicates,
            names,
            patterns.by_group(marginal.membership, len(marginal.groups)).effective(names),
        )
        for marginal, replicates in zip(marginals, drawn, strict=True)
    ]


def _part(marginal: Marginal, sample: RateSample, config: AuditConfig) -> _Part:
    chosen = config.reference_groups.get(marginal.name)
    sizes: Counts = marginal.counts.sum(axis=(1, 2, 3))
    named = marginal.labels.index(chosen) if chosen in marginal.labels else None
    known = [
        g
        for g in range(len(marginal.groups))
        if g == named or (not marginal.is_unknown(g) and sizes[g] >= config.min_rows)
    ]
    groups = Groups(tuple(known), named, config.compare_all)
    compared, _ = groups.take_part(sample, config.orientation.favourable_rate, config.level)
    roles = tuple(
        "compared" if g in compared else "unknown" if marginal.is_unknown(g) else "excluded"
        for g in range(len(marginal.groups))
    )
    reference = _reference(marginal, sample, compared, sizes, config)
    return _Part(marginal, sample, roles, reference, groups)


def _reference(
    marginal: Marginal,
    sample: RateSample,
    compared: list[int],
    sizes: Counts,
    config: AuditConfig,
) -> int | None:
    chosen = config.reference_groups.get(marginal.name)
    if chosen is not None:
        if chosen not in marginal.labels:
            raise ValueError(
                f"reference group {chosen!r} of {marginal.name!r} is not in the data; there are: "
                f"{', '.join(marginal.labels)}"
            )
        if sizes[marginal.labels.index(chosen)] < config.min_rows:
            raise ValueError(
                f"reference group {chosen!r} of {marginal.name!r} has fewer than "
                f"{config.min_rows} rows (data.min_cell); choose a larger one"
            )
        return marginal.labels.index(chosen)
    if not compared:
        return None
    # argmax takes the first of equals, so ties go to the first label.
    rate = config.orientation.favourable_rate
    measure = sizes if config.reference == "largest" else sample.row(rate)
    return compared[int(np.argmax(measure[compared]))]


def _tests(part: _Part, rate: str) -> list[SelectionTest]:
    if part.reference is None:
        return []
    reference = part.reference
    labels, sample = part.sample.labels, part.sample
    return [
        selection_test(
            part.marginal.name,
            (labels[group], sample.proportion(rate, group)),
            (labels[reference], sample.proportion(rate, reference)),
        )
        for group in part.compared
        if group != reference
    ]


def _dimension(
    table: ContingencyTable,
    part: _Part,
    found: tuple[Replicated, ...],
    tests: tuple[SelectionTest, ...],
    config: AuditConfig,
) -> DimensionResult:
    marginal, sample, reference = part.marginal, part.sample, part.reference
    rows = group_rows(table, marginal, sample, part.roles, config.level)
    how = config.orientation
    gaps = (
        () if reference is None else reference_gaps(sample, part.compared, reference, config.level)
    )
    return DimensionResult(
        dimension=marginal.name,
        features=marginal.features,
        reference=None if reference is None else sample.labels[reference],
        groups=rows,
        impact_ratios=impact_ratios(sample, part.compared, config.level, how.favourable_rate),
        gaps=gaps,
        against_reference=(
            reference_extremes(sample, part.groups, part.groups.chosen, config.level, how)
            if part.groups.chosen is not None
            else ()
        ),
        disparities=tuple(item.disparity for item in found),
        tests=tuple(test for test in tests if test.dimension == marginal.name),
        exclusions=exclusions(rows, how.favourable_rate, config.exclusion_reason),
        unknown=unknowns(rows, table.rows),
        empty_groups=empty_groups(table, marginal),
    )

"""What the stage ``bias_audit`` reports: an audit of a model's decisions as figures."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import LEFT_OUT, Figure
from pipelines.core.params import BiasAuditParams, DataParams, Params
from pipelines.mlops.data.cells import fewer, rare, rows_needed, subjects_of
from pipelines.mlops.data.columns import as_label, favourable_is_positive
from pipelines.mlops.fairness.audit import AuditConfig, audit
from pipelines.mlops.fairness.contingency import build_table
from pipelines.mlops.fairness.disparity import Disparity, ReferenceExtreme
from pipelines.mlops.fairness.groups import FeatureSpec, encode_groups
from pipelines.mlops.fairness.mitigation import Mitigation, MitigationConfig, mitigate
from pipelines.mlops.fairness.orientation import ASSISTIVE, Orientation, orientation
from pipelines.mlops.fairness.result import (
    AuditResult,
    DimensionResult,
    GroupRow,
    SummaryFigure,
    lower_estimates,
)
from pipelines.mlops.fairness.significance import LeftOut

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


STAGE = "bias_audit"


SEED = 0
"""Fixed: the replicates are a computation, not a choice; their number is a parameter."""


NO_FEATURES = "data.sensitive names no features, so there was nothing to audit"

NO_FAVOURABLE = (
    "data.favourable is null, so nobody said which label is the good outcome for the person"
)


_LABELS = {
    "worst_impact_ratio": "Worst impact ratio",
    "largest_selection_rate_difference": "Largest difference in selection rate",
    "largest_tpr_difference": "Largest difference in true positive rate",
    "largest_fpr_difference": "Largest difference in false positive rate",
    "largest_equalized_odds_difference": "Largest equalised-odds difference",
    "largest_precision_difference": "Largest difference in precision",
    "largest_accuracy_difference": "Largest difference in accuracy",
    "largest_fnr_difference": "Largest difference in false negative rate",
    "worst_fnr_ratio": "Worst ratio of false negative rates",
    "largest_for_difference": "Largest difference in false omission rate",
    "worst_for_ratio": "Worst ratio of false omission rates",
    "worst_fpr_ratio": "Worst ratio of false positive rates",
    "largest_fdr_difference": "Largest difference in false discovery rate",
    "worst_fdr_ratio": "Worst ratio of false discovery rates",
    "worst_flag_rate_ratio": "Worst ratio of flag rates",
}

_FLAG_LABELS = {
    "worst_impact_ratio": "Worst impact ratio (of not being flagged)",
    "largest_selection_rate_difference": "Largest difference in flag rate",
}
"""Other labels where the positive decision is the unfavourable one."""

_REFERENCE_NAMES = {
    "selection_rate": ("impact", "selection rate"),
    "nonselection_rate": ("impact", "rate of not being flagged"),
    "fpr": ("fpr", "false positive rate"),
    "fdr": ("fdr", "false discovery rate"),
    "fnr": ("fnr", "false negative rate"),
    "for": ("for", "false omission rate"),
}
"""Rate → its part of a figure's id, and its name."""


@dataclass(frozen=True)
class Scored:
    """A table with the model's scores and the true labels of its rows.

    Attributes
    ----------
    frame : pandas.DataFrame
        ``n`` rows, with the sensitive columns.
    scores : ndarray of float64, shape (n,)
        Scores in [0, 1].
    labels : ndarray of int8, shape (n,)
        True labels, 0 or 1.
    subjects : Series of str, n rows, or None
        Key of each row's subject, whose rows are drawn together; None = every row is of another.
    """

    frame: "pd.DataFrame"
    scores: "NDArray[np.float64]"
    labels: "NDArray[np.int8]"
    subjects: "pd.Series[str] | None" = None


@dataclass(frozen=True)
class FeatureMitigation(Mitigation):
    """The effect of thresholds by the groups of a feature.

    Attributes
    ----------
    feature : str
        Name of the feature.
    """

    feature: str


@dataclass(frozen=True)
class BiasAuditDetails:
    """Details of the evidence.

    Attributes
    ----------
    audit : AuditResult or None
        None when ``data.sensitive`` is empty.
    mitigation : FeatureMitigation or None
        None when it is switched off, or `mitigation_missing` says why it is missing.
    mitigation_missing : str
        Empty unless it was asked for in vain.
    threshold : float
        Operating threshold of the audited decisions.
    """

    audit: Annotated[AuditResult | None, BeforeValidator(lower_estimates)]
    mitigation: FeatureMitigation | None
    mitigation_missing: str
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, strings, finite numbers and None only."""
        return {
            "audit": self.audit.to_dict() if self.audit else None,
            "mitigation": self.mitigation.to_dict() if self.mitigation else None,
            "mitigation_missing": self.mitigation_missing,
            "threshold": self.threshold,
        }


def audit_scores(
    scored: Scored, threshold: float, data: DataParams, config: BiasAuditParams
) -> AuditResult:
    """Audit decisions ``score >= threshold`` over the sensitive features of ``data``.

    Parameters
    ----------
    scored : Scored
        The rows to audit.
    threshold : float
        Operating threshold in [0, 1].
    data : DataParams
        Names the sensitive features, their bands and intersections.
    config : BiasAuditParams
        Section ``bias_audit``; the tests' alpha is 1 minus its confidence.

    Returns
    -------
    AuditResult
        Groups are compared with the one with the highest favourable rate, unless
        ``config.reference`` names another.

    Raises
    ------
    SignalboxError
        If a sensitive column cannot be turned into groups; names the column. If nobody said which
        label is favourable.
    """
    favourable = favourable_is_positive(data)
    if favourable is None:
        raise SignalboxError(f"{NO_FAVOURABLE}: {as_label(data.positive)!r}, or the other one")
    least = rows_needed(_people(scored), data)
    try:
        groups = encode_groups(scored.frame, feature_specs(data))
        table = build_table(
            groups,
            scored.labels,
            scored.scores >= threshold,
            scored.scores,
            bin_edges=[i / config.score_bins for i in range(config.score_bins + 1)],
            subjects=scored.subjects,
        )
        result = audit(
            table,
            AuditConfig(
                features=tuple(feature_specs(data)),
                intersections=tuple(tuple(names) for names in data.intersections),
                favourable_is_positive=favourable,
                reference="highest_rate",
                reference_groups=config.reference,
                min_share=config.min_share,
                replicates=config.replicates,
                level=config.confidence,
                alpha=round(1 - config.confidence, 12),
                seed=SEED,
                bin_edges=table.bin_edges,
                min_rows=least,
            ),
        )
    except ValueError as error:
        raise SignalboxError(f"data.sensitive or bias_audit: {error}") from error
    return without_small_groups(result, least, data.min_cell)


def feature_to_mitigate(result: AuditResult, config: BiasAuditParams) -> str:
    """Return the feature asked for, or the single one with the worst impact ratio.

    Parameters
    ----------
    result : AuditResult
        Holds at least one dimension of a single feature.
    config : BiasAuditParams
        ``mitigation.feature`` goes first when it is set.

    Returns
    -------
    str
        Name of the feature; ties go to the one that was named first.
    """
    if config.mitigation.feature is not None:
        return config.mitigation.feature
    singles = [d for d in result.dimensions if len(d.features) == 1]

    def worst(position: int) -> tuple[float, int]:
        ratios = [r.estimate.value for r in singles[position].impact_ratios]
        return min((r for r in ratios if r is not None), default=1.0), position

    return singles[min(map(worst, range(len(singles))))[1]].dimension


def what_if(
    validation: Scored,
    test: Scored,
    feature: str,
    threshold: float,
    params: Params,
) -> tuple[FeatureMitigation | None, str]:
    """Show what thresholds by group would buy and cost; nothing of it is deployed.

    Parameters
    ----------
    validation, test : Scored
        Rows the thresholds are fitted on, and rows their effect is measured on.
    feature : str
        Sensitive feature whose groups get thresholds of their own.
    threshold : float
        Present threshold, the same for everyone.
    params : Params
        Its sections ``data`` and ``bias_audit`` are used.

    Returns
    -------
    effect : FeatureMitigation or None
        None when the thresholds cannot be fitted.
    reason : str
        Why there is no effect; empty otherwise.

    Raises
    ------
    SignalboxError
        If `feature` isn't a sensitive feature.
    """
    data, config = params.data, params.bias_audit
    spec = next((spec for spec in feature_specs(data) if spec.name == feature), None)
    if spec is None:
        raise SignalboxError(
            f"bias_audit.mitigation.feature: {feature!r} is not in data.sensitive "
            f"({', '.join(data.sensitive)})"
        )
    validation, test = (_of_large_groups(part, spec, data) for part in (validation, test))
    try:
        found: Mitigation = mitigate(
            scores_validation=validation.scores,
            y_validation=validation.labels,
            groups_validation=_group_names(validation.frame, spec),
            scores_test=test.scores,
            y_test=test.labels,
            groups_test=_group_names(test.frame, spec),
            subjects_test=test.subjects,
            config=MitigationConfig(
                constraint=config.mitigation.constraint,
                threshold=threshold,
                replicates=config.replicates,
                level=config.confidence,
                seed=SEED,
                favourable_is_positive=favourable_is_positive(data) is not False,
            ),
        )
    except ValueError as error:
        return None, str(error)
    return FeatureMitigation(**vars(found), feature=feature), ""


def describe(
    result: AuditResult | None,
    config: BiasAuditParams,
    *,
    rows: int,
    how: Orientation = ASSISTIVE,
) -> list[Figure]:
    """Turn the worst cases of an audit into figures for the gate.

    ``bias_audit.worst_impact_ratio`` is the worst over all dimensions, and
    ``bias_audit.worst_impact_ratio:sex`` the worst within one (``sex & race``: ``:sex&race``).
    Where ``bias_audit.reference`` names a group, ``bias_audit.highest_fpr_ratio_to_reference:sex``
    and ``lowest_…`` are the extremes of the groups' rates over its own; the same of the favourable
    rate (``impact``) and of the other harmful error.

    Parameters
    ----------
    result : AuditResult or None
        None when no sensitive feature is named: then every figure says so instead of a value.
    config : BiasAuditParams
        Gives the confidence level.
    rows : int
        Audited rows; sample size of the figures without a value.
    how : Orientation, default=ASSISTIVE
        Says which figures have no value where there is no audit.

    Returns
    -------
    list of Figure
        First the figures over all dimensions, then those of each dimension.
    """
    if result is None:
        return [
            Figure(id=f"{STAGE}.{name}", label=_label(name, how), value=None, method="none", n=rows,
                   missing=NO_FEATURES)
            for name in how.figures
        ]  # fmt: skip
    how = orientation(favourable_is_positive=result.orientation == ASSISTIVE.kind)
    overall = [_figure(f, f.name, f.dimension, config.confidence, how) for f in result.summary]
    names = {disparity: name for name, disparity in how.figures.items()}
    by_dimension = [
        _figure(
            disparity, names[disparity.name], dimension.dimension, config.confidence, how, own=True
        )
        for dimension in result.dimensions
        for disparity in dimension.disparities
        if disparity.name in names
    ]
    against = [
        _against_reference(extreme, dimension.dimension)
        for dimension in result.dimensions
        for extreme in dimension.against_reference
    ]
    return overall + by_dimension + against


def groups_csv(result: AuditResult | None) -> str:
    """Write rates by group as CSV, for ``dvc plots``.

    Parameters
    ----------
    result : AuditResult or None
        None gives the header alone.

    Returns
    -------
    str
        Columns ``dimension, group, rows, selection_rate, low, high``; lines end with a line feed.
    """
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["dimension", "group", "rows", "selection_rate", "low", "high"])
    for dimension in result.dimensions if result is not None else ():
        for group in dimension.groups:
            rate = group.rates["selection_rate"]
            writer.writerow(
                [dimension.dimension, group.group, group.n, rate.value, rate.low, rate.high]
            )
    return stream.getvalue()


def _figure(
    found: SummaryFigure | Disparity,
    name: str,
    dimension: str | None,
    level: float,
    how: Orientation,
    *,
    own: bool = False,
) -> Figure:
    """Make a figure of a worst case; `own` if it is that of one dimension."""
    estimate = found.estimate
    where = {
        "dimension": dimension,
        "lowest": found.lowest,
        "highest": found.highest,
        LEFT_OUT: _left_out(found.left_out),
    }
    suffix = _suffix(str(dimension)) if own else ""
    return Figure(
        id=f"{STAGE}.{name}{suffix}",
        label=f"{_label(name, how)}{f', {dimension}' if own else ''}",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=level,
        method=estimate.method,
        n=estimate.n,
        unit="ratio" if name.endswith("ratio") else "difference of shares",
        missing=(estimate.reason or "undefined") if estimate.value is None else "",
        where={key: value for key, value in where.items() if value is not None},
    )


def _against_reference(found: ReferenceExtreme, dimension: str) -> Figure:
    """Make a figure of the group furthest from the chosen reference on one side."""
    estimate = found.estimate
    short, rate = _REFERENCE_NAMES[found.rate]
    where = {
        "dimension": dimension,
        "group": found.group,
        "reference": found.reference,
        LEFT_OUT: _left_out(found.left_out),
    }
    return Figure(
        id=f"{STAGE}.{found.side}_{short}_ratio_to_reference{_suffix(dimension)}",
        label=f"{found.side.capitalize()} {rate} in proportion to the reference group's, "
        f"{dimension}",
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=estimate.level,
        method=estimate.method,
        n=estimate.n,
        unit="ratio",
        missing=(estimate.reason or "undefined") if estimate.value is None else "",
        where={key: value for key, value in where.items() if value is not None},
    )


def _label(name: str, how: Orientation) -> str:
    other = {} if how is ASSISTIVE else _FLAG_LABELS
    return other.get(name, _LABELS[name])


def _suffix(dimension: str) -> str:
    """End of a figure's id that names its dimension."""
    return f":{''.join(dimension.split())}"


def _left_out(groups: tuple[LeftOut, ...]) -> str | None:
    """Name the groups that take no part, each with its reason; None if all do."""
    return "; ".join(f"{item.group} ({item.reason})" for item in groups) or None


def feature_specs(data: DataParams) -> list[FeatureSpec]:
    """Return the sensitive features with their bands, as section ``data`` names them."""
    return [
        FeatureSpec(name=name, edges=tuple(sensitive.bins))
        for name, sensitive in data.sensitive.items()
    ]


def _group_names(frame: "pd.DataFrame", spec: FeatureSpec) -> list[str]:
    groups = encode_groups(frame, [spec])
    levels = groups.features[0].levels
    return [levels[code] for code in groups.codes[0]]


def _of_large_groups(scored: Scored, spec: FeatureSpec, data: DataParams) -> Scored:
    """Leave out rows of groups of too few people: a threshold of their own would show them."""
    import numpy as np

    names = _group_names(scored.frame, spec)
    small = rare(names, _people(scored), data.min_cell)
    if not small:
        return scored
    kept = np.array([name not in small for name in names])
    subjects = scored.subjects[kept] if scored.subjects is not None else None
    return Scored(scored.frame[kept], scored.scores[kept], scored.labels[kept], subjects)


def _people(scored: Scored) -> "NDArray[np.intp]":
    """Return the subjects of the rows as numbers."""
    import pandas as pd

    if scored.subjects is None:
        return subjects_of(scored.frame)
    return pd.factorize(scored.subjects.to_numpy(dtype=object))[0]


def without_small_groups(result: AuditResult, least: int, people: int) -> AuditResult:
    """Take groups of too few rows out of an audit; a note says how many there were.

    Parameters
    ----------
    result : AuditResult
        An audit whose rates went through `hide_rates`, so that none of its comparisons rests on
        them.
    least : int
        Rows that a group needs; 0 = all stay.
    people : int
        ``data.min_cell``, for the words.

    Returns
    -------
    AuditResult
    """
    if least <= 1:
        return result
    hidden = {d.dimension: sum(group.n < least for group in d.groups) for d in result.dimensions}
    notes = [f"{dimension}: {count}" for dimension, count in hidden.items() if count]
    said = f"Groups of {fewer(people)} are not listed and not compared; there are: "
    return replace(
        result,
        overall=_without_small_bins(result.overall, least),
        dimensions=tuple(_without_small(d, least) for d in result.dimensions),
        notes=(*result.notes, *([said + ", ".join(notes) + "."] if notes else [])),
    )


def _without_small(found: DimensionResult, least: int) -> DimensionResult:
    small = {group.group for group in found.groups if group.n < least}
    kept = [group for group in found.groups if group.group not in small]
    return replace(
        found,
        groups=tuple(_without_small_bins(group, least) for group in kept),
        impact_ratios=tuple(r for r in found.impact_ratios if r.group not in small),
        gaps=tuple(gap for gap in found.gaps if gap.group not in small),
        tests=tuple(test for test in found.tests if test.group not in small),
        exclusions=tuple(e for e in found.exclusions if e.group not in small),
    )


def _without_small_bins(row: GroupRow, least: int) -> GroupRow:
    """Leave out bins of scores that few rows have."""
    if row.calibration is None:
        return row
    bins = tuple(part for part in row.calibration.bins if part.n >= least)
    return replace(row, calibration=replace(row.calibration, bins=bins))

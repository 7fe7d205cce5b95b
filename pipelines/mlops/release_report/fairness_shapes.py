"""The parts of ``evidence/bias_audit.json`` that the report reads."""

from pydantic import Field

from pipelines.mlops.release_report.inputs import Number, Shape


class Estimated(Shape):
    """A value with its confidence interval, or the reason why there is none.

    Attributes
    ----------
    value : float or None
        The value, None if not defined.
    low : float or None
        Lower bound of the interval.
    high : float or None
        Upper bound of the interval.
    n : int
        Number of rows.
    reason : str or None
        Why there is no value, None if there is one.
    """

    value: Number = None
    low: Number = None
    high: Number = None
    n: int = 0
    reason: str | None = None


class Rate(Estimated):
    """A group's rate: `numerator` of `n`.

    Attributes
    ----------
    numerator : int
        Rows counted.
    """

    numerator: int = 0


class GroupCalibration(Shape):
    """How a group's scores match the outcomes.

    Attributes
    ----------
    mean_score : float or None
        Mean predicted probability.
    observed_rate : float or None
        Share of positives.
    gap : float or None
        Their difference.
    """

    mean_score: Number = None
    observed_rate: Number = None
    gap: Number = None


class Group(Shape):
    """A group with its counts and rates.

    Attributes
    ----------
    group : str
        Name of the group.
    role : str
        Compared, excluded, unknown or all.
    n : int
        Number of rows.
    share : float
        Share of all rows.
    fp : int
        False positives.
    tp : int
        True positives.
    rates : dict of str to Rate
        Name of a rate to its estimate.
    calibration : GroupCalibration or None
        None without scores.
    """

    group: str
    role: str
    n: int
    share: float
    fp: int = 0
    tp: int = 0
    rates: dict[str, Rate]
    calibration: GroupCalibration | None = None


class Ratio(Estimated):
    """A group's impact ratio: its selection rate divided by the highest one.

    Attributes
    ----------
    group : str
        Name of the group.
    versus : str or None
        Group that it is compared with.
    below_four_fifths : bool or None
        Whether it is under 0.8, None if not defined.
    """

    group: str
    versus: str | None = None
    below_four_fifths: bool | None = None


class Test(Shape):
    """Exact test of a group against the reference group.

    Attributes
    ----------
    group : str
        Name of the group.
    reference : str
        Name of the reference group.
    selected, n : int
        Selected rows, and all rows, of the group.
    reference_selected, reference_n : int
        Selected rows, and all rows, of the reference group.
    fisher_p : float
        p-value of Fisher's exact test.
    holm_p : float
        The same, corrected by Holm.
    significant : bool
        Whether `holm_p` is below the audit's level.
    z : float or None
        Statistic of the two-proportion z test.
    cohens_h : float or None
        Effect size.
    odds_ratio : float or None
        Odds ratio.
    """

    group: str
    reference: str
    selected: int
    n: int
    reference_selected: int
    reference_n: int
    fisher_p: float
    holm_p: float
    significant: bool
    z: Number = None
    cohens_h: Number = None
    odds_ratio: Number = None


class Exclusion(Shape):
    """A group too small to compare.

    Attributes
    ----------
    group : str
        Name of the group.
    n : int
        Number of rows.
    share : float
        Share of all rows.
    selection_rate : float or None
        Share of selected rows.
    reason : str
        Reason in words.
    """

    group: str
    n: int
    share: float
    selection_rate: Number = None
    reason: str


class Unknown(Shape):
    """Rows whose group isn't known.

    Attributes
    ----------
    n : int
        Number of rows.
    share : float
        Share of all rows.
    groups : list of str
        Names of such groups.
    """

    n: int = 0
    share: float = 0.0
    groups: list[str] = Field(default_factory=list)


class Dimension(Shape):
    """One sensitive feature, or a combination of several.

    Attributes
    ----------
    dimension : str
        Name of the dimension.
    features : list of str
        Columns that make it.
    reference : str or None
        Reference group, None without one.
    groups : list of Group
        Groups with their rates.
    impact_ratios : list of Ratio
        Impact ratios of the compared groups.
    tests : list of Test
        Tests of the compared groups.
    exclusions : list of Exclusion
        Groups too small to compare.
    unknown : Unknown
        Rows whose group isn't known.
    empty_groups : list of str
        Groups without rows.
    """

    dimension: str
    features: list[str] = Field(default_factory=list)
    reference: str | None = None
    groups: list[Group]
    impact_ratios: list[Ratio] = Field(default_factory=list)
    tests: list[Test] = Field(default_factory=list)
    exclusions: list[Exclusion] = Field(default_factory=list)
    unknown: Unknown = Field(default_factory=Unknown)
    empty_groups: list[str] = Field(default_factory=list)


class Change(Shape):
    """One measure before and after.

    Attributes
    ----------
    name : str
        Name of the measure.
    before, after : float or None
        The measure without and with the mitigation.
    change : Estimated
        Difference with its interval.
    """

    name: str
    before: Number = None
    after: Number = None
    change: Estimated


class GroupEffect(Shape):
    """What the mitigation does to one group.

    Attributes
    ----------
    group : str
        Name of the group.
    n : int
        Number of rows.
    mitigated : bool
        Whether the group gets a threshold of its own.
    reason : str or None
        Why not, None if it does.
    before, after : dict of str to float or None
        Name of a rate to its value.
    gained, lost : int
        Rows newly selected, and no longer selected.
    """

    group: str
    n: int
    mitigated: bool
    reason: str | None = None
    before: dict[str, Number]
    after: dict[str, Number]
    gained: int
    lost: int


class Mitigation(Shape):
    """The what-if: a threshold for each group.

    Attributes
    ----------
    feature : str
        Sensitive feature.
    constraint : str
        Fairness constraint that the thresholds fulfil.
    overall : list of Change
        Measures of the whole.
    disparity : list of Change
        Measures of the differences between groups.
    groups : list of GroupEffect
        What happens to each group.
    """

    feature: str
    constraint: str
    overall: list[Change]
    disparity: list[Change]
    groups: list[GroupEffect]


class Audit(Shape):
    """Rates, ratios and tests of all dimensions.

    Attributes
    ----------
    rows : int
        Number of rows.
    level : float
        Confidence level of the intervals.
    replicates : int
        Bootstrap replicates.
    alpha : float
        Level of the tests.
    min_share : float
        Groups with a smaller share are excluded.
    tests_corrected : int
        Tests that p-values are corrected for.
    dimensions : list of Dimension
        Sensitive features and combinations.
    notes : list of str
        Remarks in words.
    """

    rows: int
    level: float
    replicates: int
    alpha: float
    min_share: float
    tests_corrected: int
    dimensions: list[Dimension]
    notes: list[str] = Field(default_factory=list)


class Audited(Shape):
    """`details` of ``bias_audit``.

    Attributes
    ----------
    audit : Audit or None
        None without sensitive features.
    mitigation : Mitigation or None
        None if none was computed.
    mitigation_missing : str
        Why none was computed.
    """

    audit: Audit | None
    mitigation: Mitigation | None
    mitigation_missing: str = ""

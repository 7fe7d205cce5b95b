"""The parts of ``evidence/bias_audit.json`` that the report reads."""

from pydantic import Field

from pipelines.mlops.data.columns import FLAGS, SELECTS, DecisionWords
from pipelines.mlops.release_report.inputs import Number, Shape


class Estimated(Shape):
    """A value with its interval, or the reason why there is none."""

    value: Number = None
    low: Number = None
    high: Number = None
    n: int = 0
    reason: str | None = None


class Rate(Estimated):
    """A group's rate: `numerator` of `n`."""

    numerator: int = 0


class GroupCalibration(Shape):
    """How a group's scores match what happened."""

    mean_score: Number = None
    observed_rate: Number = None
    gap: Number = None


class Group(Shape):
    """A group with its counts and rates."""

    group: str
    role: str
    n: int
    share: float
    fp: int = 0
    tp: int = 0
    rates: dict[str, Rate]
    calibration: GroupCalibration | None = None


class Ratio(Estimated):
    """A group's impact ratio."""

    group: str
    versus: str | None = None
    below_four_fifths: bool | None = None


class Gap(Shape):
    """One rate of a group against the reference group's."""

    group: str
    reference: str
    rate: str
    ratio: Estimated


class Test(Shape):
    """Exact test of a group against the reference group."""

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
    """A group too small to compare."""

    group: str
    n: int
    share: float
    selection_rate: Number = None
    reason: str


class Unknown(Shape):
    """Rows whose group isn't known."""

    n: int = 0
    share: float = 0.0
    groups: list[str] = Field(default_factory=list)


class Dimension(Shape):
    """One sensitive feature, or a combination of several."""

    dimension: str
    features: list[str] = Field(default_factory=list)
    reference: str | None = None
    groups: list[Group]
    impact_ratios: list[Ratio] = Field(default_factory=list)
    gaps: list[Gap] = Field(default_factory=list)
    tests: list[Test] = Field(default_factory=list)
    exclusions: list[Exclusion] = Field(default_factory=list)
    unknown: Unknown = Field(default_factory=Unknown)
    empty_groups: list[str] = Field(default_factory=list)


class Change(Shape):
    """One measure before and after."""

    name: str
    before: Number = None
    after: Number = None
    change: Estimated


class Effect(Shape):
    """What happens to one group."""

    group: str
    n: int
    mitigated: bool
    reason: str | None = None
    before: dict[str, Number]
    after: dict[str, Number]
    gained: int
    lost: int


class Mitigation(Shape):
    """The what-if."""

    feature: str
    constraint: str
    overall: list[Change]
    disparity: list[Change]
    groups: list[Effect]


class Audit(Shape):
    """Rates, ratios and tests of all dimensions."""

    rows: int
    level: float
    replicates: int
    alpha: float
    min_share: float
    orientation: str = "assistive"
    favourable_rate: str = "selection_rate"
    harmful_rates: list[str] = Field(default_factory=list)
    tests_corrected: int
    dimensions: list[Dimension]
    notes: list[str] = Field(default_factory=list)

    @property
    def is_punitive(self) -> bool:
        """Whether the positive decision is bad for the person."""
        return self.orientation == "punitive"

    @property
    def words(self) -> DecisionWords:
        """What the positive decision is called."""
        return FLAGS if self.is_punitive else SELECTS

    @property
    def favoured(self) -> str:
        """Having got the favourable decision."""
        return self.words.not_selected if self.is_punitive else self.words.selected


class Audited(Shape):
    """`details` of ``bias_audit``."""

    audit: Audit | None
    mitigation: Mitigation | None
    mitigation_missing: str = ""

"""``params.yaml`` as a typed model: the only way code reads a parameter."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from pipelines.core.artifacts import PARAMS
from pipelines.core.errors import SignalboxError
from pipelines.core.settings import (
    Name,
    OpenShare,
    PositiveInt,
    Section,
    Share,
    Slug,
    Unset,
    not_filled_in,
    read_mapping,
    validate_section,
)


class CsvSource(Section):
    """One or more delimited text files, read in order; local or any address fsspec reads."""

    kind: Literal["csv"]
    paths: Annotated[list[Name], Field(min_length=1)]
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = []
    """Expected SHA-256 of each unpacked file, in the order of `paths`; empty = not pinned."""
    watch: Name
    """Local file or folder whose change makes ``ingest`` run again (a dependency for DVC)."""
    snapshot: Unset[Name] = None
    """Free text; change it to read a source again that DVC cannot watch."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    """Character around fields that hold a delimiter or a line break."""
    comment: Unset[Annotated[str, Field(min_length=1, max_length=1)]] = None
    """Lines that start with this character are not data; null = none."""
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    """Decimal mark of numbers."""
    thousands: Unset[Annotated[str, Field(min_length=1, max_length=1)]] = None
    """Mark between groups of three digits; null = none. Not the decimal mark."""
    encoding: Name = "utf-8"
    """Text encoding of the files."""
    columns: list[Name] = []
    """Names of the columns if the files have no header line; empty = first line is the header."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(
                f"thousands and decimal are both {self.decimal!r}; a number couldn't be read"
            )
        return self

    @model_validator(mode="after")
    def _one_hash_a_path(self) -> Self:
        if self.sha256 and len(self.sha256) != len(self.paths):
            raise ValueError(
                f"sha256 has {len(self.sha256)} entries for {len(self.paths)} paths; "
                "give one for each path, or none"
            )
        return self


class ParquetSource(Section):
    """One or more Parquet files, read in order; local or any address fsspec reads."""

    kind: Literal["parquet"]
    paths: Annotated[list[Name], Field(min_length=1)]
    watch: Name
    snapshot: Unset[Name] = None
    """Free text; change it to read a source again that DVC cannot watch."""


class SqlSource(Section):
    """The result of one query on a database that SQLAlchemy reaches."""

    kind: Literal["sql"]
    url_env: Unset[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = None
    """Environment variable that holds the URL, so that no password stands in a file."""
    url: Unset[Name] = None
    """The URL itself, for databases without a password."""
    query: Name
    """SQL text; its result is the table."""
    watch: Name
    snapshot: Unset[Name] = None
    """Free text; change it to read a source again that DVC cannot watch."""

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if bool(self.url) == bool(self.url_env):
            raise ValueError("give exactly one of url and url_env")
        return self


Source = Annotated[CsvSource | ParquetSource | SqlSource, Field(discriminator="kind")]


class Sensitive(Section):
    """A sensitive feature; numeric ones need `bins`, the inner edges of their age-like groups."""

    bins: list[float] = []
    """Inner edges of a numeric feature's groups, rising; not for texts."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"bins must rise: {self.bins}")
        return self


class DataParams(Section):
    """The table: source, target, subject, sensitive features."""

    name: Slug
    source: Source
    replace: dict[str, dict[str, str]] = {}
    """Column → {value as it stands in the source: value to use}."""
    missing_marks: list[str] = []
    """Texts that mean "no value", beside empty fields."""
    target: Name
    positive: str | int | float | bool
    """The label that counts as 1; the other label is 0."""
    favourable: str | int | float | bool | None = None
    """The label that is the good outcome for the person: `positive` (the model selects) or the
    other one (reoffending, default, fraud: the model flags). Needed where `sensitive` isn't
    empty."""
    subject_key: str | None = None
    """Column that identifies a person; null = none, then equal rows count as one subject. Its
    values are keys: never typed, trimmed or replaced; only an empty cell is a missing key."""
    sensitive: dict[str, Sensitive] = {}
    intersections: list[Annotated[list[str], Field(min_length=2)]] = []
    """Combinations of sensitive features that are audited together."""
    ignore: list[str] = []
    """Columns that are never model inputs (identifiers, sampling weights)."""
    after_outcome: list[str] = []
    """Columns that are made after the outcome (and would give it away): never model inputs."""
    min_cell: Annotated[int, Field(ge=0)] = 5
    """Figures over fewer people than this stand in no evidence, plot or page, nor do values that
    fewer have; 0 or 1 = off. See ``pipelines/mlops/data/cells.py``."""
    types: dict[str, Literal["numeric", "categorical"]] = {}
    """Column → type, where the inferred one is wrong."""

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if self.target in self.sensitive:
            raise ValueError(f"target '{self.target}' cannot be a sensitive feature")
        if self.target in self.ignore:
            raise ValueError(f"target '{self.target}' cannot be ignored")
        if self.target in self.after_outcome:
            raise ValueError(f"target '{self.target}' is the outcome; take it out of after_outcome")
        self._key_is_only_a_key()
        for combination in self.intersections:
            unknown = [name for name in combination if name not in self.sensitive]
            if unknown:
                raise ValueError(
                    f"intersections names {unknown}; allowed are the keys of data.sensitive: "
                    f"{sorted(self.sensitive)}"
                )
        return self

    def _key_is_only_a_key(self) -> None:
        """Two different texts are two people: nothing may make one of them."""
        key = self.subject_key
        if key is None:
            return
        if key == self.target:
            raise ValueError(f"target '{key}' cannot be the subject's key as well")
        if self.types.get(key) == "numeric":
            raise ValueError(
                f"types calls the subject's key '{key}' numeric, but keys are never typed: "
                "'1' and '001' are two people; take it out"
            )
        if key in self.replace:
            raise ValueError(
                f"replace changes the subject's key '{key}', which would make one person of two; "
                "take it out, and merge people in the source"
            )


class Check(Section):
    """One check of the policy.

    ``at_least`` and ``at_most`` hold the figure's interval against `threshold`: pass when the whole
    interval keeps to it, fail when none of it does, inconclusive when it straddles. A figure
    without an interval is compared as a point. ``not_worse_than_released`` does the same with the
    paired difference to the released model, which counts what was lost (positive = worse), and
    `threshold` is the largest loss accepted. A figure that is absent or has no value fails.
    """

    id: Slug
    """Unique name of the check."""
    protects: Name
    """What the check is there for."""
    figure: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.\S+$")]
    """Figure in the evidence: stage.name; a stage of your own counts as well."""
    compare: Literal["at_least", "at_most", "not_worse_than_released"]
    """How the figure's interval and `threshold` are compared, see above."""
    threshold: float
    """The number that the figure's interval is compared with."""
    on_fail: Literal["reject", "review"] = "reject"
    """Decision that a failed check asks for."""
    on_inconclusive: Literal["reject", "review"] = "review"
    """Decision that an inconclusive check asks for."""
    owner: Name
    """Who answers for the check."""
    reason: Name
    """Why this threshold."""


class GateParams(Section):
    """The list of checks."""

    checks: Annotated[list[Check], Field(min_length=1)]
    """The policy; the worst verdict decides."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [check.id for check in self.checks]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"check ids must differ; used twice: {twice}")
        return self


class ReportParams(Section):
    """Section ``report``: what the report says about who and why."""

    title: Name
    owner: Name
    purpose: Name
    """What the model is for; printed on the first page."""
    not_for: Name
    """What it must not be used for."""
    contact: Name
    notice: str = ""
    """What readers must know about the data before anything else, for example that it is a demo."""
    data_set: Unset[Slug] = None
    """`data.name` that this section is about. If it is another one, all that the section says
    counts as not filled in, and the reports say so; null = about whatever data set there is."""


class ValidateParams(Section):
    """Section ``validate``."""

    suite: Slug
    """``expectations/<suite>.json``."""
    max_quarantined_share: Share = 0.02
    """More rows than this in quarantine stop the run."""
    leak_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.98
    """A column that alone ranks or splits the labels this well counts as a leak of the target."""


class SplitParams(Section):
    """Section ``split``: shares of subjects, and how exactly they must be met."""

    train: OpenShare = 0.7
    validation: OpenShare = 0.15
    """Chooses the threshold."""
    test: OpenShare = 0.15
    """Touched by evaluation alone."""
    salt: str = "signalbox"
    """Part of every subject's hash; another salt deals all subjects anew."""
    tolerance: OpenShare = 0.02
    """Largest allowed absolute difference between wanted and actual share of rows."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class LogisticRegressionGrid(Section):
    """Values to try for ``sklearn.linear_model.LogisticRegression``."""

    C: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]


class HistGradientBoostingGrid(Section):
    """Values to try for ``sklearn.ensemble.HistGradientBoostingClassifier``."""

    learning_rate: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [0.1]
    max_iter: Annotated[list[PositiveInt], Field(min_length=1)] = [100]
    max_leaf_nodes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)] = [31]
    l2_regularization: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = [0.0]
    """Penalty on leaf values."""


class RandomForestGrid(Section):
    """Values to try for ``sklearn.ensemble.RandomForestClassifier``."""

    n_estimators: Annotated[list[PositiveInt], Field(min_length=1)] = [100]
    """Number of trees."""
    min_samples_leaf: Annotated[list[PositiveInt], Field(min_length=1)] = [5]
    """Fewest rows in a leaf."""


class Models(Section):
    """The kinds of model that compete; leave a kind out (or null) and it isn't tried."""

    logistic_regression: LogisticRegressionGrid | None = None
    hist_gradient_boosting: HistGradientBoostingGrid | None = None
    random_forest: RandomForestGrid | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"name at least one of {list(type(self).model_fields)}")
        return self


class ThresholdParams(Section):
    """How the operating threshold is chosen, always on validation data."""

    rule: Literal["max_accuracy", "max_f1", "min_cost", "selection_rate", "fixed"] = "max_accuracy"
    cost_false_positive: Annotated[float, Field(gt=0)] = 1.0
    """For rule min_cost."""
    cost_false_negative: Annotated[float, Field(gt=0)] = 1.0
    """For rule min_cost."""
    selection_rate: OpenShare = 0.5
    """For rule selection_rate: share of rows to select."""
    value: OpenShare = 0.5
    """For rule fixed: the threshold."""


def _usual_models() -> Models:
    """Return a linear model and boosted trees: which of the two fits, most tables tell."""
    return Models(
        logistic_regression=LogisticRegressionGrid(C=[0.1, 1.0]),
        hist_gradient_boosting=HistGradientBoostingGrid(max_iter=[100, 200], max_leaf_nodes=[15]),
    )


class TrainParams(Section):
    """Section ``train``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 20260101
    """Every random choice of training follows from it."""
    models: Models = Field(default_factory=_usual_models)
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    """Cross-validation folds of the search and of the calibration, by subject."""
    select_by: Literal["roc_auc", "average_precision", "neg_log_loss", "neg_brier_score"] = (
        "roc_auc"
    )
    """Score by which the search chooses, the higher the better."""
    calibration: Literal["isotonic", "sigmoid", "none"] = "isotonic"
    """How scores are made probabilities."""
    class_weight: Literal["none", "balanced"] = "none"
    """Whether rows of the rarer label weigh more."""
    use_sensitive: bool = False
    """Whether sensitive features are model inputs."""
    max_categories: Annotated[int, Field(ge=1, le=250)] = 100
    """Most frequent values of a text column that the model knows; others count as unknown."""
    min_category_rows: PositiveInt = 10
    """Rows a value needs to be known to the model."""
    threshold: ThresholdParams = Field(default_factory=ThresholdParams)


class EvaluateParams(Section):
    """Section ``evaluate``."""

    replicates: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap replicates of every interval."""
    confidence: OpenShare = 0.95
    """Level of every interval."""
    calibration_bins: Annotated[int, Field(ge=2, le=100)] = 10
    """Bins of equal count for the calibration error."""
    slices: list[Name] = []
    """Columns whose values (numeric ones: quartiles) are reported apart, beside sensitive ones."""
    min_slice: PositiveInt = 50
    """Slices with fewer rows are counted but get no figures."""


class MitigationParams(Section):
    """What post-processing would buy and cost; computed for the report, not deployed."""

    method: Literal["none", "threshold_optimizer"] = "threshold_optimizer"
    constraint: Literal["demographic_parity", "equalized_odds", "equal_opportunity"] = (
        "demographic_parity"
    )
    """What is to be equal between groups: selection rates; TPR and FPR; or how often those whose
    true label is the favourable one are decided so (TPR, or for a punitive decision FPR)."""
    feature: str | None = None
    """Sensitive feature to mitigate for; null = the one with the worst impact ratio."""


class BiasAuditParams(Section):
    """Section ``bias_audit``."""

    replicates: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap replicates of every interval."""
    confidence: OpenShare = 0.95
    """Level of every interval."""
    score_bins: Annotated[int, Field(ge=2, le=1000)] = 20
    """Bins of the score in the contingency table."""
    min_share: Share = 0.02
    """Local Law 144's table leaves smaller categories out of its ratios; nothing else does."""
    reference: dict[str, str] = {}
    """Sensitive feature → group that others are compared with; default: the most favoured one."""
    mitigation: MitigationParams = Field(default_factory=MitigationParams)


class DriftParams(Section):
    """Section ``drift``."""

    column_threshold: OpenShare = 0.1
    """A column counts as drifted when its distance is at or above this."""
    max_rows: Annotated[int, Field(ge=100)] = 20_000
    """Larger tables are sampled to this many rows, by row hash."""


AnySection = TypeVar("AnySection", bound=Section)


class Params(Section):
    """All of ``params.yaml``; a section is named like the stage that reads it."""

    data: DataParams
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams = Field(default_factory=SplitParams)
    train: TrainParams = Field(default_factory=TrainParams)
    evaluate: EvaluateParams = Field(default_factory=EvaluateParams)
    bias_audit: BiasAuditParams = Field(default_factory=BiasAuditParams)
    drift: DriftParams = Field(default_factory=DriftParams)
    gate: GateParams
    report: ReportParams
    aiops: dict[str, Any] = Field(default_factory=dict)
    """What the alert rules' stages read; they check it themselves, with `load_section`."""

    @model_validator(mode="before")
    @classmethod
    def _report_is_about_this_data(cls, raw: Any) -> Any:
        """Take out what section ``report`` says of another data set, such as the demo's."""
        if not (isinstance(raw, dict) and isinstance(raw.get("report"), dict)):
            return raw
        report, data = raw["report"], raw.get("data")
        name = data.get("name") if isinstance(data, dict) else None
        if not report.get("data_set") or not name or report["data_set"] == name:
            return raw
        empty = {
            key: not_filled_in(f"report.{key}", "params.yaml", elsewhere=True)
            for key in ("owner", "purpose", "not_for", "contact")
            if key in report
        }
        return {**raw, "report": {**report, **empty, "title": f"Model of {name}", "notice": ""}}

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        """Check that what one section names is there in another: now, not after an hour."""
        features = list(self.data.sensitive)
        joined = [" & ".join(names) for names in self.data.intersections]
        problems = []
        mitigation = self.bias_audit.mitigation
        if mitigation.feature is not None and mitigation.feature not in features:
            problems.append(
                f"bias_audit.mitigation.feature is {mitigation.feature!r}, which is none of "
                f"data.sensitive ({', '.join(features) or 'empty'}); name one of them, or null"
            )
        if self.data.target in self.evaluate.slices:
            problems.append(
                f"evaluate.slices names the target '{self.data.target}'; name another column"
            )
        for name in self.bias_audit.reference:
            if name not in (*features, *joined):
                problems.append(
                    f"bias_audit.reference names '{name}', which is not audited; audited are "
                    f"{', '.join((*features, *joined)) or 'no features'}"
                )
        audited = [name.replace(" & ", "&") for name in (*features, *joined)]
        for check in self.gate.checks:
            stage, _, rest = check.figure.partition(".")
            dimension = rest.partition(":")[2]
            if stage == "bias_audit" and dimension and dimension not in audited:
                problems.append(
                    f"gate.checks: check '{check.id}' asks for {check.figure}, but '{dimension}' "
                    f"is not audited; audited are {', '.join(audited) or 'no features'} "
                    "(data.sensitive, data.intersections)"
                )
            if stage == "bias_audit" and "_to_reference:" in rest:
                referenced = [name.replace(" & ", "&") for name in self.bias_audit.reference]
                if dimension not in referenced:
                    problems.append(
                        f"gate.checks: check '{check.id}' asks for {check.figure}, but "
                        f"bias_audit.reference names no group of '{dimension}' to compare with"
                    )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def of_model(self) -> dict[str, Any]:
        """Return what the stages of a model's release read, as plain data."""
        return self.model_dump(mode="json", by_alias=True, exclude={"aiops"})


def load_params(path: Path = PARAMS) -> Params:
    """Load and check ``params.yaml``.

    Parameters
    ----------
    path
        The file; the default is the project's own.

    Returns
    -------
    Params
        Every value typed and within its range.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    return validate_section(path, _read(path), Params)


def load_section(name: str, model: type[AnySection], path: Path = PARAMS) -> AnySection:
    """Load and check one section of ``params.yaml``, whatever the others say.

    Parameters
    ----------
    name
        The section, for example ``aiops``.
    model
        Its type; a section that isn't there gives the defaults.
    path
        The file; the default is the project's own.

    Raises
    ------
    SignalboxError
        As `load_params`; keys begin with the section's name.
    """
    raw = _read(path).get(name)
    return validate_section(path, {} if raw is None else raw, model, name)


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = read_mapping(path)
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; start in the project's root") from None
    if raw is None:
        raise SignalboxError(f"{path}: must be a mapping of sections, found NoneType")
    return raw

"""``monitoring/<date>.json``: what one day's watch was asked for and what it found.

Where an alarm begins: on a figure that the gate let pass it would say nothing new, as whoever
released the model knew. So a watch without a threshold of its own takes that of the gate's check on
the same figure, and where the model was released with a worse figure (by review, or by override),
that figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure, round_floats
from pipelines.core.files import read_json
from pipelines.core.params import Check
from pipelines.core.settings import Name, PositiveInt, Section, Slug, Unset
from pipelines.mlops.data.drift import roles
from pipelines.mlops.scoring.batch import count_strange
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.release.gating import judge, number, sentence
from pipelines.release.kpis.formula import LIVE
from pipelines.release.ledger import Entry

if TYPE_CHECKING:
    import pandas as pd


class Watch(Section):
    """One figure that is watched; an alarm goes off when its whole interval is out of bounds."""

    id: Slug
    """Unique name of the watch."""
    protects: Name
    """What it is there for."""
    figure: Annotated[str, Field(pattern=r"^live\.\S+$")]
    """Figure measured on what was scored, ``live.…``."""
    compare: Literal["at_least", "at_most"]
    """Which side of `threshold` is in bounds."""
    threshold: float | None = None
    """The number that the figure's interval is compared with; null = that of the gate's check on
    the same figure, or the figure that was released if that is worse."""
    owner: Name
    """Who answers for it."""
    reason: Name
    """Why this threshold."""
    retrain: bool = False
    """Whether the alarm asks for a new training."""

    def as_check(self) -> Check:
        """Return the same as a check of a gate: the release and its watch judge alike.

        Raises
        ------
        ValueError
            If the watch has no threshold yet.
        """
        fields = self.model_dump(exclude={"retrain"})
        return Check(**fields, on_fail="review", on_inconclusive="review")


def _watch(watch_id: str, figure: str, compare: str, protects: str) -> Watch:
    return Watch.model_validate(
        {
            "id": watch_id,
            "protects": protects,
            "figure": figure,
            "compare": compare,
            "owner": "data science",
            "reason": "what was approved at the release is no news",
            "retrain": watch_id in ("live_drift", "live_ranking"),
        }
    )


DEFAULT = (
    _watch("live_unreadable", "live.unreadable_share", "at_most", "numbers can be read"),
    _watch("live_strange", "live.strange_share", "at_most", "values the model knows"),
    _watch("live_drift", "live.drifted_share", "at_most", "rows like the training data"),
    _watch("live_impact", "live.worst_impact_ratio", "at_least", "like selection of groups"),
    _watch("live_ranking", "live.roc_auc", "at_least", "the model separates the classes"),
    _watch("live_calibration", "live.calibration_error", "at_most", "scores mean what they say"),
)
"""What is watched where ``release.yaml`` says nothing; `bound_of` says from where on."""


class MonitoringParams(Section):
    """What is watched, over which time, and what follows."""

    window_days: PositiveInt = 7
    """Batches of this many days before the date are looked at."""
    min_rows: PositiveInt = 500
    """With fewer rows there are no figures: chance would sound the alarm."""
    labels: Unset[Name] = None
    """Table with labels that became known: subject key, label, and ``batch`` or ``row_id`` if rows
    are labelled one by one; null = none."""
    label_delay_days: Annotated[int, Field(ge=0)] = 30
    """A row counts for performance once it is this old: labels that come early are not like the
    others."""
    retrain_every_days: PositiveInt = 7
    """Alarms ask for a new training at most once in this many days; a release begins anew."""
    watches: list[Watch] = Field(default_factory=lambda: list(DEFAULT), max_length=100)
    """What is watched; the default is ``pipelines.mlops.monitoring.result.DEFAULT``."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [watch.id for watch in self.watches]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"ids of watches must differ; used twice: {twice}")
        return self


STAGES = ("evaluate", "bias_audit", "drift")
"""Stages whose figures monitoring measures anew; ``live.roc_auc`` is ``evaluate.roc_auc``."""

ALIKE = {"live.unreadable_share": "validate.quarantined_share"}
"""Figures of the gate that bound one of another name: at training a row with a number that can't
be read goes to quarantine."""

STRANGE, DRIFTED = "live.strange_share", "live.drifted_share"

DEFAULT_THRESHOLDS = {
    "live.unreadable_share": 0.01,
    STRANGE: 0.1,
    DRIFTED: 0.3,
    "live.worst_impact_ratio": 0.8,
    "live.roc_auc": 0.8,
    "live.calibration_error": 0.1,
}
"""Thresholds of figures that the gate doesn't check; engineering judgement."""


@dataclass(frozen=True)
class Approved:
    """What a release was judged by.

    Attributes
    ----------
    checks : sequence of Check
        The policy in the release's commit.
    figures : mapping of str to float
        Id of a figure, of a stage or ``live.…`` → its value at the release.
    how : str
        How it was released, in words; empty if the ledger doesn't say.
    """

    checks: Sequence[Check] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    how: str = ""


@dataclass(frozen=True)
class Bound:
    """Where an alarm begins, and why there.

    Attributes
    ----------
    threshold : float
        In the figure's unit.
    because : str
        Where it comes from, for people.
    """

    threshold: float
    because: str


def approved(release: ReleasedModel, entries: Iterable[Entry], product: str) -> Approved:
    """Collect what a release was judged by: its policy, and the figures in the ledger.

    Parameters
    ----------
    release : ReleasedModel
        The release in production.
    entries : iterable of Entry
        The ledger's entries, in order.
    product : str
        Name of the product.

    Returns
    -------
    Approved
        Without figures if the ledger has no gate's decision on the release's commit.
    """
    figures: dict[str, float] = {}
    how = ""
    for entry in entries:
        data = entry.data
        if entry.subject != product or data.get("commit") != release.released.commit:
            continue
        if entry.kind == "gate":
            figures = {str(name): float(v) for name, v in (data.get("figures") or {}).items()}
        elif entry.kind == "release" and (data.get("gate") or {}).get("verdict"):
            given = (data.get("approval") or {}).get("kind") or "no approval"
            how = f"the gate said {data['gate']['verdict']}, then: {given}"
    if release.train is not None:
        figures |= _at_training(release, release.train, figures)
    return Approved(release.params.gate.checks, figures, how)


def _at_training(
    release: ReleasedModel, train: "pd.DataFrame", figures: Mapping[str, float]
) -> dict[str, float]:
    """Figures of the release as monitoring would have measured them, where no stage did."""
    shares = [count_strange(train[c.name], c) / len(train) for c in release.info.inputs]
    found = {STRANGE: round_floats(max(shares, default=0.0))}
    share = figures.get("drift.drifted_share")
    live = {*release.info.names(), *release.params.data.sensitive}
    if share is not None and live:
        # What is scored has no target: the same number of drifted columns is a larger share.
        compared = roles(list(train.columns), release.params.data)
        here = sum(name in live for name in compared)
        if here:
            found[DRIFTED] = round_floats(min(1.0, round(share * len(compared)) / here))
    return found


def bound_of(watch: Watch, release: Approved, figure: Figure | None) -> Bound:
    """Return where an alarm of a watch begins.

    Parameters
    ----------
    watch : Watch
        A threshold of its own holds as it is.
    release : Approved
        What the release was judged by.
    figure : Figure or None
        What was measured; its unit is that of the words.

    Returns
    -------
    Bound

    Raises
    ------
    SignalboxError
        If neither the watch, the gate nor `DEFAULT_THRESHOLDS` has a threshold.
    """
    if watch.threshold is not None:
        return Bound(watch.threshold, "release.yaml, monitoring.watches")
    unit = "" if figure is None else figure.unit
    asked = _asked(watch, release)
    released = _released(watch, release)
    worse = min if watch.compare == "at_least" else max
    if released is None or worse(asked.threshold, released) == asked.threshold:
        return asked
    how = f" ({release.how})" if release.how else ""
    return Bound(
        released,
        f"the figure that was released, {number(released, unit)}{how}: worse than "
        f"{number(asked.threshold, unit)}, {asked.because}",
    )


def _asked(watch: Watch, release: Approved) -> Bound:
    checks = _matching(watch, release.checks)
    if checks:
        keep = min if watch.compare == "at_least" else max
        first = keep(checks, key=lambda check: check.threshold)
        return Bound(first.threshold, f"the gate's check {first.id}")
    if watch.figure in DEFAULT_THRESHOLDS:
        because = "the default of monitoring, as no check of the gate is on this figure"
        return Bound(DEFAULT_THRESHOLDS[watch.figure], because)
    raise SignalboxError(
        f"release.yaml: monitoring.watches: {watch.id!r} has no threshold, and no check of the "
        f"gate ({watch.compare}) is on {_names(watch)[0]} or the like; give the watch a threshold"
    )


def _matching(watch: Watch, checks: Iterable[Check]) -> list[Check]:
    """Return the checks of the gate that bound the watch's figure, the closest ones alone.

    The worst of all dimensions is as good as each of them asks for; each is at least as good as
    the worst of all.
    """
    sides = [check for check in checks if check.compare == watch.compare]
    names = _names(watch)
    exact = [check for check in sides if check.figure in names]
    if exact:
        return exact
    if ":" in watch.figure:
        whole = [name.partition(":")[0] for name in names]
        return [check for check in sides if check.figure in whole]
    return [check for check in sides if check.figure.partition(":")[0] in names]


def _released(watch: Watch, release: Approved) -> float | None:
    found = [release.figures[n] for n in (watch.figure, *_names(watch)) if n in release.figures]
    return found[0] if found else None


def _names(watch: Watch) -> list[str]:
    name = watch.figure.removeprefix(f"{LIVE}.")
    alike = [ALIKE[watch.figure]] if watch.figure in ALIKE else []
    return [*(f"{stage}.{name}" for stage in STAGES), *alike]


FOLDER = Path("monitoring")

State = Literal["well", "alarm", "inconclusive", "no_data"]


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Watched(_Fact):
    """A watch and what it found.

    Attributes
    ----------
    id, owner : str
        Name of the watch, and who answers for it.
    state : {"well", "alarm", "inconclusive", "no_data"}
        ``alarm``: the whole interval is out of bounds.
    sentence : str
        The same for people.
    figure : Figure or None
        What was measured; None if nothing was.
    compare : {"at_least", "at_most"}
        Which side of `threshold` is in bounds.
    threshold : float
        What the figure is compared with.
    retrain : bool
        Whether an alarm of this watch asks for a new training.
    bound : str
        Where the threshold comes from; empty in results of earlier versions.
    """

    id: str
    owner: str
    state: State
    sentence: str
    figure: Figure | None
    compare: str
    threshold: float
    retrain: bool
    bound: str = ""


class LabelCounts(_Fact):
    """Predictions of the labels' window.

    Attributes
    ----------
    predictions : int
        All rows: the sum of the other three.
    matched : int
        Mature rows with a label.
    waiting : int
        Rows younger than the label delay.
    unmatched : int
        Mature rows without a label.
    """

    predictions: int
    matched: int
    waiting: int
    unmatched: int


class Retrain(_Fact):
    """Whether a new training was asked for.

    Attributes
    ----------
    requested : bool
        Whether it was.
    because : list of str
        Ids of the alarms that ask for one.
    held_back : str
        Why it wasn't asked for although an alarm would; empty otherwise.
    """

    requested: bool
    because: list[str]
    held_back: str


class Watching(_Fact):
    """Result of one day; counts and figures only, nothing of any row.

    Attributes
    ----------
    date : str
        Date of `until`, ISO 8601; names the files.
    after, until : str
        The window (after, until], ISO 8601 with time zone.
    product, model_version, commit : str
        The release in production.
    batches : dict of str to str
        Batches of the window that this release scored.
    other_rows : int
        Rows of the window that another release scored.
    figures : list of Figure
        Everything that was measured; ids begin with ``live.``.
    watches : list of Watched
        In the order of ``release.yaml``.
    labels : LabelCounts
        Of the labels' window.
    drift : dict or None
        `Comparison` as plain data; None where nothing was compared.
    kpis : list of dict
        KPIs over live figures alone.
    retrain : Retrain
        Whether a new training was asked for.
    """

    date: str
    after: str
    until: str
    product: str
    model_version: str
    commit: str
    batches: dict[str, str]
    """Name of a batch → SHA-256 of its predictions as they were read."""
    other_rows: int
    """Rows of the window that another version of the model scored; not part of the figures."""
    figures: list[Figure]
    watches: list[Watched]
    labels: LabelCounts
    drift: dict[str, Any] | None
    kpis: list[dict[str, Any]]
    retrain: Retrain

    def alarms(self) -> list[Watched]:
        """Return the watches whose alarm went off."""
        return [watch for watch in self.watches if watch.state == "alarm"]


def judge_watch(watch: Watch, figure: Figure | None, bound: str = "") -> Watched:
    """Compare a figure with its bound, as the gate would; no data is no alarm, but is said.

    Parameters
    ----------
    watch : Watch
        Figure, threshold and owner.
    figure : Figure or None
        What was measured; None if nothing was.
    bound : str, default=""
        Where the threshold comes from.

    Returns
    -------
    Watched

    Raises
    ------
    ValueError
        If the watch has no threshold.
    """
    check = watch.as_check()
    verdict = judge(check, figure)
    state: State = {"pass": "well", "fail": "alarm"}.get(verdict, "inconclusive")  # type: ignore[assignment]
    words = sentence(check, figure, verdict)
    if figure is None or figure.value is None:
        state = "no_data"
        why = "not measured" if figure is None else figure.missing
        words = f"{watch.figure}: {why or 'no value'}"
    return Watched(
        id=watch.id,
        owner=watch.owner,
        state=state,
        sentence=words,
        figure=figure,
        compare=watch.compare,
        threshold=check.threshold,
        retrain=watch.retrain,
        bound=bound,
    )


def describe(result: Watching) -> str:
    """Say what a day's watch found, for logs.

    Parameters
    ----------
    result : Watching
        The day's result.

    Returns
    -------
    str
        One line a watch, then labels and retraining.
    """
    labels, retrain = result.labels, result.retrain
    lines = [f"{watched.state:<13} {watched.id}: {watched.sentence}" for watched in result.watches]
    lines.append(
        f"labels: {labels.matched} known, {labels.waiting} waiting, {labels.unmatched} lacking"
    )
    if retrain.requested:
        lines.append(f"asks for a new training because of: {', '.join(retrain.because)}")
    elif retrain.held_back:
        lines.append(f"a new training was not asked for: {retrain.held_back}")
    return "\n".join(lines)


def result_path(project: Path, date: str) -> Path:
    """Path of a day's result."""
    return project / FOLDER / f"{date}.json"


def page_path(project: Path, date: str) -> Path:
    """Path of the same for people."""
    return project / FOLDER / f"{date}.html"


class StandingAlarm(_Fact):
    """An alarm of the latest day, and since when it has gone off every day.

    Attributes
    ----------
    watched : Watched
        As of the latest day.
    date : str
        The latest day, ISO 8601.
    since : str
        First of the days in a row on which it went off, ISO 8601.
    """

    watched: Watched
    date: str
    since: str


def standing_alarms(project: Path) -> list[StandingAlarm]:
    """List the alarms of the latest day of monitoring.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    list of StandingAlarm
        Empty where nothing was watched yet.

    Raises
    ------
    SignalboxError
        If a result isn't one.
    """
    days: list[Watching] = []
    for path in sorted((project / FOLDER).glob("[!.]*.json")):
        try:
            days.append(Watching.model_validate(read_json(path)))
        except ValidationError as error:
            raise SignalboxError(f"{path}: not a result of monitoring ({error})") from error
    found = []
    for watched in days[-1].alarms() if days else []:
        since = days[-1].date
        for day in reversed(days):
            if watched.id not in {alarm.id for alarm in day.alarms()}:
                break
            since = day.date
        found.append(StandingAlarm(watched=watched, date=days[-1].date, since=since))
    return found

"""``monitoring/<date>.json``: what one day's watch was asked for and what it found."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.core.evidence import Figure
from pipelines.core.params import Check
from pipelines.core.settings import Name, PositiveInt, Section, Slug, Unset
from pipelines.release.gating import judge, sentence


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
    threshold: float
    """The number that the figure's interval is compared with."""
    owner: Name
    """Who answers for it."""
    reason: Name
    """Why this threshold."""
    retrain: bool = False
    """Whether the alarm asks for a new training."""

    def as_check(self) -> Check:
        """Return the same as a check of a gate: the release and its watch judge alike."""
        fields = self.model_dump(exclude={"retrain"})
        return Check(**fields, on_fail="review", on_inconclusive="review")


def _watch(watch_id: str, figure: str, compare: str, threshold: float, protects: str) -> Watch:
    return Watch.model_validate(
        {
            "id": watch_id,
            "protects": protects,
            "figure": figure,
            "compare": compare,
            "threshold": threshold,
            "owner": "data science",
            "reason": "engineering judgement",
            "retrain": watch_id in ("live_drift", "live_ranking"),
        }
    )


DEFAULT = (
    _watch("live_unreadable", "live.unreadable_share", "at_most", 0.01, "numbers can be read"),
    _watch("live_strange", "live.strange_share", "at_most", 0.1, "values the model knows"),
    _watch("live_drift", "live.drifted_share", "at_most", 0.3, "rows like the training data"),
    _watch("live_impact", "live.worst_impact_ratio", "at_least", 0.8, "like selection of groups"),
    _watch("live_ranking", "live.roc_auc", "at_least", 0.8, "the model separates the classes"),
    _watch(
        "live_calibration", "live.calibration_error", "at_most", 0.1, "scores mean what they say"
    ),
)
"""What is watched where ``release.yaml`` says nothing."""


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
    """Alarms ask for a new training at most once in this many days."""
    watches: list[Watch] = Field(default_factory=lambda: list(DEFAULT), max_length=100)
    """What is watched; the default is ``pipelines.mlops.monitoring.result.DEFAULT``."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [watch.id for watch in self.watches]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"ids of watches must differ; used twice: {twice}")
        return self


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
    """

    id: str
    owner: str
    state: State
    sentence: str
    figure: Figure | None
    compare: str
    threshold: float
    retrain: bool


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


def judge_watch(watch: Watch, figure: Figure | None) -> Watched:
    """Compare a figure with its bound, as the gate would; no data is no alarm, but is said.

    Parameters
    ----------
    watch : Watch
        Figure, bound and owner.
    figure : Figure or None
        What was measured; None if nothing was.

    Returns
    -------
    Watched
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
        threshold=watch.threshold,
        retrain=watch.retrain,
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

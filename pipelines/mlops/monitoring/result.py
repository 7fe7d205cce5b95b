"""``monitoring/<date>.json``: what one day's watch found."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pipelines.base.evidence import Figure
from pipelines.mlops.monitoring.params import Watch
from pipelines.release.policy import judge
from pipelines.release.words import sentence

FOLDER = Path("monitoring")

State = Literal["well", "alarm", "inconclusive", "no_data"]


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Watched(_Fact):
    """A watch and what it found."""

    id: str
    owner: str
    state: State
    sentence: str
    figure: Figure | None
    compare: str
    threshold: float
    retrain: bool


class LabelCounts(_Fact):
    """Predictions of the labels' window: the three add up to `predictions`."""

    predictions: int
    matched: int
    waiting: int
    unmatched: int


class Retrain(_Fact):
    """Whether a new training was asked for, because of which alarms, and why not."""

    requested: bool
    because: list[str]
    held_back: str


class Watching(_Fact):
    """Result of one day; counts and figures only, nothing of any row."""

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
        """Watches whose alarm went off."""
        return [one for one in self.watches if one.state == "alarm"]


def judge_watch(watch: Watch, figure: Figure | None) -> Watched:
    """Hold a figure against its bound, as the gate would; no data is no alarm, but is said."""
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


def result_path(project: Path, date: str) -> Path:
    """Path of a day's result."""
    return project / FOLDER / f"{date}.json"


def page_path(project: Path, date: str) -> Path:
    """Path of the same for people."""
    return project / FOLDER / f"{date}.html"

"""Bounds of watches: what the gate asked of the release, or the figures it was released with.

An alarm on a figure that the gate let pass would say nothing new: whoever released the model knew.
So a watch without a threshold of its own takes that of the gate's check on the same figure, and
where the model was released with a worse figure (by review, or by override), that figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure, round_floats
from pipelines.core.params import Check
from pipelines.mlops.data.drift import roles
from pipelines.mlops.monitoring.result import Watch
from pipelines.mlops.scoring.batch import count_strange
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.release.gating import number
from pipelines.release.kpis.params import LIVE
from pipelines.release.ledger import Entry

if TYPE_CHECKING:
    import pandas as pd

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

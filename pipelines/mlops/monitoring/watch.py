"""One day's watch: read, measure, judge, write, sound alarms, ask for a new training.

Drift doesn't end because it was noticed: the same alarm goes off every day until a new model is
released. So the ledger's own alarms limit the requests: one in so many days, whatever asks. A
release begins anew: an alarm of the new model may ask at once.
"""

import difflib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.core.files import sha256_file, write_json, write_text
from pipelines.mlops.data.columns import decision_words
from pipelines.mlops.monitoring.figures import (
    Live,
    count,
    drift_figures,
    fairness_figures,
    performance_figures,
    quality_figures,
)
from pipelines.mlops.monitoring.page import page
from pipelines.mlops.monitoring.predictions import (
    MATURE,
    Joined,
    LabelledPeriod,
    join,
    read_inputs,
    read_labels,
    read_predictions,
    records,
    scored_at,
)
from pipelines.mlops.monitoring.result import (
    Approved,
    LabelCounts,
    MonitoringParams,
    Retrain,
    Watch,
    Watched,
    Watching,
    approved,
    bound_of,
    judge_watch,
    page_path,
    result_path,
)
from pipelines.mlops.scoring.production import PRODUCT, ReleasedModel, in_production, load_released
from pipelines.mlops.scoring.record import FOLDER, Record, predictions_path
from pipelines.release.config import load_section
from pipelines.release.kpis import KpisParams, evaluate
from pipelines.release.kpis.formula import LIVE, figures_in, parse
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.production import PRODUCTION, withdrawn_steps

if TYPE_CHECKING:
    import pandas as pd


REQUEST = "retrain"
"""Key of an alarm's data that says whether it asked for a new training."""


class LedgerEntry(Protocol):
    """What is read of a ledger's entry."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def kind(self) -> str:
        """What it tells of."""

    @property
    def subject(self) -> str:
        """The product."""

    @property
    def time(self) -> str:
        """When it was written, ISO 8601."""

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""


def last_request(entries: Iterable[LedgerEntry], product: str) -> datetime | None:
    """Return the time of the latest request for a new training since the last release.

    The latest by time and not by order: clocks go backwards. A release answers all requests before
    it (here the ledger's order counts): what the new model does is another matter.

    Parameters
    ----------
    entries : iterable of LedgerEntry
        Of any kind and product.
    product : str
        Product whose requests count.

    Returns
    -------
    datetime.datetime or None
        None without a request since the last release to production.
    """
    mine = [entry for entry in entries if entry.subject == product]
    withdrawn = withdrawn_steps(entry.data for entry in mine)
    times: list[datetime] = []
    for entry in mine:
        if is_release(entry) and entry.seq not in withdrawn:
            times = []
        elif entry.kind == "alarm" and entry.data.get(REQUEST) is True:
            times.append(datetime.fromisoformat(entry.time))
    return max(times, default=None)


def is_release(entry: LedgerEntry) -> bool:
    """Return whether an entry tells of a release to production."""
    made = entry.data.get("step") == "made" and entry.data.get("stage") == PRODUCTION
    return entry.kind == "release" and made


def held_back(entries: Iterable[LedgerEntry], product: str, now: datetime, every_days: int) -> str:
    """Say why no new training may be asked for now.

    A request in the future (the clock was set back) holds back as well: the safe side is not to
    start over and over.

    Parameters
    ----------
    entries : iterable of LedgerEntry
        Of any kind and product.
    product : str
        Product whose requests count.
    now : datetime.datetime
        With time zone.
    every_days : int
        Days between two requests, at least.

    Returns
    -------
    str
        The reason; empty if it may be asked for.
    """
    last = last_request(entries, product)
    if last is None or now - last >= timedelta(days=every_days):
        return ""
    again = last + timedelta(days=every_days)
    return (
        f"asked on {last:%Y-%m-%d %H:%M} UTC, at most once in {every_days} days; "
        f"next from {again:%Y-%m-%d %H:%M} UTC"
    )


def watch_project(project: Path, until: datetime, now: datetime) -> Watching:
    """Watch the days before `until`; write the result and the ledger's alarms.

    Doing the same day again replaces its result and sounds no alarm twice.

    Parameters
    ----------
    project : pathlib.Path
        The project's root.
    until : datetime.datetime
        End of the window, with time zone; its date names the result.
    now : datetime.datetime
        With time zone; for the rate limit of retraining.

    Returns
    -------
    Watching
        As it was written to ``monitoring/<date>.json``.

    Raises
    ------
    SignalboxError
        If there is no model in production, or a file or parameter is wrong.
    """
    params = load_section(project, "monitoring", MonitoringParams)
    kpis = load_section(project, "kpis", KpisParams)
    release = load_released(in_production(project), project, with_train=True)
    ledger = Ledger.of(project)
    entries = ledger.entries()
    draft = measure_window(project, release, params, until, approved(release, entries, PRODUCT))
    figures = {figure.id: figure for figure in draft.figures}
    result = draft.model_copy(
        update={
            "kpis": _live_kpis(kpis, figures),
            "retrain": decide_retrain(draft, entries, now, params.retrain_every_days),
        }
    )
    write_json(result_path(project, result.date), result.model_dump(mode="json"))
    write_text(page_path(project, result.date), page(result))
    record_alarms(ledger, entries, result)
    return result


def measure_window(
    project: Path,
    release: ReleasedModel,
    params: MonitoringParams,
    until: datetime,
    judged_by: Approved,
) -> Watching:
    """Measure and judge; writes nothing.

    Parameters
    ----------
    project : pathlib.Path
        The project's root, with ``predictions/``.
    release : ReleasedModel
        The release in production; batches of other releases are only counted.
    params : MonitoringParams
        Section ``monitoring``.
    until : datetime.datetime
        End of the window, with time zone.
    judged_by : Approved
        What the release was judged by; watches without a threshold follow it.

    Returns
    -------
    Watching
        Without KPIs, and without a decision about retraining.

    Raises
    ------
    SignalboxError
        If a file cannot be read, or a watch names a figure that isn't measured.
    """
    folder = project / FOLDER
    window = LabelledPeriod(until - timedelta(days=params.window_days), until)
    every = records(folder)
    ours = [record for record in every if record.commit == release.released.commit]
    chosen = [record for record in ours if window.holds(scored_at(record))]
    live = Live(read_predictions(folder, chosen), read_inputs(folder, chosen))
    others = [r for r in every if r not in ours and window.holds(scored_at(r))]
    figures, comparison = _of_inputs(live, chosen, release, params.min_rows)
    labelled, counts = _of_labels(project, release, params, until, ours)
    figures += labelled
    check_watches(params.watches, figures)
    by_id = {figure.id: figure for figure in figures}
    return Watching(
        date=until.date().isoformat(),
        after=window.after.isoformat(),
        until=window.until.isoformat(),
        product=PRODUCT,
        model_version=release.released.name,
        commit=release.released.commit,
        batches={r.name: sha256_file(predictions_path(folder, r.name)) for r in chosen},
        other_rows=sum(record.rows for record in others),
        figures=figures,
        watches=[_judge(watch, by_id.get(watch.figure), judged_by) for watch in params.watches],
        labels=counts,
        drift=None if comparison is None else comparison.model_dump(mode="json"),
        kpis=[],
        retrain=Retrain(requested=False, because=[], held_back=""),
    )


def _judge(watch: Watch, figure: Figure | None, judged_by: Approved) -> Watched:
    bound = bound_of(watch, judged_by, figure)
    resolved = watch.model_copy(update={"threshold": bound.threshold})
    return judge_watch(resolved, figure, bound.because)


def check_watches(watches: list[Watch], figures: list[Figure]) -> None:
    """Stop at a watch on a figure that monitoring doesn't measure.

    Where there is no data yet, figures of single groups aren't known either; they are let pass.

    Parameters
    ----------
    watches : list of Watch
        From section ``monitoring``.
    figures : list of Figure
        Everything that was measured.

    Raises
    ------
    SignalboxError
        If a watch names a figure that isn't among them; names the watch and the nearest figure.
    """
    known = [figure.id for figure in figures]
    for index, watch in enumerate(watches):
        if watch.figure.split(":")[0] not in known:
            near = difflib.get_close_matches(watch.figure, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"measured are {', '.join(known)}"
            raise SignalboxError(
                f"release.yaml: monitoring.watches.{index}.figure: {watch.figure!r} isn't "
                f"measured; {hint}"
            )


def _of_inputs(
    live: Live, chosen: list[Record], release: ReleasedModel, least: int
) -> tuple[list[Figure], Any]:
    """Figures that need no labels."""
    params, info = release.params, release.info
    drift, comparison = drift_figures(
        live, release.train, params.data, params.drift, least, no_train=release.no_train
    )
    fair = (params.data, params.bias_audit)
    return [
        count("rows", "Rows scored in the window", len(live.predictions)),
        *quality_figures(live, chosen, info.positive, decision_words(params.data), least),
        *drift,
        *fairness_figures(live, None, info.threshold.value, fair, least),
    ], comparison


def _of_labels(
    project: Path,
    release: ReleasedModel,
    params: MonitoringParams,
    until: datetime,
    ours: list[Record],
) -> tuple[list[Figure], LabelCounts]:
    """Figures of the rows whose labels have had time to come."""
    delay, days = timedelta(days=params.label_delay_days), timedelta(days=params.window_days)
    window = LabelledPeriod(until - delay - days, until)
    chosen = [record for record in ours if window.holds(scored_at(record))]
    folder = project / FOLDER
    predictions = read_predictions(folder, chosen, until - delay)
    joined = _joined(project, release, params, predictions)
    live = Live(predictions, read_inputs(folder, chosen))
    known = live.take(joined.matched) if len(predictions) else live
    fair = (release.params.data, release.params.bias_audit)
    threshold, least = release.info.threshold.value, params.min_rows
    counts = LabelCounts(
        predictions=len(predictions),
        matched=len(joined.matched),
        waiting=joined.waiting,
        unmatched=joined.unmatched,
    )
    return [
        count("labelled_rows", "Rows whose label is known", counts.matched),
        count("waiting_rows", "Rows younger than the label delay", counts.waiting),
        count("unmatched_rows", "Rows that should have a label and have none", counts.unmatched),
        *performance_figures(known, joined.y, threshold, release.params.evaluate, least),
        *fairness_figures(known, joined.y, threshold, fair, least),
    ], counts


def _joined(
    project: Path, release: ReleasedModel, params: MonitoringParams, predictions: "pd.DataFrame"
) -> Joined:
    import numpy as np

    if predictions.empty or not params.labels:
        mature = 0 if predictions.empty else int(predictions[MATURE].sum())
        waiting = len(predictions) - mature
        return Joined(np.empty(0, int), np.empty(0, "int8"), waiting=waiting, unmatched=mature)
    path = params.labels if "://" in params.labels else str(project / params.labels)
    return join(predictions, read_labels(path, release.params.data, release.info))


def _live_kpis(params: KpisParams, figures: dict[str, Figure]) -> list[dict[str, Any]]:
    """KPIs over live figures alone; the others belong to a release and are in its report."""
    mine = [
        kpi
        for kpi in params.of(PRODUCT)
        if all(name.startswith(f"{LIVE}.") for name in figures_in(parse(kpi.formula)))
    ]
    return [result.to_dict() for result in evaluate(mine, figures)]


def decide_retrain(
    result: Watching, entries: list[Entry], now: datetime, every_days: int
) -> Retrain:
    """Say whether this day's alarms ask for a new training.

    A day that asked already goes on asking: the task behind it may have to be repeated.

    Parameters
    ----------
    result : Watching
        What the day's watch found.
    entries : list of Entry
        The ledger.
    now : datetime.datetime
        With time zone.
    every_days : int
        Days between two requests, at least.

    Returns
    -------
    Retrain
    """
    because = [alarm.id for alarm in result.alarms() if alarm.retrain]
    if not because:
        return Retrain(requested=False, because=[], held_back="")
    if any(entry.data.get(REQUEST) is True for entry in _alarms_of(entries, result)):
        return Retrain(requested=True, because=because, held_back="")
    why_not = held_back(entries, result.product, now, every_days)
    return Retrain(requested=not why_not, because=because, held_back=why_not)


def record_alarms(ledger: Ledger, entries: list[Entry], result: Watching) -> None:
    """Enter the day's alarms into the ledger, each once a day and release.

    Parameters
    ----------
    ledger : Ledger
        Gets entries of kind ``alarm``.
    entries : list of Entry
        What it holds so far.
    result : Watching
        What the day's watch found, with the decision about retraining.
    """
    known = {(e.data.get("id"), e.data.get(REQUEST)) for e in _alarms_of(entries, result)}
    for alarm in result.alarms():
        entry = _as_entry(alarm, result)
        # An alarm that was held back in the morning may ask for a new training in the evening.
        if not known & {(alarm.id, True), (alarm.id, entry[REQUEST])}:
            ledger.append("alarm", result.product, entry)


def _alarms_of(entries: list[Entry], result: Watching) -> list[Entry]:
    return [
        entry
        for entry in entries
        if entry.kind == "alarm"
        and entry.subject == result.product
        and entry.data.get("date") == result.date
        and entry.data.get("commit") == result.commit
    ]


def _as_entry(alarm: Watched, result: Watching) -> dict[str, Any]:
    figure = alarm.figure
    assert figure is not None
    return {
        "id": alarm.id,
        "date": result.date,
        "model_version": result.model_version,
        "commit": result.commit,
        "figure": figure.id,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n,
        "compare": alarm.compare,
        "threshold": alarm.threshold,
        "owner": alarm.owner,
        "sentence": alarm.sentence,
        REQUEST: result.retrain.requested and alarm.id in result.retrain.because,
    }

"""Evaluation from scores to evidence, beside a model that looks at no column.

``evidence/evaluate.json``, ``figures``: ``evaluate.<metric>`` for every metric of `metrics.METRICS`
(each with an interval), ``evaluate.worst_slice_roc_auc`` and ``…_accuracy`` (`where` names the
slice), ``evaluate.baseline_{accuracy,log_loss,brier}``, ``evaluate.delta_<metric>`` for
`figures.DELTAS` (above 0: the new model is worse; without a release: value None, missing = "no
model has been released yet"), ``evaluate.released_seen_subjects``.

``details``::

    rows, positives, subjects
    threshold   {value, rule, words}
    bootstrap   {replicates, confidence, method, seed}
    confusion   {true_positive, false_positive, false_negative, true_negative}
    calibration [{bin, lowest_score, highest_score, mean_score, observed_rate, low, high, rows}]
    slices      [{feature, value, rows, positives, share, missing,
                  figures: {metric: {value, low, high, missing}} | {}}]
                in order of features; too small a slice has no figures and `missing` says so;
                one of fewer people than data.min_cell isn't there
    released    null | {name, commit, compared, reason, threshold, seen_subjects, seen_reason}
    too_good    sentence that a result too good to be true deserves; empty otherwise
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.core.evidence import Figure, round_floats
from pipelines.core.params import DataParams, EvaluateParams
from pipelines.core.stats import normal_quantile
from pipelines.core.tables import SUBJECT
from pipelines.mlops.data.cells import fewer, rows_needed
from pipelines.mlops.data.columns import checked_labels, decision_words
from pipelines.mlops.evaluation.bootstrap import METHOD, SEED, Statistic, interval, resample
from pipelines.mlops.evaluation.champion import Champion
from pipelines.mlops.evaluation.closed_forms import (
    ClosedForms,
    Limits,
    bin_rates,
    calibration_gaps,
    closed_forms,
)
from pipelines.mlops.evaluation.figures import delta_figures, metric_figures, missing_deltas
from pipelines.mlops.evaluation.metrics import METRICS, View, measure, observed_rates, view
from pipelines.mlops.evaluation.slices import Slice, slice_columns, slices
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.scoring import one_thread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def baseline_figures(y: "NDArray[np.int8]", info: ModelInfo) -> list[Figure]:
    """Measure a model that looks at no column.

    Its accuracy is that of always giving the training data's majority label, its losses those of
    always giving the training data's share of positives.

    Parameters
    ----------
    y : ndarray of int8, shape (n,)
        Labels of the test rows, 0 or 1; at least one.
    info : ModelInfo
        Gives that share, the labels' names and the score floor.

    Returns
    -------
    list of Figure
        ``evaluate.baseline_accuracy``, ``…_log_loss`` (nats) and ``…_brier``, without intervals.
    """
    import numpy as np

    p = float(np.clip(info.prior, info.score_floor, 1 - info.score_floor))
    rate = float(y.mean())
    majority = info.positive if info.prior >= 0.5 else info.negative
    always = f"always {majority!r}, the more frequent label of the training data"
    prior = f"every row scored {round_floats(p):g}, the share of positives in the training data"
    values = {
        "accuracy": ("accuracy", rate if info.prior >= 0.5 else 1 - rate, always),
        "log_loss": ("log loss", -(rate * np.log(p) + (1 - rate) * np.log(1 - p)), prior),
        "brier": ("Brier score", rate * (1 - p) ** 2 + (1 - rate) * p**2, prior),
    }
    return [
        Figure(
            id=f"evaluate.baseline_{name}",
            label=f"Baseline {label}",
            value=round_floats(float(value)),
            method=method,
            n=len(y),
        )
        for name, (label, value, method) in values.items()
    ]


if TYPE_CHECKING:
    Values = NDArray[np.float64]

TOO_GOOD_AUC = 0.99
"""From here on a model of people ranks them better than people can be known: look for a leak."""

WORST = {"roc_auc": "ROC AUC", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Evaluation:
    """Everything the stage ``evaluate`` writes.

    Attributes
    ----------
    figures : list of Figure
        What the gate reads.
    details : dict
        Everything else; the module's docstring has the shape.
    rows : View
        The test rows by falling score, which the curves are drawn from.
    """

    figures: list[Figure]
    details: dict[str, Any]
    rows: View


def evaluate(
    test: "pd.DataFrame",
    scores: "Values",
    info: ModelInfo,
    champion: Champion,
    params: tuple[DataParams, EvaluateParams],
) -> Evaluation:
    """Measure scores of the test rows with intervals, by slice, and beside the released model.

    Parameters
    ----------
    test : pandas.DataFrame, n rows
        Test split with the target and the column ``subject_id``.
    scores : ndarray of float64, shape (n,)
        Scores of the new model.
    info : ModelInfo
        Its labels and its threshold.
    champion : Champion
        The released model on the same rows.
    params : tuple of DataParams and EvaluateParams
        Sections ``data`` and ``evaluate``.

    Returns
    -------
    Evaluation
        Replicates are shared by the whole, the slices and the released model.

    Raises
    ------
    SignalboxError
        If a slice names a column the table lacks, or a label is missing or unknown.
    """
    import numpy as np
    import pandas as pd

    data, settings = params
    y = checked_labels(test, data, {info.positive, info.negative}, "test data")
    cut = partial(view, y, scores, threshold=info.threshold.value, bins=settings.calibration_bins)
    whole = cut()
    # Subjects as numbers 0 to s - 1, in order of first appearance.
    subjects = pd.factorize(test[SUBJECT].to_numpy(dtype=object))[0]
    found = [
        part
        for column in slice_columns(settings.slices, test, data)
        for part in slices(test, column, data)
        if len(np.unique(subjects[part.rows])) >= data.min_cell
    ]
    large = [part for part in found if len(part.rows) >= settings.min_slice]
    views = [whole, *(cut(rows=part.rows) for part in large)]
    if champion.scores is not None:
        views.append(_champion_view(y, champion, settings))
    statistics: list[Statistic] = [partial(measure, rows) for rows in views]
    statistics += [partial(calibration_gaps, rows) for rows in views]
    statistics.append(partial(observed_rates, whole))
    with one_thread():
        replicates = resample(statistics, subjects, settings.replicates)
        points = [statistic(np.ones((1, len(y))))[0] for statistic in statistics]
    level, count = settings.confidence, len(views)
    closed = [
        closed_forms(rows, gaps, subjects, level)
        for rows, gaps in zip(views, replicates[count:], strict=False)
    ]
    view_values = list(zip(points[:count], replicates[:count], closed, strict=True))
    rate = decision_words(data).rate.capitalize()
    figures = _figures(view_values[0], len(y), level, rate=rate)
    outcomes = (y, scores >= info.threshold.value)
    by_slice = [
        _without_small_cells(
            part,
            _figures(own, len(part.rows), level, {part.feature: part.value}),
            outcomes,
            subjects,
            data,
        )
        for part, own in zip(large, view_values[1:], strict=False)
    ]
    deltas = (
        missing_deltas(champion.reason, len(y))
        if champion.scores is None
        else delta_figures(
            (points[0], points[count - 1]),
            (replicates[0], replicates[count - 1]),
            closed=(closed[0], closed[-1]),
            n=len(y),
            confidence=level,
        )
    )
    return Evaluation(
        figures=[
            *figures,
            *_worst(by_slice, len(y), level),
            *baseline_figures(y, info),
            *deltas,
            _seen(champion, test),
        ],
        details=round_floats(
            {
                "rows": len(y),
                "positives": int(y.sum()),
                "subjects": int(subjects.max()) + 1,
                "threshold": info.threshold.model_dump(),
                "bootstrap": {
                    "replicates": settings.replicates,
                    "confidence": level,
                    "method": METHOD,
                    "seed": SEED,
                },
                "confusion": _confusion(whole),
                "calibration": _calibration(
                    whole,
                    bin_rates(whole, interval(replicates[-1], level), subjects, level),
                    rows_needed(subjects, data),
                ),
                "slices": _slices(found, large, by_slice, y, settings),
                "released": champion.facts(),
                "too_good": too_good(figures),
            }
        ),
        rows=whole,
    )


def too_good(figures: list[Figure]) -> str:
    """Say that a model ranks too well to be true; empty if it doesn't.

    Parameters
    ----------
    figures : list of Figure
        With ``evaluate.roc_auc``.

    Returns
    -------
    str
        A sentence, with what to do.
    """
    auc = next((f.value for f in figures if f.id == "evaluate.roc_auc"), None)
    if auc is None or auc < TOO_GOOD_AUC:
        return ""
    return (
        f"The ROC AUC of {auc:.4f} is too good to be true for most questions about people: look "
        "for columns that are made from the outcome or after it, and list them in "
        "data.after_outcome"
    )


def _champion_view(y: "NDArray[np.int8]", champion: Champion, settings: EvaluateParams) -> View:
    assert champion.scores is not None
    return view(y, champion.scores, threshold=champion.threshold, bins=settings.calibration_bins)


def _figures(
    values: "tuple[Values, Values, ClosedForms]",
    n: int,
    level: float,
    where: dict[str, str] | None = None,
    rate: str = METRICS["selection_rate"],
) -> list[Figure]:
    point, drawn, closed = values
    return metric_figures(
        point, drawn, n=n, confidence=level, closed=closed, where=where, rate=rate
    )


def _without_small_cells(
    part: Slice,
    figures: list[Figure],
    outcomes: "tuple[NDArray[np.int8], NDArray[np.bool_]]",
    subjects: "NDArray[np.intp]",
    data: DataParams,
) -> list[Figure]:
    """Take out figures of a slice that rest on too few people with a label or a decision.

    Parameters
    ----------
    part : Slice
        The slice.
    figures : list of Figure
        Its figures.
    outcomes : tuple of (ndarray of int8, ndarray of bool), each of shape (n,)
        Labels, and whether a row is selected.
    subjects : ndarray of intp, shape (n,)
        Subjects of the table's rows.
    data : DataParams
        Gives the least number of people.
    """
    import numpy as np

    y, selected = (values[part.rows] for values in outcomes)
    people = subjects[part.rows]
    positives, negatives, chosen = (
        len(np.unique(people[mask])) for mask in (y == 1, y == 0, selected)
    )
    rests_on = {
        "roc_auc": min(positives, negatives),
        "average_precision": positives,
        "recall": positives,
        "precision": chosen,
        "f1": min(positives, chosen),
    }
    gone = {"value": None, "low": None, "high": None, "missing": fewer(data.min_cell)}
    return [
        figure.model_copy(update=gone)
        if figure.value is not None
        and rests_on.get(figure.id.removeprefix("evaluate."), data.min_cell) < data.min_cell
        else figure
        for figure in figures
    ]


def _worst(by_slice: list[list[Figure]], n: int, level: float) -> list[Figure]:
    """Return the lowest ROC AUC and accuracy of any slice.

    Which slice is lowest is known from the sample alone. The truly lowest value is at least the
    lowest lower limit, whichever slice has it, and at most every upper limit, which have to hold
    together (multiple comparisons with the best; Hsu 1984): they lie further out, as the normal
    quantile of Bonferroni's level does, for replicates are too few to show so small a tail.
    """
    found = []
    for name, label in WORST.items():
        defined = [f for figures in by_slice if (f := _of(figures, name)).value is not None]
        figure = Figure(
            id=f"evaluate.worst_slice_{name}",
            label=f"Lowest {label} of a slice",
            value=None,
            method=f"lowest of {len(defined)} slices; interval: from the lowest lower limit of a "
            "slice to the lowest upper limit, where those of all slices hold together (Bonferroni)",
            n=n,
            missing="no slice is large enough",
        )
        if defined:
            worst = min(defined, key=lambda figure: figure.value or 0.0)
            keep = {"value", "n", "unit", "where"}
            update: dict[str, Any] = {key: getattr(worst, key) for key in keep}
            update |= _limits_of_the_worst(defined, level)
            figure = figure.model_copy(update={**update, "missing": ""})
        found.append(figure)
    return found


def _limits_of_the_worst(slices: list[Figure], level: float) -> dict[str, float]:
    """Give limits of the lowest value; empty where no slice has an interval."""
    known = [
        (f.low, f.value, f.high)
        for f in slices
        if f.low is not None and f.value is not None and f.high is not None
    ]
    if not known:
        return {}
    together = 1 - (1 - level) / len(known)
    further = normal_quantile(together) / normal_quantile(level)
    high = min(min(1.0, value + (high - value) * further) for _, value, high in known)
    lowest = min(figure.value or 0.0 for figure in slices)
    low = min(low for low, _, _ in known)
    return {"low": min(low, lowest), "high": max(round_floats(high), lowest), "level": level}


def _of(figures: list[Figure], name: str) -> Figure:
    return next(figure for figure in figures if figure.id == f"evaluate.{name}")


def _confusion(rows: View) -> dict[str, int]:
    selected = rows.y[: rows.selected]
    tp, positives = int(selected.sum()), int(rows.y.sum())
    return {
        "true_positive": tp,
        "false_positive": len(selected) - tp,
        "false_negative": positives - tp,
        "true_negative": len(rows.y) - len(selected) - (positives - tp),
    }


def _calibration(rows: View, observed: list[Limits], least: int) -> list[dict[str, Any]]:
    """Calibration bins from low scores to high ones.

    Bins of fewer rows than `least` are left out. As many rows are at or beyond each end of a bin,
    so that it is no single one's score.
    """
    import numpy as np

    starts = np.append(0, rows.bin_ends[:-1] + 1)
    table: list[dict[str, Any]] = []
    for position in reversed(range(len(starts))):
        inside = rows.scores[starts[position] : rows.bin_ends[position] + 1]
        if len(inside) < least:
            continue
        ends = max(least, 1)
        table.append(
            {
                "bin": len(table) + 1,
                "lowest_score": float(inside[-ends]),
                "highest_score": float(inside[ends - 1]),
                "mean_score": float(inside.mean()),
                "observed_rate": observed[position].value,
                "low": observed[position].low,
                "high": observed[position].high,
                "rows": len(inside),
            }
        )
    return table


def _slices(
    found: list[Slice],
    large: list[Slice],
    by_slice: list[list[Figure]],
    y: "NDArray[np.int8]",
    settings: EvaluateParams,
) -> list[dict[str, Any]]:
    figures = dict(zip((id(part) for part in large), by_slice, strict=True))
    small = f"fewer than {settings.min_slice} rows (evaluate.min_slice)"
    return [
        {
            "feature": part.feature,
            "value": part.value,
            "rows": len(part.rows),
            "positives": int(y[part.rows].sum()),
            "share": len(part.rows) / len(y),
            "missing": "" if id(part) in figures else small,
            "figures": {
                figure.id.removeprefix("evaluate."): figure.model_dump(
                    include={"value", "low", "high", "missing"}
                )
                for figure in figures.get(id(part), [])
            },
        }
        for part in found
    ]


def _seen(champion: Champion, test: "pd.DataFrame") -> Figure:
    return Figure(
        id="evaluate.released_seen_subjects",
        label="Test subjects the released model was trained on",
        value=None if champion.seen_subjects is None else float(champion.seen_subjects),
        method="subjects of the test split that are in the released model's train split; above 0 "
        "the comparison favours the released model",
        n=int(test[SUBJECT].nunique()),
        unit="subjects",
        missing=champion.seen_reason,
    )

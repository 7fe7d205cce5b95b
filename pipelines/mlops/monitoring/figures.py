"""Figures of what was scored; their ids begin with ``live.``."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.core.evidence import Figure, round_floats
from pipelines.core.params import BiasAuditParams, DataParams, DriftParams, EvaluateParams
from pipelines.core.tables import ROW, SUBJECT, UNREADABLE
from pipelines.mlops.data.columns import (
    DecisionWords,
    as_label,
    favourable_is_positive,
    is_numeric,
)
from pipelines.mlops.data.drift import Comparison, compare
from pipelines.mlops.evaluation.bootstrap import resample
from pipelines.mlops.evaluation.closed_forms import calibration_gaps, closed_forms
from pipelines.mlops.evaluation.figures import metric_figures
from pipelines.mlops.evaluation.metrics import METHODS, METRICS, UNITS, measure, view
from pipelines.mlops.fairness.evidence import NO_FAVOURABLE, Scored, audit_scores, describe
from pipelines.mlops.fairness.orientation import needs_labels, orientation
from pipelines.mlops.fairness.rates import Proportion
from pipelines.mlops.fairness.subjects import independent_rows
from pipelines.mlops.modeling.scoring import one_thread
from pipelines.mlops.scoring.record import Record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Live:
    """Rows that were scored.

    Attributes
    ----------
    predictions, inputs : pandas.DataFrame, n rows each
        Predictions and what was scored, in the same order.
    """

    predictions: "pd.DataFrame"
    inputs: "pd.DataFrame"

    def take(self, rows: "NDArray[np.intp]") -> "Live":
        """Return some of the rows.

        Parameters
        ----------
        rows : ndarray of intp, shape (m,)
            Their positions.

        Returns
        -------
        Live
            `m` rows, in the order of `rows`.
        """
        return Live(
            self.predictions.iloc[rows].reset_index(drop=True),
            self.inputs.iloc[rows].reset_index(drop=True),
        )


def too_few(rows: int, least: int) -> str:
    """Say why so few rows give no figure.

    Parameters
    ----------
    rows, least : int
        Rows there are, and rows that ``monitoring.min_rows`` asks for.

    Returns
    -------
    str
        The reason; empty if there are enough.
    """
    return "" if rows >= least else f"{rows} rows, and monitoring.min_rows asks for {least}"


def count(name: str, label: str, value: int) -> Figure:
    """Make a figure of a number of rows.

    Parameters
    ----------
    name : str
        Its id is ``live.<name>``.
    label : str
        Its name for people.
    value : int
        Number of rows.

    Returns
    -------
    Figure
    """
    return Figure(id=f"live.{name}", label=label, value=value, method="count", n=value, unit="rows")


def without_value(name: str, label: str, why: str, n: int = 0) -> Figure:
    """Make a figure that says why it has no value.

    Parameters
    ----------
    name : str
        Its id is ``live.<name>``.
    label : str
        Its name for people.
    why : str
        The reason.
    n : int, default=0
        Sample size.

    Returns
    -------
    Figure
    """
    return Figure(id=f"live.{name}", label=label, value=None, method="none", n=n, missing=why)


def quality_figures(
    live: Live, records: list[Record], positive: str, words: DecisionWords, least: int
) -> list[Figure]:
    """Compute shares of rows that are unreadable, strange or selected.

    Parameters
    ----------
    live : Live
        Rows of the window.
    records : list of Record
        Their batches, with the counts of unusual values.
    positive : str
        Decision of a selected row.
    words : DecisionWords
        What that decision is called.
    least : int
        With fewer rows, figures have no value.

    Returns
    -------
    list of Figure
        ``live.unreadable_share``, ``live.strange_share`` (of the worst column) and
        ``live.selection_rate``, with Wilson's interval (1927) at level 0.95, for as many
        independent rows as those of the subjects are worth.
    """
    rows = len(live.predictions)
    labels = {
        "unreadable_share": "Share of rows with a number that cannot be read",
        "strange_share": "Largest share of values that the model doesn't know",
        "selection_rate": words.rate.capitalize(),
    }
    why = too_few(rows, least)
    if why:
        return [without_value(name, label, why, rows) for name, label in labels.items()]
    strange: dict[str, int] = {}
    for record in records:
        for name, counts in record.columns.items():
            strange[name] = strange.get(name, 0) + counts.strange
    worst = max(sorted(strange), key=lambda name: strange[name])
    subjects = live.predictions[SUBJECT]
    unreadable = live.predictions[UNREADABLE].notna()
    selected = live.predictions["decision"] == positive
    # Counted when the rows were scored; rows erased since then may still be in it.
    unusual = Proportion(min(strange[worst], rows), rows, independent_rows(subjects))
    shares = {
        "unreadable_share": _proportion(unreadable, subjects),
        "strange_share": unusual,
        "selection_rate": _proportion(selected, subjects),
    }
    where = {"strange_share": {"column": worst}}
    return [_share(name, labels[name], shares[name], where.get(name, {})) for name in labels]


def _proportion(hits: "pd.Series[bool]", subjects: "pd.Series[str]") -> Proportion:
    return Proportion(int(hits.sum()), len(hits), independent_rows(subjects, hits))


def _share(name: str, label: str, share: Proportion, where: dict[str, str]) -> Figure:
    low, high = share.wilson(0.95)
    return Figure(
        id=f"live.{name}",
        label=label,
        value=round_floats(share.value),
        low=round_floats(low),
        high=round_floats(high),
        level=0.95,
        method="share of scored rows; interval: Wilson (1927), by subject",
        n=share.total,
        unit="share",
        where=where,
    )


def drift_figures(
    live: Live,
    train: "pd.DataFrame | None",
    data: DataParams,
    drift: DriftParams,
    least: int,
    *,
    no_train: str = "",
) -> tuple[list[Figure], Comparison | None]:
    """Compare what was scored with the release's training data, by the distances of ``drift``.

    Parameters
    ----------
    live : Live
        Rows of the window.
    train : pandas.DataFrame or None
        Training data of the release.
    data : DataParams
        Section ``data`` of the release.
    drift : DriftParams
        Section ``drift`` of the release.
    least : int
        With fewer rows, figures have no value.
    no_train : str, default=""
        Why the training data is gone, where `train` is None.

    Returns
    -------
    figures : list of Figure
        ``live.drifted_share`` and ``live.largest_distance``.
    comparison : Comparison or None
        Column by column; None where nothing was compared.

    Raises
    ------
    SignalboxError
        If a number is infinite.
    """
    labels = {
        "drifted_share": "Share of columns that drifted since training",
        "largest_distance": "Largest distance of a column",
    }
    rows = len(live.inputs)
    why = no_train or too_few(rows, least)
    if why or train is None:
        return [without_value(name, label, why, rows) for name, label in labels.items()], None
    reference = train[[name for name in live.inputs.columns if name in train.columns]]
    titles = ("Training data against what was scored", "train", "scored")
    tables = (_alike(reference, live.inputs), live.inputs)
    found, _ = compare(tables, titles, data, drift, drawn=0)
    far = max(found.columns, key=lambda column: column.distance or 0.0)
    share = Figure(
        id="live.drifted_share",
        label=labels["drifted_share"],
        value=round_floats(found.share()),
        method="columns whose distance or change of missing share is at or above "
        "drift.column_threshold, by all columns; n counts columns",
        n=len(found.columns),
        unit="share",
    )
    if far.distance is None:
        return [share, without_value("largest_distance", labels["largest_distance"],
                                     "no column can be compared", rows)], found  # fmt: skip
    distance = Figure(
        id="live.largest_distance",
        label=labels["largest_distance"],
        value=far.distance,
        method=far.method,
        n=found.rows_current,
        where={"column": far.column},
    )
    return [share, distance], found


def _alike(train: "pd.DataFrame", live: "pd.DataFrame") -> "pd.DataFrame":
    """Training data whose numbers are texts where they were scored as texts (coded groups)."""
    changed = {
        name: train[name].map(as_label, na_action="ignore").astype("str")
        for name in train.columns
        if name not in (SUBJECT, ROW) and is_numeric(train, name) and not is_numeric(live, name)
    }
    return train.assign(**changed)


def fairness_figures(
    live: Live,
    y: "NDArray[np.int8] | None",
    threshold: float,
    params: tuple[DataParams, BiasAuditParams],
    least: int,
) -> list[Figure]:
    """Audit live decisions with the methods of the stage ``bias_audit``.

    Parameters
    ----------
    live : Live
        `n` rows.
    y : ndarray of int8, shape (n,), or None
        Labels of the rows; None = not known, then only selection is looked at.
    threshold : float
        Rows with a score at or above it are selected.
    params : tuple of DataParams and BiasAuditParams
        Sections ``data`` and ``bias_audit`` of the release.
    least : int
        With fewer rows, figures have no value.

    Returns
    -------
    list of Figure
        ``live.<name>`` for each worst-of-groups figure of the stage that needs no labels, or with
        them for each that does; also ``live.<name>:<dimension>`` where there are enough rows.
        Which figures there are, what is favourable and what harms follow the release's
        ``data.favourable``.

    Raises
    ------
    SignalboxError
        If a sensitive column cannot be turned into groups.
    """
    import numpy as np

    data = params[0]
    # A reference group may be absent from a window; no figure below needs one.
    config = params[1].model_copy(update={"reference": {}})
    rows = len(live.predictions)
    favourable = favourable_is_positive(data)
    how = orientation(favourable_is_positive=favourable is not False)
    wanted = [name for name in how.figures if needs_labels(how, name) is (y is not None)]
    why = too_few(rows, least) or ("" if data.sensitive else "data.sensitive names no features")
    if not why and favourable is None:  # a release from before the key was asked for
        why = NO_FAVOURABLE
    if why:
        return [without_value(name, name.replace("_", " "), why, rows) for name in wanted]
    scored = Scored(
        live.inputs,
        live.predictions["score"].to_numpy(dtype="float64"),
        np.zeros(rows, dtype="int8") if y is None else y,
        live.predictions[SUBJECT],
    )
    result = audit_scores(scored, threshold, data, config)
    return [
        figure.model_copy(update={"id": f"live.{name}"})
        for figure in describe(result, config, rows=rows)
        if (name := figure.id.split(".", 1)[1]).split(":")[0] in wanted
    ]


def performance_figures(
    live: Live, y: "NDArray[np.int8]", threshold: float, config: EvaluateParams, least: int
) -> list[Figure]:
    """Measure the rows whose labels are known, with the intervals of the stage ``evaluate``.

    Parameters
    ----------
    live : Live
        `n` rows.
    y : ndarray of int8, shape (n,)
        Their labels, 0 or 1.
    threshold : float
        Rows with a score at or above it are selected.
    config : EvaluateParams
        Section ``evaluate`` of the release.
    least : int
        With fewer rows, figures have no value.

    Returns
    -------
    list of Figure
        ``live.<metric>`` for every metric but the selection rate, which needs no labels.
    """
    import numpy as np
    import pandas as pd

    rows = len(y)
    names = {name: label for name, label in METRICS.items() if name != "selection_rate"}
    why = too_few(rows, least)
    if why:
        return [
            Figure(id=f"live.{name}", label=label, value=None, method=METHODS[name], n=rows,
                   unit=UNITS.get(name, ""), missing=f"labels are known of only {why}")
            for name, label in names.items()
        ]  # fmt: skip
    scores = live.predictions["score"].to_numpy(dtype="float64")
    cut = view(y, scores, threshold=threshold, bins=config.calibration_bins)
    subjects = pd.factorize(live.predictions[SUBJECT].to_numpy(dtype=object))[0]
    statistic: Any = partial(measure, cut)
    with one_thread(), np.errstate(invalid="ignore", divide="ignore"):
        replicates, gaps = resample(
            [statistic, partial(calibration_gaps, cut)], subjects, config.replicates
        )
        point = statistic(np.ones((1, rows)))[0]
        level = config.confidence
        closed = closed_forms(cut, gaps, subjects, level)
    figures = metric_figures(
        point, replicates, n=rows, confidence=level, closed=closed, prefix="live"
    )
    return [figure for figure in figures if figure.id.split(".")[1] in names]

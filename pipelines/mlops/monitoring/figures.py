"""Figures of what was scored; their ids begin with ``live.``."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.core.evidence import Figure, round_floats
from pipelines.core.params import BiasAuditParams, DataParams, DriftParams, EvaluateParams
from pipelines.core.tables import ROW, SUBJECT, UNREADABLE
from pipelines.mlops.data.columns import as_label, is_numeric
from pipelines.mlops.data.drift import Comparison, compare
from pipelines.mlops.evaluation.bootstrap import resample
from pipelines.mlops.evaluation.figures import metric_figures
from pipelines.mlops.evaluation.metrics import METHODS, METRICS, UNITS, measure, view
from pipelines.mlops.fairness.evidence import Scored, audit_scores, describe
from pipelines.mlops.fairness.intervals import Proportion, wilson
from pipelines.mlops.modeling.scoring import one_thread
from pipelines.mlops.scoring.record import Record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DECISIONS = ("worst_impact_ratio", "largest_selection_rate_difference")
"""What is known of fairness without labels."""

OUTCOMES = (
    "largest_tpr_difference",
    "largest_fpr_difference",
    "largest_equalized_odds_difference",
    "largest_precision_difference",
    "largest_accuracy_difference",
)
"""What needs labels."""


@dataclass(frozen=True)
class Live:
    """Rows that were scored: predictions and inputs, in the same order."""

    predictions: "pd.DataFrame"
    inputs: "pd.DataFrame"

    def take(self, rows: "NDArray[np.intp]") -> "Live":
        """Return some of the rows."""
        return Live(
            self.predictions.iloc[rows].reset_index(drop=True),
            self.inputs.iloc[rows].reset_index(drop=True),
        )


def too_few(rows: int, least: int) -> str:
    """Why `rows` rows give no figure; empty if they do."""
    return "" if rows >= least else f"{rows} rows, and monitoring.min_rows asks for {least}"


def count(name: str, label: str, value: int) -> Figure:
    """Count of rows (or batches)."""
    return Figure(id=f"live.{name}", label=label, value=value, method="count", n=value, unit="rows")


def without_value(name: str, label: str, why: str, n: int = 0) -> Figure:
    """Return a figure that says why it has no value."""
    return Figure(id=f"live.{name}", label=label, value=None, method="none", n=n, missing=why)


def quality_figures(live: Live, records: list[Record], positive: str, least: int) -> list[Figure]:
    """Shares of rows that are unreadable, strange or selected, with Wilson's interval."""
    rows = len(live.predictions)
    labels = {
        "unreadable_share": "Share of rows with a number that cannot be read",
        "strange_share": "Largest share of values that the model doesn't know",
        "selection_rate": "Selection rate",
    }
    why = too_few(rows, least)
    if why:
        return [without_value(name, label, why, rows) for name, label in labels.items()]
    strange: dict[str, int] = {}
    for record in records:
        for name, counts in record.columns.items():
            strange[name] = strange.get(name, 0) + counts.strange
    worst = max(sorted(strange), key=lambda name: strange[name])
    found = {
        "unreadable_share": (int(live.predictions[UNREADABLE].notna().sum()), {}),
        # Counted when the rows were scored; rows erased since then may still be in it.
        "strange_share": (min(strange[worst], rows), {"column": worst}),
        "selection_rate": (int((live.predictions["decision"] == positive).sum()), {}),
    }
    return [_share(name, labels[name], hits, rows, where) for name, (hits, where) in found.items()]


def _share(name: str, label: str, hits: int, rows: int, where: dict[str, str]) -> Figure:
    low, high = wilson(Proportion(hits, rows), 0.95)
    return Figure(
        id=f"live.{name}",
        label=label,
        value=round_floats(hits / rows),
        low=round_floats(low),
        high=round_floats(high),
        level=0.95,
        method="share of scored rows; interval: Wilson (1927)",
        n=rows,
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
    no_train
        Why the training data is gone, where `train` is None.
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
    found, _ = compare((_alike(reference, live.inputs), live.inputs), titles, data, drift)
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
    y
        Labels of the rows; None = not known, then only selection is looked at.
    """
    import numpy as np

    data = params[0]
    # A reference group may be absent from a window; no figure below needs one.
    config = params[1].model_copy(update={"reference": {}})
    rows = len(live.predictions)
    wanted = DECISIONS if y is None else OUTCOMES
    why = too_few(rows, least) or ("" if data.sensitive else "data.sensitive names no features")
    if why:
        return [without_value(name, name.replace("_", " "), why, rows) for name in wanted]
    scored = Scored(
        live.inputs,
        live.predictions["score"].to_numpy(dtype="float64"),
        np.zeros(rows, dtype="int8") if y is None else y,
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
    """Metrics of the rows whose labels are known, with the intervals of the stage ``evaluate``."""
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
        [replicates] = resample([statistic], subjects, config.replicates)
        point = statistic(np.ones((1, rows)))[0]
    figures = metric_figures(point, replicates, n=rows, confidence=config.confidence, prefix="live")
    return [figure for figure in figures if figure.id.split(".")[1] in names]

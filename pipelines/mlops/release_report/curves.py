"""The curves of a model's performance, drawn from the tables under ``plots/``."""

from pipelines.core.artifacts import PLOTS
from pipelines.mlops.release_report.inputs import Inputs, Records, as_number, points
from pipelines.reporting.blocks import Chart
from pipelines.reporting.charts.axes import covering
from pipelines.reporting.charts.curves import Axis, Curve, Point, Reference, curves


def charts(
    inputs: Inputs, at: tuple[float, float, float | None] | None, base_rate: float | None
) -> list[Chart]:
    """Draw every curve that has points.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.
    at : (float, float, float or None) or None
        (False positive rate, true positive rate, precision) at the chosen threshold.
    base_rate : float or None
        Share of positives in the test data.

    Returns
    -------
    list of Chart
        One chart a curve.
    """
    drawn = [
        _roc(inputs, at),
        _precision_recall(inputs, at, base_rate),
        _calibration(inputs),
        _histogram(inputs),
    ]
    return [chart for chart in drawn if chart is not None]


def _roc(inputs: Inputs, at: tuple[float, float, float | None] | None) -> Chart | None:
    line = points(inputs.curves["roc"], "false_positive_rate", "true_positive_rate")
    if not line:
        return None
    svg = curves(
        "ROC curve on test data",
        Axis("false positive rate"),
        Axis("true positive rate"),
        [Curve(line)],
        reference=Reference(((0, 0), (1, 1)), "dashed: coin toss"),
        point=((at[0], at[1]), "threshold") if at else None,
        describe="True positive rate against false positive rate over all thresholds.",
    )
    return Chart(svg, "ROC curve", inputs.sources.mark(PLOTS / "roc.csv"))


def _precision_recall(
    inputs: Inputs, at: tuple[float, float, float | None] | None, base_rate: float | None
) -> Chart | None:
    line = points(inputs.curves["precision_recall"], "recall", "precision")
    if not line:
        return None
    level = None if base_rate is None else ((0.0, base_rate), (1.0, base_rate))
    point: tuple[Point, str] | None = None
    if at is not None and at[2] is not None:
        point = ((at[1], at[2]), "threshold")
    svg = curves(
        "Precision and recall on test data",
        Axis("recall"),
        Axis("precision"),
        [Curve(line)],
        reference=Reference(level, "dashed: select at random") if level else None,
        point=point,
        describe="Precision against recall over all thresholds.",
    )
    return Chart(svg, "Precision and recall", inputs.sources.mark(PLOTS / "precision_recall.csv"))


def _calibration(inputs: Inputs) -> Chart | None:
    records = inputs.curves["calibration"]
    line = points(records, "mean_score", "observed_rate")
    if not line:
        return None
    svg = curves(
        "Calibration on test data",
        Axis("mean score"),
        Axis("share truly positive"),
        [Curve(line, band=_band(records), dots=True)],
        reference=Reference(((0, 0), (1, 1)), "dashed: perfect"),
        describe="Observed share of positives against the mean score of bins of equal count.",
    )
    return Chart(
        svg,
        "Calibration; the band is the interval of each bin",
        inputs.sources.mark(PLOTS / "calibration.csv"),
    )


def _band(records: Records) -> list[tuple[float, float, float]]:
    rows = [tuple(as_number(row.get(k)) for k in ("mean_score", "low", "high")) for row in records]
    return [(a, b, c) for a, b, c in rows if a is not None and b is not None and c is not None]


def _histogram(inputs: Inputs) -> Chart | None:
    records = inputs.curves["score_histogram"]
    labels = list(dict.fromkeys(row.get("label", "") for row in records))
    lines = [Curve(_steps(_shares(records, label)), f"truth: {label}"[:40]) for label in labels]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    highest = covering([y for line in lines for _, y in line.points], include=(0.0,))[1]
    svg = curves(
        "Scores by true label, on test data",
        Axis("score"),
        Axis("share of the label’s rows", 0, highest),
        lines,
        describe="For each true label, which share of its rows gets which score.",
    )
    return Chart(svg, "Scores by true label", inputs.sources.mark(PLOTS / "score_histogram.csv"))


def _shares(records: Records, label: str) -> list[Point]:
    found = points([row for row in records if row.get("label") == label], "score", "rows")
    total = sum(count for _, count in found)
    return [(score, count / total) for score, count in found] if total else []


def _steps(line: list[Point]) -> list[Point]:
    """Points of a step line; `line` has the middles of bins of equal width."""
    if len(line) < 2:
        return line
    half = (line[1][0] - line[0][0]) / 2
    return [corner for x, y in line for corner in ((x - half, y), (x + half, y))]

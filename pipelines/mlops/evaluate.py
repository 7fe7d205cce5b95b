"""Stage ``evaluate``: figures with intervals on test data, by slice, beside the released model."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.artifacts import (
    MODEL,
    MODEL_INFO,
    PLOTS,
    RELEASED,
    TEST,
    evidence_of,
    metrics_of,
)
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, hash_inputs, round_floats, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import read_table
from pipelines.mlops.evaluation.champion import load_champion
from pipelines.mlops.evaluation.metrics import View
from pipelines.mlops.evaluation.results import Evaluation, evaluate
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model
from pipelines.release.released import read_released

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MAX_POINTS = 500
BINS = 50
"""Bins of the score histogram, of equal width over [0, 1]."""

Columns = Mapping[str, Sequence[float | int | str | None]]


def write_csv(path: Path, columns: Columns) -> None:
    """Write columns of equal length, numbers rounded as in evidence, missing ones empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(round_floats(list(row)))
    write_text(path, buffer.getvalue())


def roc(rows: View) -> Columns:
    """Points (false positive rate, true positive rate), from (0, 0) to (1, 1)."""
    import numpy as np

    tp, fp = _counts(rows)
    keep = _subsample(len(tp))
    return {
        "false_positive_rate": (fp / max(fp[-1], 1))[keep].tolist(),
        "true_positive_rate": (tp / max(tp[-1], 1))[keep].tolist(),
        "threshold": np.append(1.0, rows.scores[rows.ends])[keep].tolist(),
    }


def precision_recall(rows: View) -> Columns:
    """Points (recall, precision) at falling thresholds, from the first that selects a row."""
    tp, fp = (counts[1:] for counts in _counts(rows))
    keep = _subsample(len(tp))
    return {
        "recall": (tp / max(tp[-1], 1))[keep].tolist(),
        "precision": (tp / (tp + fp))[keep].tolist(),
        "threshold": rows.scores[rows.ends][keep].tolist(),
    }


def score_histogram(rows: View, names: tuple[str, str]) -> Columns:
    """Rows by score and label, in long form.

    Parameters
    ----------
    names
        Labels of the negative and the positive class.
    """
    import numpy as np

    edges = np.linspace(0, 1, BINS + 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    counts = [np.histogram(rows.scores[rows.y == label], edges)[0].tolist() for label in (0, 1)]
    return {
        "score": middles * 2,
        "rows": counts[0] + counts[1],
        "label": [names[0]] * BINS + [names[1]] * BINS,
    }


def calibration(table: Sequence[Mapping[str, float | int | None]]) -> Columns:
    """Bins of the calibration table, from low scores to high ones."""
    names = ("mean_score", "observed_rate", "low", "high", "rows")
    return {name: [row[name] for row in table] for name in names}


def _counts(rows: View) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Count selected positives and negatives at each threshold; the first selects nobody."""
    import numpy as np

    tp = np.append(0, np.cumsum(rows.y)[rows.ends])
    fp = np.append(0, np.cumsum(1 - rows.y)[rows.ends])
    return tp, fp


def _subsample(count: int) -> "NDArray[np.intp]":
    """At most `MAX_POINTS` positions, evenly spaced, first and last kept."""
    import numpy as np

    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(np.intp))


def main(params: Params) -> None:
    """Read model and test data; write evidence, metrics and plots."""
    test = read_table(TEST)
    if test.empty:
        raise SignalboxError(f"{TEST}: no rows; give split.test a larger share")
    model, info = load_model(MODEL, MODEL_INFO)
    other = load_champion(read_released(), test)
    scores = score(model, info, test)
    result = evaluate(test, scores, info, other, (params.data, params.evaluate))
    evidence = Evidence(
        stage="evaluate",
        inputs=hash_inputs(TEST, MODEL, MODEL_INFO, RELEASED),
        figures=result.figures,
        details=result.details,
    )
    write_evidence(evidence_of("evaluate"), evidence)
    values = {f.id.removeprefix("evaluate."): f.value for f in result.figures}
    write_json(metrics_of("evaluate"), {k: v for k, v in values.items() if v is not None})
    _plot(result, info)
    if result.details["too_good"]:
        log(f"TOO GOOD: {result.details['too_good']}")
    log(f"evaluate: ROC AUC {values['roc_auc']}, log loss {values['log_loss']} on {len(test)} rows")


def _plot(result: Evaluation, info: ModelInfo) -> None:
    names = (info.negative, info.positive)
    write_csv(PLOTS / "roc.csv", roc(result.rows))
    write_csv(PLOTS / "precision_recall.csv", precision_recall(result.rows))
    write_csv(PLOTS / "calibration.csv", calibration(result.details["calibration"]))
    write_csv(PLOTS / "score_histogram.csv", score_histogram(result.rows, names))


if __name__ == "__main__":
    run_stage("evaluate", main)

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
from pipelines.mlops.data.cells import rows_needed, subjects_of
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


def roc(rows: View, least: int = 0) -> Columns:
    """Points (false positive rate, true positive rate), from (0, 0) to (1, 1).

    Parameters
    ----------
    rows
        The test rows.
    least
        Rows between two points, so that no step of the curve is one person's.
    """
    import numpy as np

    tp, fp = _counts(rows)
    keep = _apart(np.append(0, rows.ends + 1), least)
    return {
        "false_positive_rate": (fp / max(fp[-1], 1))[keep].tolist(),
        "true_positive_rate": (tp / max(tp[-1], 1))[keep].tolist(),
        "threshold": np.append(1.0, _thresholds(rows, least))[keep].tolist(),
    }


def precision_recall(rows: View, least: int = 0) -> Columns:
    """Points (recall, precision) at falling thresholds, from the first that selects enough rows.

    Parameters
    ----------
    rows, least
        As in `roc`.
    """
    tp, fp = (counts[1:] for counts in _counts(rows))
    keep = _apart(rows.ends + 1, least)
    return {
        "recall": (tp / max(tp[-1], 1))[keep].tolist(),
        "precision": (tp / (tp + fp))[keep].tolist(),
        "threshold": _thresholds(rows, least)[keep].tolist(),
    }


def score_histogram(rows: View, names: tuple[str, str], least: int = 0) -> Columns:
    """Rows by score and label, in long form; bins of fewer rows than `least` have no number.

    Parameters
    ----------
    names
        Labels of the negative and the positive class.
    least
        Rows that a bin needs.
    """
    import numpy as np

    edges = np.linspace(0, 1, BINS + 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    counts = [np.histogram(rows.scores[rows.y == label], edges)[0].tolist() for label in (0, 1)]
    return {
        "score": middles * 2,
        "rows": [n if n == 0 or n >= least else None for n in counts[0] + counts[1]],
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


def _apart(down_to: "NDArray[np.intp]", least: int) -> "NDArray[np.intp]":
    """Positions of at most `MAX_POINTS` points, `least` rows apart; the last one is kept.

    Parameters
    ----------
    down_to
        Rows down to each point, rising; the first is kept if it is 0 or at least `least`.
    """
    import numpy as np

    keep = _subsample(len(down_to))
    if least <= 1:
        return keep
    found, before = [], 0
    for position in keep:
        rows = int(down_to[position])
        if rows == 0 or rows - before >= least:
            found.append(position)
            before = rows
    total = int(down_to[-1])
    while found and found[-1] != keep[-1] and total - int(down_to[found[-1]]) < least:
        if down_to[found[-1]] == 0:
            break
        found.pop()
    if not found or found[-1] != keep[-1]:
        found.append(keep[-1])
    return np.array(found, dtype=np.intp)


def _thresholds(rows: View, least: int) -> "NDArray[np.float64]":
    """Threshold at each run of equal scores: that score, or between it and the next lower one.

    Both select the same rows; a score that few rows have is nobody else's to see.
    """
    import numpy as np

    scores = rows.scores[rows.ends]
    sizes = np.diff(np.append(-1, rows.ends))
    between = (scores + np.append(scores[1:], 0.0)) / 2
    return np.where(sizes < least, between, scores)


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
    _plot(result, info, rows_needed(subjects_of(test), params.data))
    if result.details["too_good"]:
        log(f"TOO GOOD: {result.details['too_good']}")
    log(f"evaluate: ROC AUC {values['roc_auc']}, log loss {values['log_loss']} on {len(test)} rows")


def _plot(result: Evaluation, info: ModelInfo, least: int) -> None:
    names = (info.negative, info.positive)
    write_csv(PLOTS / "roc.csv", roc(result.rows, least))
    write_csv(PLOTS / "precision_recall.csv", precision_recall(result.rows, least))
    write_csv(PLOTS / "calibration.csv", calibration(result.details["calibration"]))
    write_csv(PLOTS / "score_histogram.csv", score_histogram(result.rows, names, least))


if __name__ == "__main__":
    run_stage("evaluate", main)

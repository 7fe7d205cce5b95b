"""Stage ``evaluate``: figures with intervals on test data, by slice, beside the released model."""

from pipelines.base.artifacts import (
    MODEL,
    MODEL_INFO,
    PLOTS,
    RELEASED,
    TEST,
    evidence_of,
    metrics_of,
)
from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import Evidence, hash_inputs, write_evidence
from pipelines.base.files import write_json
from pipelines.base.params import Params
from pipelines.base.stage import run_stage, say
from pipelines.base.tables import read_table
from pipelines.mlops.evaluation import plots
from pipelines.mlops.evaluation.compare import rival
from pipelines.mlops.evaluation.run import Evaluation, evaluate
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model
from pipelines.release.released import read_released


def main(params: Params) -> None:
    """Read model and test data; write evidence, metrics and plots."""
    test = read_table(TEST)
    if test.empty:
        raise SignalboxError(f"{TEST}: no rows; give split.test a larger share")
    model, info = load_model(MODEL, MODEL_INFO)
    other = rival(read_released(), test)
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
    say(f"evaluate: ROC AUC {values['roc_auc']}, log loss {values['log_loss']} on {len(test)} rows")


def _plot(result: Evaluation, info: ModelInfo) -> None:
    names = (info.negative, info.positive)
    plots.write_csv(PLOTS / "roc.csv", plots.roc(result.rows))
    plots.write_csv(PLOTS / "precision_recall.csv", plots.precision_recall(result.rows))
    plots.write_csv(PLOTS / "calibration.csv", plots.calibration(result.details["calibration"]))
    plots.write_csv(PLOTS / "score_histogram.csv", plots.score_histogram(result.rows, names))


if __name__ == "__main__":
    run_stage("evaluate", main)

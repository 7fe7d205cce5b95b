"""Stage ``train``: search, fit, calibrate; choose the threshold on validation data."""

from pipelines.core.artifacts import MODEL, MODEL_INFO, TRAIN, VALIDATION, evidence_of, metrics_of
from pipelines.core.evidence import Evidence, hash_inputs, write_evidence
from pipelines.core.files import write_json
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import read_table
from pipelines.mlops.data.columns import decision_words, labels
from pipelines.mlops.modeling.scoring import importance
from pipelines.mlops.modeling.store import save_model
from pipelines.mlops.modeling.training import details, figures, fit


def main(params: Params) -> None:
    """Read train and validation data; write model, description, evidence and metrics."""
    data, train = params.data, params.train
    tables = read_table(TRAIN), read_table(VALIDATION)
    fitted = fit(*tables, data, train)
    info = fitted.info.model_copy(update={"sha256": save_model(MODEL, fitted.model)})
    write_json(MODEL_INFO, info.model_dump(mode="json"))
    found = importance(fitted.model, info, tables[1], labels(tables[1], data))
    facts = details(fitted, tables, found, data, train)
    rate = decision_words(data).rate.capitalize()
    train_figures = figures(fitted, len(tables[1]), facts["threshold"]["at"], rate)
    evidence = Evidence(
        stage="train",
        inputs=hash_inputs(TRAIN, VALIDATION),
        figures=train_figures,
        details=facts,
    )
    write_evidence(evidence_of("train"), evidence)
    write_json(metrics_of("train"), {f.id.removeprefix("train."): f.value for f in train_figures})
    log(f"train: {info.chosen.kind} {info.chosen.settings}, threshold {info.threshold.value:.4g}")


if __name__ == "__main__":
    run_stage("train", main)

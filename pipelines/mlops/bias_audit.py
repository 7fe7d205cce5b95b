"""Stage ``bias_audit``: rates, ratios and tests by group on test data.

Evidence details: `pipelines.mlops.fairness.evidence.BiasAuditDetails`.
"""

from typing import TYPE_CHECKING

from pipelines.core.artifacts import (
    MODEL,
    MODEL_INFO,
    PLOTS,
    TEST,
    VALIDATION,
    evidence_of,
    metrics_of,
)
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import SUBJECT, read_table
from pipelines.mlops.data.columns import favourable_is_positive, labels
from pipelines.mlops.fairness.evidence import (
    STAGE,
    BiasAuditDetails,
    Scored,
    audit_scores,
    describe,
    feature_to_mitigate,
    groups_csv,
    what_if,
)
from pipelines.mlops.fairness.orientation import orientation
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model

if TYPE_CHECKING:
    import pandas as pd


def main(params: Params) -> None:
    """Run the stage."""
    data, config = params.data, params.bias_audit
    model, info = load_model(MODEL, MODEL_INFO)

    def scored(frame: "pd.DataFrame") -> Scored:
        return Scored(frame, score(model, info, frame), labels(frame, data), frame[SUBJECT])

    test = scored(read_table(TEST))
    result = audit_scores(test, info.threshold.value, data, config) if data.sensitive else None
    mitigation, why_not = None, ""
    if result is not None and config.mitigation.method != "none":
        feature = feature_to_mitigate(result, config)
        validation = scored(read_table(VALIDATION))
        mitigation, why_not = what_if(validation, test, feature, info.threshold.value, params)
    how = orientation(favourable_is_positive=favourable_is_positive(data) is not False)
    figures = list(describe(result, config, rows=len(test.frame), how=how))
    evidence = Evidence(
        stage=STAGE,
        inputs=hash_inputs(TEST, VALIDATION, MODEL, MODEL_INFO),
        figures=figures,
        details=BiasAuditDetails(result, mitigation, why_not, info.threshold.value).to_dict(),
    )
    write_text(PLOTS / "groups.csv", groups_csv(result))
    write_json(metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in figures})
    write_evidence(evidence_of(STAGE), evidence)
    log(_summary(figures[0]))


def _summary(worst: Figure) -> str:
    if worst.value is None:
        return f"no impact ratio: {worst.missing}"
    return (
        f"worst impact ratio {worst.value:.3f} ({worst.where.get('lowest')} against "
        f"{worst.where.get('highest')})"
    )


if __name__ == "__main__":
    run_stage(STAGE, main)

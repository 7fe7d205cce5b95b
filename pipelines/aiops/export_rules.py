"""Stage ``export_rules``: the chosen rules as native configuration, merged into the user's files.

What it writes is an offer to review. Only `pipelines.aiops.alerting.publishing` writes to files
that Alertmanager and Prometheus read, and only what was released.
"""

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY, ExportDetails
from pipelines.aiops.alerting.export.write import export, source_paths, sources_of
from pipelines.aiops.alerting.rules import read_rules
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import EXPORT, RULE_SET
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json
from pipelines.core.stage import log, run_stage

STAGE = "export_rules"


def main(params: AiopsParams) -> None:
    """Export the rule set; say where each rule went."""
    own = params.export_rules
    rules = read_rules(RULE_SET)
    sources = sources_of(own)
    summary, checks = export(
        EXPORT,
        sources,
        rules,
        step=own.step_seconds,
        label_field=own.pagerduty_label_field,
    )
    read = source_paths(own.alertmanager_yml, own.prometheus)
    counts = {
        "exported": "rules exported as native configuration",
        "not_exported": "rules that no file could take",
    }
    figures = [
        _count(name, label, getattr(summary, name), len(rules)) for name, label in counts.items()
    ]
    evidence = Evidence(
        stage=STAGE,
        inputs=hash_inputs(RULE_SET, *read, EXPORT_SUMMARY),
        figures=figures,
        details=ExportDetails(sources=summary.sources, rules=summary.rules).model_dump(mode="json"),
    )
    write_evidence(evidence_of(STAGE), evidence)
    write_json(metrics_of(STAGE), {figure.id.partition(".")[2]: figure.value for figure in figures})
    for checked in checks:
        log(f"{checked.file}: {checked.program}: {checked.outcome}")
    log(f"{summary.exported} of {len(rules)} rules exported to {EXPORT}")


def _count(name: str, label: str, value: int, n: int) -> Figure:
    return Figure(id=f"{STAGE}.{name}", label=label, value=value, method="count", n=n)


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)

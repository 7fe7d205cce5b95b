"""Stage ``report``: one page and one JSON about a model's release, for whoever has to judge it.

Outs: ``reports/model_release.html`` (self-contained, prints on A4) and
``reports/model_release.json`` (`pipelines.reporting.record` has its shape). Neither holds a date, a
host or a path outside the project: the same evidence gives the same bytes.
"""

from typing import Any

from pipelines.core.artifacts import MODEL_INFO, PLOTS, REPORT_HTML, REPORT_JSON
from pipelines.core.evidence import Figure
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.mlops.compliance import crosswalk
from pipelines.mlops.release_report import data, drift, fairness, limits, model, performance
from pipelines.mlops.release_report import limits as reproduce
from pipelines.mlops.release_report.inputs import CURVES, STAGES, Inputs, read_curves
from pipelines.reporting import decision as gate
from pipelines.reporting import index, numbers
from pipelines.reporting.blocks import Facts, Headline, Text, folded, join, stated
from pipelines.reporting.page import Page, render
from pipelines.reporting.provenance import gather, read_evidence_of
from pipelines.reporting.record import record

STAGE = "report"
KIND = "model_release"
ESSENTIALS = (
    ("evaluate.roc_auc", "ROC AUC on the test data"),
    ("evaluate.accuracy", "Accuracy on the test data"),
    ("evaluate.calibration_error", "Calibration error"),
    ("bias_audit.worst_impact_ratio", "Worst impact ratio"),
)
"""Figures above everything else on the page: id and label."""


def gather_inputs(params: Params) -> Inputs:
    """Read everything the report is made from."""
    evidence = read_evidence_of(STAGES)
    tables = [MODEL_INFO, *(PLOTS / f"{name}.csv" for name in CURVES)]
    return Inputs(
        params=params,
        evidence={content.stage: content for content in evidence.values()},
        sources=gather(evidence, tables),
        curves=read_curves(),
    )


def make_page(inputs: Inputs) -> Page:
    """Put the chapters in the order in which a reader needs them: the decision first."""
    decided = gate.read_decision(inputs.evidence["gate"])
    report = inputs.params.report
    return Page(
        kind="Model release report",
        title=report.title,
        banner=gate.banner(decided, "model", _finding(inputs, decided)),
        facts=_facts(inputs),
        notice=report.notice,
        headline=_essentials(inputs),
        chapters=[
            gate.chapter(decided, inputs.sources),
            *(
                folded(chapter)
                for chapter in (
                    data.chapter(inputs),
                    model.chapter(inputs),
                    performance.chapter(inputs),
                    fairness.chapter(inputs),
                    drift.chapter(inputs),
                    limits.chapter(inputs),
                    crosswalk.chapter(inputs),
                    reproduce.reproduction_chapter(),
                    index.chapter(inputs.sources),
                )
            ),
        ],
        foot=index.foot(REPORT_JSON),
    )


def _essentials(inputs: Inputs) -> Headline | None:
    """Show the few figures that say most about a model, each with its interval."""
    known = [(label, inputs.figure(figure_id)) for figure_id, label in ESSENTIALS]
    items: list[tuple[Text, Text, Text]] = [
        (
            join(label, inputs.sources.figure_mark(figure.id)),
            numbers.figure_value(figure),
            _interval(figure),
        )
        for label, figure in known
        if figure is not None
    ]
    return Headline(items) if items else None


def _interval(figure: Figure) -> Text:
    if figure.missing:
        return figure.missing
    if figure.low is None and figure.high is None:
        return f"n = {numbers.count(figure.n)}"
    return f"{numbers.level(figure.level)} interval {numbers.figure_interval(figure)}".strip()


def _finding(inputs: Inputs, decided: gate.Decision) -> Text:
    """Let fairness speak, if it is fairness that the decision follows from."""
    figures = [decided.check(check_id).figure for check_id in decided.because]
    if not any(figure.startswith("bias_audit.") for figure in figures):
        return ""
    return fairness.headline(inputs)


def _facts(inputs: Inputs) -> Facts:
    report = inputs.params.report
    return Facts(
        [
            ("Purpose", stated(report.purpose)),
            ("Not for", stated(report.not_for)),
            ("Owner", stated(report.owner)),
            ("Contact", stated(report.contact)),
        ]
    )


def make_record(inputs: Inputs) -> dict[str, Any]:
    """Build the JSON."""
    report = inputs.params.report
    made = record(
        KIND,
        report.model_dump(mode="json"),
        gate.read_decision(inputs.evidence["gate"]),
        inputs.sources,
        inputs.params.of_model(),
    )
    return {**made, "crosswalk": crosswalk.as_data(inputs)}


def main(params: Params) -> None:
    """Run the stage."""
    inputs = gather_inputs(params)
    page = make_page(inputs)
    write_text(REPORT_HTML, render(page))
    write_json(REPORT_JSON, make_record(inputs))
    log(f"{REPORT_HTML}: {page.banner.verdict}, {len(inputs.sources.figures)} figures")


if __name__ == "__main__":
    run_stage(STAGE, main)

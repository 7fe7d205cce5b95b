"""Stage ``report``: one page and one JSON about a model's release, for whoever has to judge it.

Outs: ``reports/model_release.html`` (self-contained, prints on A4; folded but for what decides),
``reports/model_release.json`` (`pipelines.reporting.record` has its shape) and
``reports/model_card.md`` (in Hugging Face's format: the ``README.md`` of a model's repository).
None holds a date, a host or a path outside the project: the same evidence gives the same bytes.
"""

import re
from typing import Any

from markupsafe import Markup

from pipelines.core.artifacts import MODEL_CARD, MODEL_INFO, PLOTS, REPORT_HTML, REPORT_JSON
from pipelines.core.evidence import Evidence, Figure, own_stages
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.mlops.compliance import crosswalk
from pipelines.mlops.release_report import data, drift, fairness, limits, model, performance
from pipelines.mlops.release_report import limits as reproduce
from pipelines.mlops.release_report.inputs import CURVES, STAGES, Inputs, read_curves
from pipelines.reporting import decision as gate
from pipelines.reporting import index, numbers
from pipelines.reporting.blocks import WORDS, Facts, Headline, Text, folded, join, stated
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
    evidence = read_evidence_of((*STAGES, *own_stages(STAGE, STAGES)))
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
                    *index.own_chapter(_own(inputs), inputs.sources),
                    crosswalk.chapter(inputs),
                    reproduce.reproduction_chapter(),
                    index.chapter(inputs.sources),
                )
            ),
        ],
        foot=index.foot(REPORT_JSON),
    )


def _own(inputs: Inputs) -> list[Evidence]:
    return [content for stage, content in inputs.evidence.items() if stage not in STAGES]


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


CARD_METRICS = (
    ("roc_auc", "roc_auc"),
    ("average_precision", "average_precision"),
    ("accuracy", "accuracy"),
    ("f1", "f1"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("brier", "brier_score"),
    ("log_loss", "log_loss"),
    ("calibration_error", "expected_calibration_error"),
)
"""Figure of ``evaluate``, and its name among Hugging Face's metrics."""
CARD_TASK = "tabular-classification"


def model_card(inputs: Inputs, *, license_id: str = "unknown") -> str:
    """Write the model card in Hugging Face's format, from the evidence of the report.

    Its front matter has the keys of the Hub's model card metadata, its sections those of the
    Hub's template (Mitchell et al. 2019).

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.
    license_id : str, default 'unknown'
        License of the model, an id of the Hub's list. Nothing in the project says it, so whoever
        publishes the model does.

    Returns
    -------
    str
        Markdown behind a YAML front matter.
    """
    import yaml

    front = yaml.safe_dump(
        card_metadata(inputs, license_id), sort_keys=False, allow_unicode=True, width=1000
    )
    return f"---\n{front}---\n\n" + "\n".join(_card_lines(inputs)) + "\n"


def card_metadata(inputs: Inputs, license_id: str) -> dict[str, Any]:
    """Return the front matter of the model card.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.
    license_id : str
        As in `model_card`.

    Returns
    -------
    dict of str to object
        Keys of the Hub's model card metadata.
    """
    data_set = inputs.params.data.name
    results = [
        {
            "type": metric,
            "value": figure.value,
            "name": f"{figure.label}, {_interval(figure)}",
        }
        for figure, metric in _card_figures(inputs)
    ]
    return {
        "license": license_id,
        "library_name": "sklearn",
        "pipeline_tag": CARD_TASK,
        "tags": ["sklearn", "skops", CARD_TASK, "signalbox"],
        "datasets": [data_set],
        "metrics": [result["type"] for result in results],
        "model-index": [
            {
                "name": inputs.params.report.title,
                "results": [
                    {
                        "task": {"type": CARD_TASK, "name": "Tabular classification"},
                        "dataset": {"type": data_set, "name": data_set, "split": "test"},
                        "metrics": results,
                    }
                ],
            }
        ],
    }


def _card_figures(inputs: Inputs) -> list[tuple[Figure, str]]:
    """Figures that have a value, which the Hub demands."""
    known = [(inputs.figure(f"evaluate.{short}"), metric) for short, metric in CARD_METRICS]
    return [(f, metric) for f, metric in known if f is not None and f.value is not None]


def _card_lines(inputs: Inputs) -> list[str]:
    params, report = inputs.params, inputs.params.report
    trained = inputs.details("train", model.Trained)
    decided = gate.read_decision(inputs.evidence["gate"])
    settings = ", ".join(f"{key}={value}" for key, value in trained.chosen.settings.items())
    sensitive = ", ".join(params.data.sensitive) or "none declared"
    return [
        f"# {_plain(report.title)}",
        "",
        *([f"> {_plain(report.notice)}", ""] if report.notice else []),
        "## Model Details",
        "",
        f"- **Developed by:** {_plain(report.owner)}",
        f"- **Model type:** {_plain(trained.chosen.kind)} ({_plain(settings)})",
        f"- **Predicts:** {_plain(params.data.target)} = {_plain(str(params.data.positive))}",
        f"- **Inputs:** {len(trained.inputs)} columns",
        f"- **Release decision of the gate:** {decided.decision}",
        "",
        "## Uses",
        "",
        "### Direct Use",
        "",
        _plain(report.purpose),
        "",
        "### Out-of-Scope Use",
        "",
        _plain(report.not_for),
        "",
        "## Bias, Risks, and Limitations",
        "",
        f"Sensitive features: {_plain(sensitive)}.",
        "",
        *[f"- {_plain(check.sentence)}" for check in decided.checks if check.verdict != "pass"],
        "",
        "What was not checked:",
        "",
        *[f"- {_plain(point)}" for point in limits.unchecked(inputs)],
        "",
        "## Training Details",
        "",
        f"- **Training data:** {_plain(params.data.name)}, "
        f"{numbers.count(trained.rows.get('train'))} rows",
        f"- **Chosen by:** {_plain(trained.selection.metric)}, {_plain(trained.selection.rule)}",
        *[f"- {_plain(note)}" for note in trained.notes],
        "",
        "## Evaluation",
        "",
        "On the test data, which no training saw.",
        "",
        "| Metric | Value | Interval |",
        "|---|---|---|",
        *[
            f"| {_plain(figure.label)} | {numbers.figure_value(figure)} | {_interval(figure)} |"
            for figure, _ in _card_figures(inputs)
        ],
        "",
        "### Checks of the release policy",
        "",
        "| Check | Verdict | Value | Interval | Threshold |",
        "|---|---|---|---|---|",
        *[_card_check(checked, decided) for checked in decided.checks],
        "",
        "## How every number can be verified",
        "",
        f"All figures are in `{REPORT_JSON}` with the SHA-256 of the evidence they come from; "
        "`signalbox verify` derives them again.",
        "",
        "## Model Card Contact",
        "",
        _plain(report.contact),
    ]


def _card_check(checked: gate.Checked, decided: gate.Decision) -> str:
    check, figure = decided.check(checked.id), checked.figure
    cells = [
        _plain(checked.id),
        WORDS[checked.verdict][0],
        numbers.figure_value(figure) if figure else numbers.NONE,
        numbers.figure_interval(figure) if figure else numbers.NONE,
        f"{gate.SIGNS[check.compare]} "
        f"{numbers.with_unit(check.threshold, figure.unit if figure else '')}",
    ]
    return f"| {' | '.join(cells)} |"


def _plain(text: Text) -> str:
    """Return a text as Markdown that means no more than the text: one line, no marks, no HTML."""
    bare = text.striptags() if isinstance(text, Markup) else text
    line = " ".join(bare.split())
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", line)


def main(params: Params) -> None:
    """Run the stage."""
    inputs = gather_inputs(params)
    page = make_page(inputs)
    write_text(REPORT_HTML, render(page))
    write_json(REPORT_JSON, make_record(inputs))
    write_text(MODEL_CARD, model_card(inputs))
    log(f"{REPORT_HTML}: {page.banner.verdict}, {len(inputs.sources.figures)} figures")


if __name__ == "__main__":
    run_stage(STAGE, main)

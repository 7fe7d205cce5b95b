"""Stage ``report_rules``: one page and one JSON about a set of alert rules.

Outs: ``reports/alert_noise_reduction.html`` (self-contained, prints on A4) and
``reports/alert_noise_reduction.json`` (`pipelines.reporting.record` has its shape). Neither holds a
date of its making, a host or a path outside the project: the same evidence gives the same bytes.
"""

from typing import Any

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY, ExportSummary, RuleOutcome
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import PAGES_PER_DAY, TRADE_OFF
from pipelines.aiops.report.rules import headline, incidents, limits, outcome, remains, rules
from pipelines.aiops.report.rules.evidence import HTML, JSON, STAGES, Inputs
from pipelines.core.evidence import Evidence, own_stages
from pipelines.core.files import read_json, write_json, write_text
from pipelines.core.settings import validate_as
from pipelines.core.stage import log, run_stage
from pipelines.reporting import decision as gate
from pipelines.reporting import index
from pipelines.reporting.blocks import folded
from pipelines.reporting.page import Page, render
from pipelines.reporting.provenance import gather, read_evidence_of, read_records
from pipelines.reporting.record import record

STAGE = "report_rules"
KIND = "alert_noise_reduction"
GATE = "gate_rules"


def gather_inputs(params: AiopsParams) -> Inputs:
    """Read everything the report is made from."""
    evidence = read_evidence_of((*STAGES, *own_stages(STAGE, STAGES)))
    return Inputs(
        params=params,
        evidence={content.stage: content for content in evidence.values()},
        sources=gather(evidence, [PAGES_PER_DAY, TRADE_OFF, EXPORT_SUMMARY]),
        curves={"pages_per_day": read_records(PAGES_PER_DAY)},
        summary=validate_as(
            ExportSummary, read_json(EXPORT_SUMMARY), f"{EXPORT_SUMMARY}: ", "run export_rules"
        ),
    )


def make_page(inputs: Inputs) -> Page:
    """Put the chapters in the order in which a reader needs them, folded but for what decides."""
    decided = gate.read_decision(inputs.evidence[GATE])
    label, notice = headline.notice(inputs)
    first = headline.harmful_rules_chapter(inputs)
    return Page(
        kind="Alert noise report" + (" · synthetic data" if inputs.synthetic else ""),
        title=inputs.params.report_rules.title,
        banner=headline.banner(inputs, decided),
        headline=headline.headline(inputs),
        facts=headline.facts(inputs),
        notice_label=label,
        notice=notice,
        chapters=[
            *([first] if first else []),
            gate.chapter(decided, inputs.sources, "aiops.gate_rules"),
            folded(incidents.incidents_chapter(inputs)),
            headline.next_step(inputs, decided),
            *(
                folded(chapter)
                for chapter in (
                    outcome.chapter(inputs),
                    outcome.wait_chapter(inputs),
                    rules.paging_chapter(inputs),
                    rules.chapter(inputs),
                    rules.people_chapter(inputs),
                    remains.remains_chapter(inputs),
                    outcome.proof_chapter(inputs),
                    remains.dropped_chapter(inputs),
                    limits.data(inputs),
                    limits.limits(inputs),
                    limits.reproduce(),
                    *index.own_chapter(_own(inputs), inputs.sources),
                    index.chapter(inputs.sources),
                )
            ),
        ],
        foot=index.foot(JSON),
        styles=("folds.css",),
    )


def _own(inputs: Inputs) -> list[Evidence]:
    return [content for stage, content in inputs.evidence.items() if stage not in STAGES]


def make_record(inputs: Inputs) -> dict[str, Any]:
    """Build the JSON."""
    made = record(
        KIND,
        inputs.params.report_rules.model_dump(mode="json"),
        gate.read_decision(inputs.evidence[GATE]),
        inputs.sources,
        {"aiops": inputs.params.model_dump(mode="json")},
    )
    return {
        **made,
        "synthetic": inputs.synthetic,
        "harmful_rules": [rule.model_dump(mode="json") for rule in inputs.watched.harmful_rules],
        "outcome": inputs.replayed.outcome.model_dump(mode="json"),
        "missed": [incident.model_dump(mode="json") for incident in inputs.replayed.missed],
        "rules": [_rule(inputs, done) for done in inputs.replayed.rules],
    }


def _rule(inputs: Inputs, done: RuleOutcome) -> dict[str, Any]:
    """Summarise a rule as the page does; in full it stands in ``rules/rule_set.json``."""
    placed = inputs.placed.get(done.rule.id)
    return {
        **{key: getattr(done.rule, key) for key in ("id", "family", "sentence", "team")},
        "expires": done.rule.expires.isoformat(),
        "pages_saved": done.pages_saved,
        "exported": bool(placed and placed.exported),
    }


def main(params: AiopsParams) -> None:
    """Run the stage."""
    inputs = gather_inputs(params)
    page = make_page(inputs)
    write_text(HTML, render(page))
    write_json(JSON, make_record(inputs))
    log(f"{HTML}: {page.banner.verdict}, {len(inputs.replayed.rules)} rules")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)

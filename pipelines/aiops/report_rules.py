"""Stage ``report_rules``: one page and one JSON about a set of alert rules.

Outs: ``reports/alert_noise_reduction.html`` (self-contained, prints on A4) and
``reports/alert_noise_reduction.json`` (`pipelines.reporting.record` has its shape). Neither holds a
date of its making, a host or a path outside the project: the same evidence gives the same bytes.
"""

from typing import Any

from pipelines.aiops.report.rules import headline, history, limits, outcome, rules, source
from pipelines.aiops.report.rules import headline as bad
from pipelines.aiops.report.rules import history as dropped
from pipelines.aiops.report.rules import outcome as incidents
from pipelines.aiops.report.rules.evidence import (
    HTML,
    JSON,
    PAGES_PER_DAY,
    STAGES,
    SUMMARY,
    TRADE_OFF,
    AiopsSection,
    Done,
    Inputs,
    read_summary,
)
from pipelines.core.files import write_json, write_text
from pipelines.core.params import load_section
from pipelines.core.stage import log, run_stage
from pipelines.reporting import decision as gate
from pipelines.reporting import index
from pipelines.reporting.page import Page, render
from pipelines.reporting.provenance import gather, read_evidence_of, read_records
from pipelines.reporting.record import record

STAGE = "report_rules"
KIND = "alert_noise_reduction"
GATE = "gate_rules"


def gather_inputs(params: AiopsSection) -> Inputs:
    """Read everything the report is made from."""
    evidence = read_evidence_of(STAGES)
    return Inputs(
        params=params,
        evidence={content.stage: content for content in evidence.values()},
        sources=gather(evidence, [PAGES_PER_DAY, TRADE_OFF, SUMMARY]),
        curves={"pages_per_day": read_records(PAGES_PER_DAY)},
        summary=read_summary(),
    )


def make_page(inputs: Inputs) -> Page:
    """Put the chapters in the order in which a reader needs them; what went bad comes first."""
    decided = gate.read_decision(inputs.evidence[GATE])
    label, notice = headline.notice(inputs)
    first = bad.harmful_rules_chapter(inputs)
    return Page(
        kind="Alert noise report" + (" · synthetic data" if inputs.params.synthetic else ""),
        title=inputs.params.report_rules.title,
        banner=headline.banner(inputs, decided),
        headline=headline.headline(inputs),
        facts=headline.facts(inputs),
        notice_label=label,
        notice=notice,
        chapters=[
            *([first] if first else []),
            outcome.chapter(inputs),
            incidents.incidents_chapter(inputs),
            gate.chapter(decided, inputs.sources, "aiops.gate_rules"),
            source.source(inputs),
            source.teams(inputs),
            rules.chapter(inputs),
            dropped.dropped_chapter(inputs),
            history.chapter(inputs),
            limits.limits(inputs),
            limits.reproduce(),
            index.chapter(inputs.sources),
        ],
        foot=index.foot(JSON),
        styles=("folds.css",),
    )


def make_record(inputs: Inputs) -> dict[str, Any]:
    """Build the JSON."""
    made = record(
        KIND,
        inputs.params.report_rules.model_dump(mode="json"),
        gate.read_decision(inputs.evidence[GATE]),
        inputs.sources,
        inputs.params.recorded(),
    )
    return {
        **made,
        "synthetic": inputs.params.synthetic,
        "bad": [harmful_rule.model_dump(mode="json") for harmful_rule in inputs.watched.bad],
        "rules": [_rule(inputs, done) for done in inputs.replayed.rules],
    }


def _rule(inputs: Inputs, done: Done) -> dict[str, Any]:
    """Tell of a rule what the page tells; in full it stands in ``rules/rule_set.json``."""
    placed = inputs.placed.get(done.rule.id)
    return {
        **{key: getattr(done.rule, key) for key in ("id", "family", "sentence", "team")},
        "expires": done.rule.expires.isoformat(),
        "pages_saved": done.pages_saved,
        "exported": bool(placed and placed.exported),
    }


def load() -> AiopsSection:
    """Load section ``aiops`` of ``params.yaml``."""
    return load_section("aiops", AiopsSection)


def main(params: AiopsSection) -> None:
    """Run the stage."""
    inputs = gather_inputs(params)
    page = make_page(inputs)
    write_text(HTML, render(page))
    write_json(JSON, make_record(inputs))
    log(f"{HTML}: {page.banner.verdict}, {len(inputs.replayed.rules)} rules")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load)

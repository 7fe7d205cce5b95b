"""Stage ``watch_rules``: whether a rule that is in production hid an incident of late.

The released rule set is replayed on the last third of the history, without the rules and with
them. Evidence ``evidence/watch_rules.json``: figures ``watch_rules.rules`` (watched) and
``watch_rules.harmful``; `details` is `pipelines.aiops.alerting.evidence.WatchDetails`.
"""

from pathlib import Path

from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evaluation import Backtest, known_tickets
from pipelines.aiops.alerting.evidence import HarmfulRuleDetails, WatchDetails
from pipelines.aiops.alerting.publishing.harmful_rules import (
    HarmfulRule,
    find_harmful_rules,
    released_rules,
)
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import thirds, whole_window
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import HISTORY, RULES_RELEASED
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json
from pipelines.core.stage import log, run_stage
from pipelines.release.released import Released, read_released

STAGE = "watch_rules"


def watch(params: AiopsParams, rules: tuple[Rule, ...]) -> list[HarmfulRule]:
    """Find the harmful rules in the last third of the frozen history."""
    if not rules:
        return []
    frame = read_history(HISTORY, params.runtime.memory_mb)
    own = params.export_rules
    config = config_with_pagers(own.alertmanager_yml, own.paging_receivers, process_of(*own.reader))
    window = thirds(whole_window(frame))[-1]
    return find_harmful_rules(Backtest(frame, window, config, known_tickets(HISTORY)), rules)


def as_evidence(
    released: Released | None,
    rules: tuple[Rule, ...],
    harmful: list[HarmfulRule],
    inputs: dict[str, str],
) -> Evidence:
    """Put what was watched and found into evidence."""
    method = (
        "replay of the last third of the history with the released rules"
        if released
        else "nothing to watch: no rule set is released yet"
    )
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=[
            Figure(
                id=f"{STAGE}.rules",
                label="Rules in production",
                value=len(rules),
                method=method,
                n=max(len(rules), 1),
                unit="rules",
            ),
            Figure(
                id=f"{STAGE}.harmful",
                label="Rules in production that hid an incident of late, or delayed it beyond use",
                value=len(harmful),
                method=method,
                n=max(len(rules), 1),
                unit="rules",
            ),
        ],
        details=WatchDetails(
            released=released.name if released else None,
            harmful_rules=[
                HarmfulRuleDetails(
                    rule=harmful_rule.rule,
                    sentence=harmful_rule.describe(),
                    missed=list(harmful_rule.missed),
                    late=list(harmful_rule.late),
                    sole_cause=harmful_rule.sole_cause,
                    command=f"signalbox rules withdraw {harmful_rule.rule} --reason …",
                )
                for harmful_rule in harmful
            ],
        ).model_dump(mode="json"),
    )


def main(params: AiopsParams) -> None:
    """Run the stage."""
    released = read_released(RULES_RELEASED)
    rules = released_rules(released)
    harmful = watch(params, rules)
    config = params.export_rules.alertmanager_yml
    inputs = hash_inputs(HISTORY, RULES_RELEASED, *([Path(config)] if config else []))
    evidence = as_evidence(released, rules, harmful, inputs)
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    for harmful_rule in harmful:
        log(harmful_rule.describe())
    log(f"{len(rules)} released rules watched, {len(harmful)} harmful")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)

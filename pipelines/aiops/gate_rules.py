"""Stage ``gate_rules``: hold the evidence for a rule set against the policy for rule sets.

The same gate as a model's (`pipelines.mlops.gate`), with its own checks and evidence.
"""

from pathlib import Path

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.params import Check
from pipelines.core.stage import run_stage
from pipelines.release.gating import run_gate

STAGE = "gate_rules"

RULE_STAGES = (
    "alert_history", "mine_rules", "select_rules", "replay_rules", "watch_rules", "export_rules",
)  # fmt: skip
"""Stages whose evidence a rule set is judged by; ``dvc.yaml`` has the same list."""

OF_PAGERDUTY = "replay_rules.pagerduty_"
"""How the ids of figures of PagerDuty's form begin."""


def asked(checks: list[Check], replayed: Path) -> list[Check]:
    """Leave out the checks of PagerDuty's form where the replay says that it holds no rule.

    Parameters
    ----------
    checks : list of Check
        The policy.
    replayed : Path
        Evidence of ``replay_rules``. Where it is missing, every check is asked, and fails.

    Returns
    -------
    list of Check
        In the policy's order.
    """
    rules = read_evidence(replayed).figure(f"{OF_PAGERDUTY}rules") if replayed.exists() else None
    if rules is None or rules.value != 0:
        return checks
    return [check for check in checks if not check.figure.startswith(OF_PAGERDUTY)]


def main(params: AiopsParams) -> None:
    """Run the stage.

    Raises
    ------
    SignalboxError
        Without a policy: a rule set that nothing is asked of must not pass.
    """
    if not params.gate_rules.checks:
        raise SignalboxError(
            "params.yaml: aiops.gate_rules.checks: there is no check; say what a rule set must "
            "keep to, for example replay_rules.missed at_most 0"
        )
    checks = asked(params.gate_rules.checks, evidence_of("replay_rules"))
    run_gate(STAGE, checks, RULE_STAGES, "aiops.gate_rules.checks")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)

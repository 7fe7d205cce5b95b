"""Stage ``gate_rules``: hold the evidence for a rule set against the policy for rule sets.

The same gate as a model's (`pipelines.mlops.gate`), with its own checks and evidence.
"""

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.core.errors import SignalboxError
from pipelines.core.stage import run_stage
from pipelines.release.gating import run_gate

STAGE = "gate_rules"

RULE_STAGES = (
    "alert_history", "mine_rules", "select_rules", "replay_rules", "watch_rules", "export_rules",
)  # fmt: skip
"""Stages whose evidence a rule set is judged by; ``dvc.yaml`` has the same list."""


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
    run_gate(STAGE, params.gate_rules.checks, RULE_STAGES, "aiops.gate_rules.checks")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)

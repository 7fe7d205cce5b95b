"""Section ``aiops.gate_rules`` of ``params.yaml``: the policy for rule sets."""

from pipelines.base.params.gate import Check, GateParams


class GateRulesParams(GateParams):
    """The list of checks; their figures are those of the rule stages' evidence."""

    checks: list[Check] = []
    """Empty where no rule set is to be released: params.yaml may do without the section."""

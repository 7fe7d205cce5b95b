"""Section ``aiops.gate_rules`` of ``params.yaml``: the policy for rule sets."""

from typing import Self

from pydantic import model_validator

from pipelines.base.params.gate import Check
from pipelines.base.params.model import Section


class GateRulesParams(Section):
    """The list of checks; their figures are those of the rule stages' evidence."""

    checks: list[Check] = []

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [check.id for check in self.checks]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"check ids must differ; used twice: {twice}")
        return self

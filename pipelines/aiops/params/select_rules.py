"""Section ``aiops.select_rules`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class SelectRulesParams(Section):
    """Settings of ``select_rules``."""

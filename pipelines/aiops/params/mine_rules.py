"""Section ``aiops.mine_rules`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class MineRulesParams(Section):
    """Settings of ``mine_rules``."""

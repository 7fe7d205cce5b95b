"""Section ``aiops.export_rules`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class ExportRulesParams(Section):
    """Settings of ``export_rules``."""

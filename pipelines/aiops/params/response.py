"""Section ``aiops.response`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class ResponseParams(Section):
    """Settings of ``response``."""

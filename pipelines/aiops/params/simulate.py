"""Section ``aiops.simulate`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class SimulateParams(Section):
    """Settings of ``simulate``."""

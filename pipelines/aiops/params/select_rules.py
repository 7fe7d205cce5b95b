"""Section ``aiops.select_rules`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import Section

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class SelectRulesParams(Section):
    """What a set of rules may cost."""

    max_median_delay_seconds: Seconds = 60.0
    """What counts as heard late; the median incident must not be."""
    max_late_share: Share = 0.3
    """Share of incidents that may be heard late. Below one half, so that the median of incidents
    to come keeps to the bound as well."""
    max_incident_delay_seconds: Seconds = 900.0
    """By how much any single incident may be heard later."""
    renew: bool = True
    """Whether rules are mined again on the middle window as well, after the choice on it."""
    tolerance: Share = 0.002
    """Share of the saving that may be given up for a smaller set."""

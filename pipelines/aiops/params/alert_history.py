"""Section ``aiops.alert_history`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.aiops import artifacts
from pipelines.base.params.model import Name, PositiveInt, Section, Share, Unset


class AlertHistoryParams(Section):
    """Settings of ``alert_history``.

    Attributes
    ----------
    lake
        Folder of the lake; absolute, or relative to the project. A run in Airflow has a work tree
        of its own: name a lake that git doesn't track by an absolute path.
    days
        Length of the window that is frozen, in days; 0 = all there are.
    until
        Last day of the window (YYYY-MM-DD); null = the latest day that is complete.
    """

    lake: Name = artifacts.SIMULATED.as_posix()
    days: Annotated[int, Field(ge=0)] = 0
    until: Unset[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = None
    memory_mb: PositiveInt = 2048
    max_quarantined_share: Share = 0.05
    """More malformed records than this share end the run: a source has changed its form."""

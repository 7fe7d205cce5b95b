"""What the pages read of section ``aiops``; the stages check the rest of it."""

from typing import Protocol

from pydantic import ConfigDict, Field

from pipelines.base.params.model import Name, Section


class About(Protocol):
    """What the pages say about who and why; whoever calls them may have a class of their own."""

    @property
    def title(self) -> str:
        """First line of the page about incidents."""

    @property
    def owner(self) -> str:
        """Who answers for them."""

    @property
    def notice(self) -> str:
        """What readers must know about the telemetry before anything else; empty = nothing."""


class IncidentsReportParams(Section):
    """Subsection ``report_incidents``; the same keys and defaults as the stages know."""

    title: Name = "What is wrong, where, and what changed"
    owner: Name = "not stated"
    notice: str = ""


class AiopsSection(Section):
    """Section ``aiops``: the part of these pages, and the rest as it stands."""

    model_config = ConfigDict(extra="allow")

    report_incidents: IncidentsReportParams = Field(default_factory=IncidentsReportParams)

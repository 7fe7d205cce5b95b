"""What the pages read of section ``aiops``; the stages check the rest of it."""

from pydantic import ConfigDict, Field

from pipelines.base.params.model import Name, Section


class IncidentsReportParams(Section):
    """Subsection ``report_incidents``.

    Attributes
    ----------
    notice
        What readers must know about the telemetry before anything else; empty = nothing.
    """

    title: Name = "Incidents"
    owner: Name = "not stated"
    notice: str = ""


class AiopsSection(Section):
    """Section ``aiops``: the part of these pages, and the rest as it stands."""

    model_config = ConfigDict(extra="allow")

    report_incidents: IncidentsReportParams = Field(default_factory=IncidentsReportParams)

"""What the report reads of section ``aiops``; the stages check the rest of it."""

from typing import Any

from pydantic import ConfigDict, Field

from pipelines.base.params.gate import ReportParams
from pipelines.base.params.model import Section

SIMULATED = "telemetry/simulated"
"""The lake that stage ``simulate`` writes, and the one read unless params name another."""


class RulesReportParams(ReportParams):
    """Subsection ``report_rules``; the same keys and defaults as the stages know."""

    title: str = "Alert noise rules"
    owner: str = "not stated"
    purpose: str = "Wake people less often without hiding an incident from them"
    not_for: str = "Alerts whose history this report doesn't rest on"
    contact: str = "not stated"


class AiopsSection(Section):
    """Section ``aiops``: its report's part, and the rest as it stands."""

    model_config = ConfigDict(extra="allow")

    report_rules: RulesReportParams = Field(default_factory=RulesReportParams)

    @property
    def synthetic(self) -> bool:
        """Whether the history comes from the simulator."""
        lake = str(self._part("alert_history").get("lake", SIMULATED))
        return lake.rstrip("/").endswith(SIMULATED)

    @property
    def todays_config(self) -> str:
        """Path of the configuration that the replay calls today's; empty = the defaults."""
        return str(self._part("export_rules").get("alertmanager_yml") or "")

    def _part(self, name: str) -> dict[str, Any]:
        part = (self.model_extra or {}).get(name)
        return part if isinstance(part, dict) else {}

    def recorded(self) -> dict[str, Any]:
        """All of the section, as plain data."""
        return {"aiops": self.model_dump(mode="json")}

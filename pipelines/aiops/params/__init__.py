"""Section ``aiops`` of ``params.yaml``: one subsection a stage, named like it."""

from pathlib import Path

from pydantic import Field

from pipelines.aiops.params.alert_rules import (
    AlertHistoryParams,
    ExportRulesParams,
    GateRulesParams,
    MineRulesParams,
    ReportRulesParams,
    ResponseParams,
    SelectRulesParams,
)
from pipelines.aiops.params.analysis import (
    AnalysisParams,
    GroupIncidentsParams,
    LogAnomaliesParams,
    MapServicesParams,
    MetricAnomaliesParams,
    ReportIncidentsParams,
)
from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.params.telemetry import TelemetryParams
from pipelines.core.settings import Section


class AiopsParams(Section):
    """All of section ``aiops``."""

    telemetry: TelemetryParams = Field(default_factory=TelemetryParams)
    simulate: SimulateParams = Field(default_factory=SimulateParams)
    alert_history: AlertHistoryParams = Field(default_factory=AlertHistoryParams)
    mine_rules: MineRulesParams = Field(default_factory=MineRulesParams)
    select_rules: SelectRulesParams = Field(default_factory=SelectRulesParams)
    export_rules: ExportRulesParams = Field(default_factory=ExportRulesParams)
    gate_rules: GateRulesParams = Field(default_factory=GateRulesParams)
    report_rules: ReportRulesParams = Field(default_factory=ReportRulesParams)
    response: ResponseParams = Field(default_factory=ResponseParams)
    analysis: AnalysisParams = Field(default_factory=AnalysisParams)
    metric_anomalies: MetricAnomaliesParams = Field(default_factory=MetricAnomaliesParams)
    log_anomalies: LogAnomaliesParams = Field(default_factory=LogAnomaliesParams)
    map_services: MapServicesParams = Field(default_factory=MapServicesParams)
    group_incidents: GroupIncidentsParams = Field(default_factory=GroupIncidentsParams)
    report_incidents: ReportIncidentsParams = Field(default_factory=ReportIncidentsParams)


def load_aiops_params(project: Path = Path()) -> AiopsParams:
    """Load section ``aiops`` of a project's ``params.yaml``; what isn't there has defaults."""
    from pipelines.core.artifacts import PARAMS
    from pipelines.core.params import load_section

    return load_section("aiops", AiopsParams, project / PARAMS)

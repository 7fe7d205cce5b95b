"""Section ``aiops`` of ``params.yaml``: one subsection a stage, named like it."""

from pathlib import Path

from pydantic import Field

from pipelines.aiops.params.alert_history import AlertHistoryParams
from pipelines.aiops.params.analysis import AnalysisParams
from pipelines.aiops.params.export_rules import ExportRulesParams
from pipelines.aiops.params.gate_rules import GateRulesParams
from pipelines.aiops.params.group_incidents import GroupIncidentsParams
from pipelines.aiops.params.log_anomalies import LogAnomaliesParams
from pipelines.aiops.params.map_services import MapServicesParams
from pipelines.aiops.params.metric_anomalies import MetricAnomaliesParams
from pipelines.aiops.params.mine_rules import MineRulesParams
from pipelines.aiops.params.report_incidents import ReportIncidentsParams
from pipelines.aiops.params.report_rules import ReportRulesParams
from pipelines.aiops.params.response import ResponseParams
from pipelines.aiops.params.select_rules import SelectRulesParams
from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.params.telemetry import TelemetryParams
from pipelines.base.params.model import Section


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
    from pipelines.base.artifacts import PARAMS
    from pipelines.base.params import load_section

    return load_section("aiops", AiopsParams, project / PARAMS)

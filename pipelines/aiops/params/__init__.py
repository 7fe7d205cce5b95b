"""Section ``aiops`` of ``params.yaml``: one subsection a stage, named like it."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, PrivateAttr

from pipelines.aiops.params.alert_rules import (
    AlertHistoryParams,
    ExportRulesParams,
    GateRulesParams,
    MineRulesParams,
    RemediationParams,
    ReportRulesParams,
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
from pipelines.aiops.params.renamed import RENAMED
from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.params.telemetry import TelemetryParams
from pipelines.core.runtime import RuntimeParams, load_runtime
from pipelines.core.settings import Section


class AiopsParams(Section):
    """All of section ``aiops``, and beside it what the deployment says (``runtime``)."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    telemetry: TelemetryParams = Field(default_factory=TelemetryParams)
    simulate: SimulateParams = Field(default_factory=SimulateParams)
    alert_history: AlertHistoryParams = Field(default_factory=AlertHistoryParams)
    mine_rules: MineRulesParams = Field(default_factory=MineRulesParams)
    select_rules: SelectRulesParams = Field(default_factory=SelectRulesParams)
    export_rules: ExportRulesParams = Field(default_factory=ExportRulesParams)
    gate_rules: GateRulesParams = Field(default_factory=GateRulesParams)
    report_rules: ReportRulesParams = Field(default_factory=ReportRulesParams)
    remediation: RemediationParams = Field(default_factory=RemediationParams)
    analysis: AnalysisParams = Field(default_factory=AnalysisParams)
    metric_anomalies: MetricAnomaliesParams = Field(default_factory=MetricAnomaliesParams)
    log_anomalies: LogAnomaliesParams = Field(default_factory=LogAnomaliesParams)
    map_services: MapServicesParams = Field(default_factory=MapServicesParams)
    group_incidents: GroupIncidentsParams = Field(default_factory=GroupIncidentsParams)
    report_incidents: ReportIncidentsParams = Field(default_factory=ReportIncidentsParams)
    _runtime: RuntimeParams = PrivateAttr(default_factory=RuntimeParams)

    @property
    def runtime(self) -> RuntimeParams:
        """Section ``runtime`` of ``release.yaml``: never a part of what params say."""
        return self._runtime

    def on(self, runtime: RuntimeParams) -> Self:
        """Return the same params on another deployment."""
        other = self.model_copy()
        other._runtime = runtime
        return other


def load_aiops_params(project: Path = Path()) -> AiopsParams:
    """Load section ``aiops`` of a project's ``params.yaml``; what isn't there has defaults.

    Section ``runtime`` of its ``release.yaml`` comes with it.
    """
    from pipelines.core.artifacts import PARAMS
    from pipelines.core.params import load_section

    params = load_section("aiops", AiopsParams, project / PARAMS)
    return params.on(load_runtime(project))

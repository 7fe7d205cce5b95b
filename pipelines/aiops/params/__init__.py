"""Section ``aiops`` of ``params.yaml``: one subsection a stage, named like it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

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
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.aiops.params.renamed import RENAMED
from pipelines.aiops.params.telemetry import SimulateParams, TelemetryParams
from pipelines.core.runtime import RuntimeParams, load_runtime
from pipelines.core.settings import Section, not_filled_in


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

    @model_validator(mode="before")
    @classmethod
    def _reports_are_about_this_lake(cls, raw: Any) -> Any:
        """Take out what a report says of the simulated world where the lake is another."""
        if not isinstance(raw, dict):
            return raw
        taken = {}
        for section, reads in (("report_rules", "alert_history"), ("report_incidents", "analysis")):
            said, lake = raw.get(section), _lake(raw, reads)
            if lake is None or not isinstance(said, dict) or said.get("data_set") != SIMULATED.name:
                continue
            empty = {
                key: not_filled_in(f"aiops.{section}.{key}", "params.yaml", elsewhere=True)
                for key in ("owner", "purpose", "not_for", "contact")
                if key in said
            }
            left = {key: text for key, text in said.items() if key not in ("title", "notice")}
            taken[section] = {**left, **empty}
        return {**raw, **taken}

    @model_validator(mode="after")
    def _files_are_of_one_company(self) -> Self:
        """Refuse the simulated world's configuration beside a lake of somebody else."""
        lake = self.alert_history.lake
        own = self.export_rules
        if _is_simulated(lake):
            return self
        files = {
            "prometheus": own.prometheus,
            "alertmanager_yml": [own.alertmanager_yml] if own.alertmanager_yml else [],
            "watch": [own.watch] if own.watch else [],
        }
        for key, paths in files.items():
            theirs = [path for path in paths if _is_simulated(path)]
            if theirs:
                remedy = {
                    "prometheus": "name your own prometheus.yml there, or []",
                    "alertmanager_yml": "name your own alertmanager.yml there",
                    "watch": "name the folder there in which your own files lie",
                }
                raise ValueError(
                    f"export_rules.{key}: {theirs[0]} belongs to the simulated world, but "
                    f"aiops.alert_history.lake is {lake}; {remedy[key]}"
                )
        return self

    @property
    def runtime(self) -> RuntimeParams:
        """Section ``runtime`` of ``release.yaml``: never a part of what params say."""
        return self._runtime

    def on(self, runtime: RuntimeParams) -> Self:
        """Return the same params on another deployment."""
        other = self.model_copy()
        other._runtime = runtime
        return other


def _is_simulated(path: str) -> bool:
    return SIMULATED.as_posix() in Path(path).as_posix()


def _lake(raw: Mapping[str, Any], section: str) -> str | None:
    """Return the lake that a section names, if it isn't the simulated world's."""
    said = raw.get(section)
    lake = said.get("lake") if isinstance(said, dict) else None
    return lake if isinstance(lake, str) and not _is_simulated(lake) else None


def load_aiops_params(project: Path = Path()) -> AiopsParams:
    """Load section ``aiops`` of a project's ``params.yaml``; what isn't there has defaults.

    Section ``runtime`` of its ``release.yaml`` comes with it.
    """
    from pipelines.core.artifacts import PARAMS
    from pipelines.core.params import load_section

    params = load_section("aiops", AiopsParams, project / PARAMS)
    return params.on(load_runtime(project))

"""Section ``aiops.report_rules`` of ``params.yaml``."""

from pipelines.base.params.gate import ReportParams


class ReportRulesParams(ReportParams):
    """What the report says about who and why."""

    title: str = "Alert noise rules"
    owner: str = "not stated"
    purpose: str = "Wake people less often without hiding an incident from them"
    not_for: str = "Alerts whose history this report doesn't rest on"
    contact: str = "not stated"

"""Known fixes that run by themselves: from an allow-list, rate-limited, logged, measured."""

from pipelines.aiops.alerting.remediation.limits import (
    ActionEffect,
    LiveAlert,
    live_alerts,
    measure,
)
from pipelines.aiops.alerting.remediation.run import Result, run_responses

__all__ = ["ActionEffect", "LiveAlert", "Result", "live_alerts", "measure", "run_responses"]

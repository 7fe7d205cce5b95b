"""Known fixes that run by themselves: from an allow-list, rate-limited, logged, measured."""

from pipelines.aiops.noise.response.alerts import LiveAlert, live_alerts
from pipelines.aiops.noise.response.effect import Effect, measure
from pipelines.aiops.noise.response.run import Result, run_responses

__all__ = ["Effect", "LiveAlert", "Result", "live_alerts", "measure", "run_responses"]

"""Anomalies in metrics: any number of series, no tuning per series, each point by its past."""

from pipelines.aiops.metrics.detect import Detection, detect
from pipelines.aiops.metrics.events import Event, alarm_scores, alarms, find_events
from pipelines.aiops.metrics.features import DEFAULTS, DetectorSettings
from pipelines.aiops.metrics.scoring import Scores, score

__all__ = [
    "DEFAULTS",
    "Detection",
    "DetectorSettings",
    "Event",
    "Scores",
    "alarm_scores",
    "alarms",
    "detect",
    "find_events",
    "score",
]

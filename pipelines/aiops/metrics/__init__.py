"""Anomalies in metrics: any number of series, no tuning per series, each point by its past."""

from pipelines.aiops.metrics.detect import Detection, detect, rare_enough
from pipelines.aiops.metrics.events import Event, Found, alarm_scores, find_events, spans
from pipelines.aiops.metrics.features import DEFAULTS, DetectorSettings
from pipelines.aiops.metrics.scoring import Scores, score

__all__ = [
    "DEFAULTS",
    "Detection",
    "DetectorSettings",
    "Event",
    "Found",
    "Scores",
    "alarm_scores",
    "detect",
    "find_events",
    "rare_enough",
    "score",
    "spans",
]

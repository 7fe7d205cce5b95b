"""What a rule set does to a window of history, and which rules are chosen for it."""

from pipelines.aiops.alerting.evaluation.backtest import (
    Effect,
    Incident,
    Measurer,
    closing_times,
    judge,
)
from pipelines.aiops.alerting.evaluation.limits import Dropped
from pipelines.aiops.alerting.evaluation.select import Point, Selection, renew, select
from pipelines.aiops.alerting.windows import rows_of

__all__ = [
    "Dropped",
    "Effect",
    "Incident",
    "Measurer",
    "Point",
    "Selection",
    "closing_times",
    "judge",
    "renew",
    "rows_of",
    "select",
]

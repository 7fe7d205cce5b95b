"""What a rule set does to a window of history, and which rules are chosen for it."""

from pipelines.aiops.alerting.evaluation.backtest import (
    Backtest,
    BacktestResult,
    TicketedIncident,
    closing_times,
    evaluate_outcomes,
)
from pipelines.aiops.alerting.evaluation.limits import Dropped
from pipelines.aiops.alerting.evaluation.select import Point, Selection, renew, select
from pipelines.aiops.alerting.windows import rows_of

__all__ = [
    "Backtest",
    "BacktestResult",
    "Dropped",
    "Point",
    "Selection",
    "TicketedIncident",
    "closing_times",
    "evaluate_outcomes",
    "renew",
    "rows_of",
    "select",
]

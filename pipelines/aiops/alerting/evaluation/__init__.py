"""What a rule set does to a window of history, and what others' methods do there."""

from pipelines.aiops.alerting.evaluation.backtest import Backtest, BacktestResult, together
from pipelines.aiops.alerting.evaluation.incidents import (
    Ticket,
    TicketedIncident,
    known_tickets,
)
from pipelines.aiops.alerting.windows import rows_of

__all__ = [
    "Backtest",
    "BacktestResult",
    "Ticket",
    "TicketedIncident",
    "known_tickets",
    "rows_of",
    "together",
]

"""Inputs that add nothing measurable, by the permutation importance that ``train`` measured."""

from typing import Any

from pipelines.base.evidence import Evidence
from pipelines.reports import numbers

LOSS = 0.001
"""Rise of log loss (nats) below which a column's part is taken for noise: our judgement."""

AUC = 0.001
"""Drop of ROC AUC below which it is."""


def idle(evidence: dict[str, Evidence]) -> tuple[list[tuple[str, str]], str, bool]:
    """Name inputs whose shuffling changed neither measure by more than the line.

    Returns
    -------
    columns
        Name, and the figures behind it.
    how
        How it was measured, and what it doesn't say.
    measured
        Whether there is a measurement at all.
    """
    importance: Any = evidence["train"].details.get("importance") if "train" in evidence else None
    if not importance or not importance.get("columns"):
        return [], "", False
    found = [
        (str(column["name"]), _why(column)) for column in importance["columns"] if _is_idle(column)
    ]
    how = (
        f"Measured as {importance['how']}; {numbers.count(importance['rows'])} rows. A column "
        f"counts as adding nothing measurable where log loss rises by less than {LOSS:g} and ROC "
        f"AUC drops by less than {AUC:g}. That line is engineering judgement; the evidence has no "
        "interval for importance. A column can look idle because another carries the same "
        "information, so train once without it (data.ignore) before taking it out of the source."
    )
    return found, how, True


def _is_idle(column: dict[str, Any]) -> bool:
    """Whether both measures are known and below their lines; unknown is not idle."""
    rise, drop = column.get("log_loss_rise"), column.get("roc_auc_drop")
    return rise is not None and drop is not None and rise < LOSS and drop < AUC


def _why(column: dict[str, Any]) -> str:
    rise, drop = column["log_loss_rise"], column["roc_auc_drop"]
    return (
        f"shuffled, log loss rises by {numbers.decimal(rise, 4)} and ROC AUC drops by "
        f"{numbers.decimal(drop, 4)}"
    )

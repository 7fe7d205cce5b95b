"""The rules of the gate: what makes one check pass, and what all checks together decide.

Nothing here knows what is being released; a model and a set of alert rules are judged alike.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipelines.base.evidence import Figure
from pipelines.base.params.gate import Check
from pipelines.release.released import NOTHING_RELEASED

Verdict = Literal["pass", "fail", "inconclusive", "not_applicable"]
Decision = Literal["approve", "review", "reject"]

VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "inconclusive", "not_applicable")
"""Every verdict a check can get."""

_SEVERITY: dict[Decision, int] = {"approve": 0, "review": 1, "reject": 2}


@dataclass(frozen=True)
class Bounds:
    """The range a figure is judged by; a figure without an interval is a range of one point."""

    low: float
    high: float
    is_point: bool


def has_value(figure: Figure | None) -> bool:
    """Whether `figure` says anything: a finite value, on at least one row."""
    return figure is not None and defect(figure) == ""


def defect(figure: Figure) -> str:
    """Say what keeps `figure` from being evidence; empty if nothing does."""
    if figure.value is None:
        return figure.missing or "the evidence holds no value and gives no reason"
    given = [x for x in (figure.value, figure.low, figure.high) if x is not None]
    if not all(math.isfinite(x) for x in given):
        return "the value or its interval is not a finite number"
    if figure.n < 1:
        return f"it was computed on {figure.n} rows"
    if figure.low is not None and figure.high is not None and figure.low > figure.high:
        return "its interval ends before it starts"
    return ""


def bounds(figure: Figure) -> Bounds:
    """Range of a figure that `has_value`; a missing side of a one-sided interval is unbounded."""
    assert figure.value is not None
    if figure.low is None and figure.high is None:
        return Bounds(figure.value, figure.value, is_point=True)
    low = -math.inf if figure.low is None else figure.low
    high = math.inf if figure.high is None else figure.high
    return Bounds(low, high, is_point=False)


def judge(check: Check, figure: Figure | None) -> Verdict:
    """Verdict of one check.

    Parameters
    ----------
    check
        What the policy asks for.
    figure
        What the evidence says, or None if it says nothing.

    Returns
    -------
    Verdict
        ``pass`` if the whole interval keeps to the threshold, ``fail`` if none of it does or if
        there is no evidence, ``inconclusive`` if the interval straddles the threshold,
        ``not_applicable`` if the evidence says there is nothing released to compare with.
    """
    if figure is None:
        return "fail"
    if nothing_to_compare(check, figure):
        return "not_applicable"
    if not has_value(figure):
        return "fail"
    seen = bounds(figure)
    if check.compare == "at_least":
        return _side(all_keep=seen.low >= check.threshold, none_keeps=seen.high < check.threshold)
    # A difference to the released model counts what was lost, so it has an upper limit as well.
    return _side(all_keep=seen.high <= check.threshold, none_keeps=seen.low > check.threshold)


def _side(*, all_keep: bool, none_keeps: bool) -> Verdict:
    if all_keep:
        return "pass"
    return "fail" if none_keeps else "inconclusive"


def nothing_to_compare(check: Check, figure: Figure) -> bool:
    """Whether the evidence itself says that there is no released model to compare with.

    These words excuse a missing value, and only where the released model is asked for; the gate
    never finds out by itself that there is nothing to compare with.
    """
    return (
        check.compare == "not_worse_than_released"
        and figure.value is None
        and figure.missing == NOTHING_RELEASED
    )


def consequence(check: Check, verdict: Verdict) -> Decision:
    """Decision that one check's verdict asks for."""
    if verdict == "fail":
        return check.on_fail
    if verdict == "inconclusive":
        return check.on_inconclusive
    return "approve"


def decide(checks: Iterable[tuple[Check, Verdict]]) -> Decision:
    """Decision of all checks together: the worst that any of them asks for.

    Notes
    -----
    Where nothing failed but nothing passed either (a first release whose policy only compares with
    the released one), a person has to look: approval needs something that speaks for it.
    """
    pairs = list(checks)
    asked = [consequence(check, verdict) for check, verdict in pairs]
    worst: Decision = max(asked, key=lambda decision: _SEVERITY[decision], default="review")
    if worst == "approve" and all(verdict != "pass" for _, verdict in pairs):
        return "review"
    return worst

"""What the gate says about a check, in one plain sentence."""

from pipelines.base.evidence import Figure
from pipelines.base.params.gate import Check
from pipelines.release.policy import Verdict, bounds, defect

_LIMITS = {
    "at_least": "the required minimum of",
    "at_most": "the allowed maximum of",
    "not_worse_than_released": "the largest accepted loss of",
}


def sentence(check: Check, figure: Figure | None, verdict: Verdict) -> str:
    """Explain a verdict to someone who doesn't know the policy."""
    if figure is None:
        return f"There is no evidence: no stage measured {check.figure}. No evidence is a fail."
    if verdict == "not_applicable":
        return f"{figure.label}: not compared, because {figure.missing}."
    why = defect(figure)
    if why:
        return f"There is no evidence for {figure.label}: {why}. No evidence is a fail."
    return f"{_measured(figure)}; {_held_against(check, figure, verdict)}."


def number(value: float, unit: str = "") -> str:
    """Four significant digits, which is more than any figure of a release is worth."""
    if unit == "share":
        return f"{value * 100:.4g}%"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _measured(figure: Figure) -> str:
    assert figure.value is not None
    told = sorted(figure.where.items(), reverse=True)  # "lowest" before "highest"
    place = ", ".join(f"{key}: {value}" for key, value in told if value not in figure.label)
    at = f" ({place})" if place else ""
    return f"{figure.label}{at} is {number(figure.value, figure.unit)}{_interval(figure)}"


def _interval(figure: Figure) -> str:
    level = "" if figure.level is None else f"{figure.level:.0%} "
    low = "" if figure.low is None else number(figure.low, figure.unit)
    high = "" if figure.high is None else number(figure.high, figure.unit)
    if low and high:
        return f" ({level}interval {low} to {high})"
    if low:
        return f" ({level}lower bound {low})"
    if high:
        return f" ({level}upper bound {high})"
    return ""


def _held_against(check: Check, figure: Figure, verdict: Verdict) -> str:
    limit = f"{_LIMITS[check.compare]} {number(check.threshold, figure.unit)}"
    if bounds(figure).is_point:
        does = "keeps to" if verdict == "pass" else "misses"
        return f"it has no interval and is compared as a single number, which {does} {limit}"
    if verdict == "inconclusive":
        return f"the interval straddles {limit}, so these data cannot tell"
    does = "keeps to" if verdict == "pass" else "misses"
    return f"the whole interval {does} {limit}"

"""Likely causes of an incident from its findings and changes alone, added up, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp

from pipelines.aiops.findings import Finding
from pipelines.aiops.incidents.model import Change
from pipelines.aiops.incidents.signals import Cause

MINUTE = 60_000_000
RARE_CAP, RARE_EACH = 20.0, 6.0
"""Points of a service's different findings together, and of each (-log10 of its chance)."""
FIRST, FIRST_FADES = 8.0, 10 * MINUTE
CALLED_EACH, CALLED_CAP = 4.0, 12.0
EXPLAINED = 6.0
"""Taken off if a service that it calls was affected no later than it: that one explains it."""
CHANGED, CHANGED_FADES = 10.0, 30 * MINUTE
SLACK = 2 * MINUTE
"""Onsets closer than this are at the same time."""
SENTENCES = 3


@dataclass
class _Suspect:
    points: float = 0.0
    evidence: list[str] = field(default_factory=list)

    def add(self, points: float, sentence: str) -> None:
        self.points += points
        self.evidence.append(sentence)


def likely_causes(
    findings: Sequence[Finding],
    callees: Mapping[str, set[str]],
    callers: Mapping[str, set[str]],
    changes: Sequence[Change],
) -> list[Cause]:
    """Rank the services of an incident, and those that were changed shortly before it.

    Parameters
    ----------
    findings
        Of the incident, in order of time.
    changes
        Those that may have to do with it (same services or ones next to them, shortly before).
    """
    mine: dict[str, list[Finding]] = {}
    for one in findings:
        mine.setdefault(one.service, []).append(one)
    onset = {service: min(one.start_us for one in own) for service, own in mine.items()}
    begin = min(onset.values())
    suspects = {service: _Suspect() for service in mine}
    for service, own in mine.items():
        suspect = suspects[service]
        _by_rarity(suspect, own)
        late = onset[service] - begin
        suspect.add(FIRST * exp(-late / FIRST_FADES), _when(late))
        _by_topology(suspect, service, onset, callees, callers)
    for change in changes:
        suspect = suspects.setdefault(change.service, _Suspect())
        lag = max(0, begin - change.at_us)
        suspect.add(
            CHANGED * exp(-lag / CHANGED_FADES),
            f"{change.kind} {lag / MINUTE:.0f} min before the start: {change.title or change.id}",
        )
    ranked = [
        Cause(
            service,
            _metric(mine.get(service, ())),
            round(suspect.points, 6),
            tuple(suspect.evidence),
        )
        for service, suspect in suspects.items()
        if service
    ]
    return sorted(ranked, key=lambda cause: (-cause.score, cause.service))


def _when(late_us: int) -> str:
    if late_us <= 0:
        return "first to be affected"
    if late_us < MINUTE:
        return "affected within a minute of the first"
    return f"affected {late_us / MINUTE:.0f} min after the first"


def _by_rarity(suspect: _Suspect, own: list[Finding]) -> None:
    best: dict[str, float] = {}
    for one in own:  # the same thing again is no new evidence
        name = _metric([one])
        best[name] = max(best.get(name, 0.0), min(one.score, RARE_EACH))
    points = min(RARE_CAP, sum(best[name] for name in sorted(best)))
    rarest = sorted(own, key=lambda one: (-one.score, one.start_us, one.id))[:SENTENCES]
    suspect.add(points, "; ".join(dict.fromkeys(one.sentence for one in rarest)))


def _by_topology(
    suspect: _Suspect,
    service: str,
    onset: Mapping[str, int],
    callees: Mapping[str, set[str]],
    callers: Mapping[str, set[str]],
) -> None:
    above = sorted(callers.get(service, set()) & onset.keys())
    if above:
        suspect.add(
            min(CALLED_CAP, CALLED_EACH * len(above)), f"affected services call it: {_few(above)}"
        )
    below = sorted(
        other
        for other in callees.get(service, set()) & onset.keys()
        if onset[other] <= onset[service] + SLACK
    )
    if below:
        suspect.add(-EXPLAINED, f"what it calls was affected no later: {_few(below)}")


def _few(names: Sequence[str]) -> str:
    more = len(names) - SENTENCES
    return ", ".join(names[:SENTENCES]) + (f" and {more} more" if more > 0 else "")


def _metric(own: Sequence[Finding]) -> str:
    if not own:
        return "change"
    rarest = min(own, key=lambda one: (-one.score, one.start_us, one.id))
    return rarest.labels.get("__name__") or rarest.labels.get("alertname") or rarest.kind

"""Rank services by the evidence that they are the cause, each piece of it in words."""

from dataclasses import dataclass

from pipelines.aiops.incidents.behaviour import Successions, behaviour_evidence, prepare_behaviour
from pipelines.aiops.incidents.budgets import CauseEvidence, budget_evidence, saturation_evidence
from pipelines.aiops.incidents.model import Cause, FaultWindow, Graph, Signals, Target
from pipelines.aiops.incidents.self_time import SelfTimes, prepare_self_times, self_time_evidence

SOURCES = ("budgets", "saturation", "behaviour", "delays")


@dataclass(frozen=True)
class Prepared:
    """What spans and logs are turned into once, for all windows.

    Attributes
    ----------
    behaviour : Successions
        Successions of events.
    delays : SelfTimes
        Pieces of time.
    """

    behaviour: Successions
    delays: SelfTimes


def prepare(signals: Signals) -> Prepared | None:
    """Read spans and logs once, if there are spans.

    Parameters
    ----------
    signals : Signals
        What was measured.

    Returns
    -------
    Prepared or None
        None without spans.
    """
    behaviour = prepare_behaviour(signals)
    if behaviour is None or signals.spans is None:
        return None
    return Prepared(behaviour, prepare_self_times(signals.spans, behaviour.parent))


def rank(
    window: FaultWindow,
    graph: Graph,
    signals: Signals,
    *,
    target: Target | None = None,
    prepared: Prepared | None = None,
    sources: tuple[str, ...] = SOURCES,
) -> list[Cause]:
    """Rank services by how likely they are the cause of what happened in a window.

    Untrained: points of the sources (nats, each capped) are added up per service. Where there are
    spans, the time series of latency and errors are not read: spans say the same, finer.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    graph : Graph
        Who calls whom.
    signals : Signals
        What was measured in the window and before it.
    target : Target or None
        The symptom, if it is known: only what it depends on is suspected.
    prepared : Prepared or None
        `prepare(signals)`, to be given if many windows of the same signals are ranked.
    sources : tuple of str
        Kinds of evidence to use, of `SOURCES`.

    Returns
    -------
    list of Cause
        One a service, most likely first; empty if nothing is unusual. Ties by name.
    """
    found: list[CauseEvidence] = []
    if "budgets" in sources and signals.spans is None:
        found += budget_evidence(window, graph, signals, target)
    if "saturation" in sources:
        found += saturation_evidence(window, signals)
    prepared = prepared or prepare(signals)
    if prepared and "behaviour" in sources:
        found += behaviour_evidence(window, prepared.behaviour)
    if prepared and "delays" in sources:
        found += self_time_evidence(window, prepared.delays)
    return _sum_evidence(found)


def _sum_evidence(found: list[CauseEvidence]) -> list[Cause]:
    mine: dict[str, list[CauseEvidence]] = {}
    for cause_evidence in found:
        if cause_evidence.points > 0:
            mine.setdefault(cause_evidence.service, []).append(cause_evidence)
    causes = []
    for service, evidence in mine.items():
        evidence.sort(key=lambda e: (-e.points, e.metric))
        score = round(sum(evidence_item.points for evidence_item in evidence), 6)
        causes.append(
            Cause(
                service,
                evidence[0].metric,
                score,
                tuple(evidence_item.sentence for evidence_item in evidence),
            )
        )
    return sorted(causes, key=lambda cause: (-cause.score, cause.service))

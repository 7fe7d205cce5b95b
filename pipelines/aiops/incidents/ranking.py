"""Rank services by the evidence that they are the cause, each piece of it in words."""

from pipelines.aiops.incidents.behaviour import Behaviour, behaviour_evidence, prepare
from pipelines.aiops.incidents.budgets import Evidence, budget_evidence
from pipelines.aiops.incidents.saturation import saturation_evidence
from pipelines.aiops.incidents.signals import Cause, Graph, Signals, Target, Window

SOURCES = ("budgets", "saturation", "behaviour")


def rank(
    window: Window,
    graph: Graph,
    signals: Signals,
    *,
    target: Target | None = None,
    behaviour: Behaviour | None = None,
    sources: tuple[str, ...] = SOURCES,
) -> list[Cause]:
    """Rank services by how likely they are the cause of what happened in a window.

    Untrained: points of the sources (nats, each capped) are added up per service. Where there are
    spans, the time series of latency and errors are not read: spans say the same, finer.

    Parameters
    ----------
    target
        The symptom, if it is known: only what it depends on is suspected.
    behaviour
        `prepare(signals)`, to be given if many windows of the same signals are ranked.
    sources
        Kinds of evidence to use, of `SOURCES`.

    Returns
    -------
    list of Cause
        One a service, most likely first; empty if nothing is unusual. Ties by name.
    """
    found: list[Evidence] = []
    if "budgets" in sources and signals.spans is None:
        found += budget_evidence(window, graph, signals, target)
    if "saturation" in sources:
        found += saturation_evidence(window, signals)
    if "behaviour" in sources:
        behaviour = behaviour or prepare(signals)
        found += behaviour_evidence(window, behaviour) if behaviour else []
    return _added_up(found)


def _added_up(found: list[Evidence]) -> list[Cause]:
    mine: dict[str, list[Evidence]] = {}
    for one in found:
        if one.points > 0:
            mine.setdefault(one.service, []).append(one)
    causes = []
    for service, pieces in mine.items():
        pieces.sort(key=lambda e: (-e.points, e.metric))
        score = round(sum(piece.points for piece in pieces), 6)
        causes.append(
            Cause(service, pieces[0].metric, score, tuple(piece.sentence for piece in pieces))
        )
    return sorted(causes, key=lambda cause: (-cause.score, cause.service))

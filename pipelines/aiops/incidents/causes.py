"""Causes ranked by evidence, for any subject; what was measured around an incident is read here.

Evidence first, topology last: a subject is as suspect as its signals are surprising. The map tells
whose waits are accounted for by callees, joins instances to services and hosts, and shows the path;
being called by many is no evidence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import exp, fsum, isfinite, sqrt

from pipelines.aiops.incidents.behaviour import Successions, behaviour_evidence, prepare_behaviour
from pipelines.aiops.incidents.budgets import CauseEvidence, reachable, series_evidence
from pipelines.aiops.incidents.contract import columns_of, logs_of, spans_of
from pipelines.aiops.incidents.model import (
    ARROW,
    Cause,
    Change,
    Graph,
    Incident,
    Kind,
    Logs,
    Series,
    Signals,
    Spans,
    SubjectSignal,
    Target,
    role_of,
)
from pipelines.aiops.incidents.model import FaultWindow as Fault
from pipelines.aiops.incidents.self_time import SelfTimes, prepare_self_times, self_time_evidence
from pipelines.aiops.lake.contract import LOGS, METRICS, SPANS, service_of
from pipelines.aiops.lake.window import Window, rows_between
from pipelines.aiops.logs.templates import mine
from pipelines.aiops.metrics.grid import grids
from pipelines.aiops.params import AiopsParams
from pipelines.core.time import EPOCH, MINUTE_US, SECOND_US

EARLY, FADES = 0.5, 5 * MINUTE_US
"""Share of a signal that fades with how long after the first it began."""
EDGE = 0.95
"""What an edge's own signals are worth: an end with nothing else is likelier than the way there."""
INSTANCE = 0.8
"""An instance with this share of its service's evidence, and no rival near it, is named itself."""
UNREACHABLE = 0.2
"""Factor for subjects that the symptom doesn't depend on, as far as the graph knows."""
CHANGED, CHANGED_FADES = 5.0, 30 * MINUTE_US
"""Nats of a change just before the start: as an alert of one stretch in a hundred and fifty."""
TEMPERATURE, NOBODY = 1.0, 2.0
"""Of the shares: at 1, those of .8 or more were right in 54 of 54 faults of PetShop and the shop,
on which it was chosen. `NOBODY`: the nats of what showed nothing and is the cause all the same."""
LOAD_WORDS = ("receive", "requests", "throughput", "qps", "rps")
LOAD_SHARE = 0.5
SOURCES = ("alert", "metric", "log", "trace")
Ranked = tuple[CauseEvidence, float]


def signal_evidence(
    signals: Sequence[SubjectSignal], sentences: Mapping[str, str], sources: Mapping[str, str]
) -> list[CauseEvidence]:
    """Turn an incident's signals into evidence.

    Parameters
    ----------
    signals : sequence of SubjectSignal
        Of one incident.
    sentences : mapping of str to str
        Finding's id → its sentence.
    sources : mapping of str to str
        Finding's id → its signal.

    Returns
    -------
    list of CauseEvidence
        One a signal.
    """
    found = []
    for signal in signals:
        ids = [name for name in signal.findings if name in sentences]
        known = sources.get(ids[0], "alert") if ids else "alert"
        load = any(word in signal.what.lower() for word in LOAD_WORDS)
        factor = sqrt(signal.weight) * (LOAD_SHARE if load else 1.0)
        found.append(
            CauseEvidence(
                signal.subject.name,
                signal.what,
                signal.surprise * factor,
                sentences[ids[0]] if ids else signal.what.replace("_", " "),
                signal.start_us,
                {"service_map": "trace", "metric": "metric", "log": "log"}.get(known, "alert"),  # type: ignore[arg-type]
                signal.subject.kind,
            )
        )
    return found


def change_evidence(changes: Sequence[Change], begin_us: int) -> list[CauseEvidence]:
    """Turn changes shortly before an incident's start into evidence; older ones say less."""
    found = []
    for change in changes:
        lag = max(0, begin_us - change.at_us)
        sentence = (
            f"{change.kind} {lag / MINUTE_US:.0f} min before the start: {change.title or change.id}"
        )
        points = CHANGED * exp(-lag / CHANGED_FADES)
        found.append(CauseEvidence(change.service, "change", points, sentence, None, "change"))
    return [one for one in found if one.service]


def rank_evidence(
    evidence: Sequence[CauseEvidence],
    graph: Graph,
    *,
    usual: Mapping[str, float] | None = None,
    within: set[str] | None = None,
) -> list[Cause]:
    """Rank subjects by their evidence.

    Parameters
    ----------
    evidence : sequence of CauseEvidence
        Signals of any kind, at any subject, any order.
    graph : Graph
        Relations between subjects.
    usual : mapping of str to float, optional
        Subject → nats that it shows in ordinary times; its evidence counts against that.
    within : set of str, optional
        What the symptom can come from; others are suspected less.

    Returns
    -------
    list of Cause
        One a service (or its instance that stands out), host and edge, the likeliest first.

    Notes
    -----
    Signals of a subject are joined by the root of their squares, those of one name once: many weak
    ones don't outweigh a strong one, as sums would.
    """
    begin = min((one.at_us for one in evidence if one.at_us is not None), default=0)
    own: dict[tuple[Kind, str], list[Ranked]] = {}
    for one in evidence:
        points = one.points
        if one.at_us is not None:
            points *= 1 - EARLY + EARLY * exp(-(one.at_us - begin) / FADES)
        if points <= 0:
            continue
        own.setdefault((one.kind, one.service), []).append((one, points))
        if one.kind == "edge":
            for end in one.service.split(ARROW, 1):
                kind: Kind = "instance" if graph.services.get(end) else "service"
                own.setdefault((kind, end), []).append((one, points))
    families: dict[str, dict[tuple[Kind, str], list[Ranked]]] = {}
    for key, ranked in own.items():
        families.setdefault(_family(key, graph), {})[key] = ranked
    found = []
    for family, members in families.items():
        kind, name, ranked = _named(family, members)
        score = _joined(ranked) * (EDGE if kind == "edge" else 1.0)
        noise = (usual or {}).get(family, 0.0)
        score /= 1 + noise
        if within is not None and family not in within and kind != "host":
            score *= UNREACHABLE
        strongest = sorted(ranked, key=lambda r: (-r[1], r[0].metric, r[0].service))
        sentences = dict.fromkeys(one.sentence for one, _ in strongest)
        against = _against(ranked, begin, noise, within is not None and family not in within)
        found.append(Cause(name, strongest[0][0].metric, round(score, 6), tuple(sentences), kind,
                           against=against, unseen=_unseen(ranked)))  # fmt: skip
    found.sort(key=lambda cause: (-cause.score, cause.service))
    return _with_shares(found, graph)


def _family(key: tuple[Kind, str], graph: Graph) -> str:
    """Service of an instance; anything else stands for itself."""
    return min(graph.services.get(key[1]) or {key[1]}) if key[0] == "instance" else key[1]


def _named(
    family: str, members: Mapping[tuple[Kind, str], list[Ranked]]
) -> tuple[Kind, str, list[Ranked]]:
    """Name a service with all its evidence, or the one instance that has nearly all of it."""
    every = [ranked for key in sorted(members) for ranked in members[key]]
    kinds = sorted(kind for kind, name in members if name == family)
    kind: Kind = kinds[0] if kinds else "service"
    parts = sorted(((_joined(ranked), name) for (kind, name), ranked in members.items()
                    if name != family), reverse=True)  # fmt: skip
    if parts:
        second = parts[1][0] if len(parts) > 1 else 0.0
        if parts[0][0] >= INSTANCE * _joined(every) and second < INSTANCE * parts[0][0]:
            return "instance", parts[0][1], every
    return kind, family, every


def _joined(ranked: Sequence[Ranked]) -> float:
    best: dict[str, float] = {}
    for one, points in ranked:
        best[one.metric] = max(best.get(one.metric, 0.0), points)
    return sqrt(fsum(points**2 for points in best.values()))


def _against(ranked: Sequence[Ranked], begin: int, noise: float, apart: bool) -> tuple[str, ...]:
    said = []
    starts = [one.at_us for one, _ in ranked if one.at_us is not None]
    late = (min(starts) - begin) / MINUTE_US if starts else 0.0
    if late >= 1:
        said.append(f"it was affected {late:.0f} min after the first")
    if noise > 1:
        said.append(f"it shows {noise:.1f} nats of such signals in ordinary times")
    if apart:
        said.append("the symptom doesn't depend on it, as far as the map knows")
    if len({one.metric for one, _ in ranked}) == 1:
        said.append("a single signal says so")
    return tuple(said)


def _unseen(ranked: Sequence[Ranked]) -> tuple[str, ...]:
    seen = {one.source for one, _ in ranked}
    names = {"alert": "alerts", "metric": "metrics", "log": "logs", "trace": "traces"}
    return tuple(names[source] for source in SOURCES if source not in seen)


def _with_shares(causes: list[Cause], graph: Graph) -> list[Cause]:
    """Give each suspect its share, and the path to the suspects that are affected by it."""
    top = causes[0].score if causes else 0.0
    weights = [exp((cause.score - top) / TEMPERATURE) for cause in causes]
    whole = fsum(weights) + exp((NOBODY - top) / TEMPERATURE)
    names = {cause.service for cause in causes}
    return [
        replace(cause, share=round(weight / whole, 4), path=_path(cause.service, names, graph))
        for cause, weight in zip(causes, weights, strict=True)
    ]


LONGEST_PATH = 6


def _path(start: str, affected: set[str], graph: Graph) -> tuple[str, ...]:
    """Follow who is affected by it, from a subject to the affected one farthest up."""
    came: dict[str, str] = {start: ""}
    level, last = [start], start
    for _ in range(LONGEST_PATH):
        fresh: dict[str, str] = {}
        for below in level:
            for name in sorted((_above(below, graph) & affected) - came.keys()):
                fresh.setdefault(name, below)
        if not fresh:
            break
        came |= fresh
        level = sorted(fresh)
        last = level[0]
    path = [last]
    while came[path[-1]]:
        path.append(came[path[-1]])
    return tuple(reversed(path)) if len(path) > 1 else ()


def _above(name: str, graph: Graph) -> set[str]:
    found = graph.callers.get(name, set()) | graph.services.get(name, set())
    guests = graph.guests.get(name, set())
    found = found | guests | {own for guest in guests for own in graph.services.get(guest, ())}
    return found | ({name.split(ARROW, 1)[0]} if ARROW in name else set())


SIGNAL_SOURCES = ("metrics", "behaviour", "delays")


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


def measured_evidence(
    window: Fault,
    graph: Graph,
    signals: Signals,
    *,
    target: Target | None = None,
    prepared: Prepared | None = None,
    sources: tuple[str, ...] = SIGNAL_SOURCES,
) -> list[CauseEvidence]:
    """Find evidence in metrics, logs and traces; arguments as of `rank`."""
    found: list[CauseEvidence] = []
    if "metrics" in sources:
        found += series_evidence(window, graph, signals, target, budgets=signals.spans is None)
    prepared = prepared or prepare(signals)
    if prepared and "behaviour" in sources:
        found += behaviour_evidence(window, prepared.behaviour)
    if prepared and "delays" in sources:
        found += self_time_evidence(window, prepared.delays)
    return found


def rank(
    window: Fault,
    graph: Graph,
    signals: Signals,
    *,
    target: Target | None = None,
    prepared: Prepared | None = None,
    sources: tuple[str, ...] = SIGNAL_SOURCES,
) -> list[Cause]:
    """Rank subjects by how likely they are the cause of what happened in a window, untrained.

    Where there are spans, the time series of latency and errors are not read: spans say the same,
    finer.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    graph : Graph
        Who calls whom.
    signals : Signals
        What was measured in the window and before it.
    target : Target or None
        The symptom, if it is known: what it doesn't depend on is suspected less.
    prepared : Prepared or None
        `prepare(signals)`, to be given if many windows of the same signals are ranked.
    sources : tuple of str
        Kinds of evidence to use, of `SIGNAL_SOURCES`.

    Returns
    -------
    list of Cause
        One a subject, most likely first; empty if nothing is unusual.
    """
    found = measured_evidence(
        window, graph, signals, target=target, prepared=prepared, sources=sources
    )
    return rank_evidence(found, graph, within=reachable(graph, target))


MOST_RANKED = 20
"""Incidents that are ranked from signals: those seen in most of them, with the most findings."""
REFERENCE, GAP, SHORTEST, LONGEST = (n * MINUTE_US for n in (120, 5, 10, 60))
"""Ordinary time before an incident; its last minutes, that may be part of it; length looked at."""
METRIC_REFERENCE = 360 * MINUTE_US
MOST_SPANS, MOST_LINES, MOST_SERIES, MOST_ROWS = 50_000, 50_000, 2_000, 1_000_000

Ranker = Callable[[int, int, str], Sequence[CauseEvidence]]
"""Finds evidence for start, end (microseconds) and the most affected service."""


def ranker(params: AiopsParams, window: Window, graph: Graph, found: Sequence[Incident]) -> Ranker:
    """Build the finder of evidence on some incidents, the weightiest, and of none of the others.

    Parameters
    ----------
    params : AiopsParams
        Where the lake lies.
    window : Window
        Nothing after its end is read.
    graph : Graph
        Who calls whom.
    found : sequence of Incident
        Incidents, grouped and not yet ranked.

    Returns
    -------
    Ranker
        Function of start and end (microseconds since 1970) and the most affected service.
    """

    def weight(incident: Incident) -> tuple[int, int, int, str]:
        signals = {entry.what for entry in incident.timeline if entry.what != "change"}
        return (-len(signals), -len(incident.findings), incident.start_us, incident.id)

    ordered = sorted(found, key=weight)
    chosen = {(incident.start_us, incident.end_us) for incident in ordered[:MOST_RANKED]}

    def find_evidence(start_us: int, end_us: int, worst: str) -> Sequence[CauseEvidence]:
        if (start_us, end_us) not in chosen:
            return ()
        end = min(max(end_us, start_us + SHORTEST), start_us + LONGEST, window.end_us)
        if end <= start_us:
            return ()
        fault = Fault(
            start_us,
            end,
            ((start_us - REFERENCE, start_us - GAP),),
            ((start_us - METRIC_REFERENCE, start_us - GAP),),
        )
        return measured_evidence(fault, graph, signals(params, start_us, end))

    return find_evidence


def signals(params: AiopsParams, start_us: int, end_us: int) -> Signals:
    """Read what was measured around an incident.

    Parameters
    ----------
    params : AiopsParams
        Where the lake lies.
    start_us, end_us : int
        Time of the incident, microseconds since 1970.

    Returns
    -------
    Signals
        Series, a sample of whole traces, and their log lines.
    """
    short = _window(start_us - REFERENCE, end_us)
    sample = _sample(params, short)
    spans = _spans(params, short, sample)
    return Signals(
        _series(params, _window(start_us - METRIC_REFERENCE, end_us)),
        spans,
        _logs(params, short, sample) if spans else None,
    )


def _window(start_us: int, end_us: int) -> Window:
    return Window(
        EPOCH + timedelta(seconds=start_us // SECOND_US),
        EPOCH + timedelta(seconds=-(-end_us // SECOND_US)),
    )


def _series(params: AiopsParams, window: Window) -> tuple[Series, ...]:
    table = rows_between(params, METRICS, window, most=MOST_ROWS)
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for grid in grids(table, MOST_SERIES, window.end_us):
        times = [grid.start_us + i * grid.step_us for i in range(grid.values.shape[1])]
        for subject, values in zip(grid.subjects, grid.values.tolist(), strict=True):
            service = service_of(subject.labels)
            known = [(at, x) for at, x in zip(times, values, strict=True) if isfinite(x)]
            if service and known:
                points.setdefault((service, subject.name), []).extend(known)
    return tuple(
        Series(service, name, *columns_of(sorted(own), role_of(name)), role_of(name))
        for (service, name), own in sorted(points.items())
    )


def _sample(params: AiopsParams, window: Window) -> str:
    """Condition that keeps whole traces, so many that their spans are about `MOST_SPANS`."""
    ids = rows_between(params, SPANS, window, columns=["trace_id"])
    every = -(-len(ids) // MOST_SPANS)
    return f"md5_number_lower(trace_id) % {every} = 0" if every > 1 else "true"


def _spans(params: AiopsParams, window: Window, sample: str) -> Spans | None:
    rows = rows_between(params, SPANS, window, where=sample, most=2 * MOST_SPANS)
    return spans_of(rows) if len(rows) else None


def _logs(params: AiopsParams, window: Window, sample: str) -> Logs | None:
    where = f"coalesce(trace_id, '') <> '' AND {sample}"
    rows = rows_between(params, LOGS, window, where=where, most=MOST_LINES)
    if not len(rows):
        return None
    mined = mine(rows["body"].combine_chunks())
    return logs_of(rows, mined.codes.tolist(), [template.text for template in mined.templates])

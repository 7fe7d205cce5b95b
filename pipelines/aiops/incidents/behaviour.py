"""Evidence from traces and logs: what a service does next that it ordinarily doesn't do.

Each span is two chains of events: its log templates, and the calls it makes, both from start to
end, with repetitions counted (an event twice is another event than once). Ordinary traffic says how
often one event follows another within an operation of a service; a fault shows as followers that
become much more frequent: an error, an early end, a loop that runs once. As this is conditional on
what went before, a changed mix of requests doesn't count. A span's oddity is explained away where a
span below it is odd as well: the deepest is blamed. The idea of comparing successions of events
before and during a fault is that of Nezha (Yu et al., ESEC/FSE 2023).
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.incidents.budgets import CauseEvidence
from pipelines.aiops.incidents.model import FaultWindow, Floats, Ints, Logs, Signals, Spans, inside

THRESHOLD = 5.0
"""Nats of the likelihood ratio below which a follower isn't more frequent than before."""
SEEN = 3
"""Occurrences of the event before it, below which the past says nothing."""
ORDINARY = 0.6
"""A follower this frequent in the past isn't odd."""
BAD = 2.0
"""Factor for followers that are errors or early ends: another branch is more often just data."""
EXPLAINED = 0.25
"""What remains of an oddity if a span below is odd as well: it may be odd by itself."""
LOG2 = 5
"""Repetitions are told apart up to 2**LOG2, in powers of two."""
BAD_WORDS = re.compile(
    r"\b(error|exception|fail(ed|ure)?|fatal|panic|traceback|refused|denied|time(d )?out)\b"
    r"|\w(Error|Exception)\b",
    re.IGNORECASE,
)
START, END = "its start", "its end"


@dataclass(frozen=True)
class Successions:
    """Successions of events in all spans, ready to be compared for any window.

    Attributes
    ----------
    start : array of int64, shape (spans,), microseconds since 1970
        Start of each span.
    parent : array of int64, shape (spans,)
        Row of each span's parent, -1 for none.
    owner, follows : array of int64, shape (occurrences,)
        Span and succession (row of `context`, `after`) of each occurrence.
    context : array of int64, shape (k,)
        For each succession the number of its operation and the event before.
    service : list of str, shape (k,)
        For each succession, its service.
    operation : list of str, shape (k,)
        For each succession, the span's name.
    before, after : list of str, shape (k,)
        For each succession, the event before and the one that follows, in words.
    bad : array of bool, shape (k,)
        For each succession, whether what follows is an error or an early end.
    """

    start: Ints
    parent: Ints
    owner: Ints
    follows: Ints
    context: Ints
    service: list[str]
    operation: list[str]
    before: list[str]
    after: list[str]
    bad: NDArray[np.bool_]


def prepare_behaviour(signals: Signals) -> Successions | None:
    """Find and number the successions of events in all spans, once for all windows.

    Parameters
    ----------
    signals : Signals
        Spans, and log lines if there are any.

    Returns
    -------
    Successions or None
        None without spans.
    """
    if signals.spans is None or not len(signals.spans.start):
        return None
    spans, logs = signals.spans, signals.logs
    row = {key: i for i, key in enumerate(zip(spans.trace, spans.span, strict=True))}
    parent = np.array(
        [row.get(key, -1) for key in zip(spans.trace, spans.parent, strict=True)], np.int64
    )
    operations, operation = _operations(spans, parent)
    calls = _calls(spans, parent)
    texts = [*logs.texts] if logs else []
    names = sorted(set(calls[2]))
    number = {name: len(texts) + i for i, name in enumerate(names)}
    events = [*texts, *(f"a call of {name}" for name in names)]
    token = np.array([number[name] for name in calls[2]], np.int64)
    parts = [(calls[0] * 2 + 1, calls[1], token)]
    if logs:
        parts.append(_lines(logs, row))
    group, at, token = (np.concatenate(column) for column in zip(*parts, strict=True))
    owner, before, after, chain = _successions(group, at, token, len(spans.start), len(events))
    return _numbered(spans, parent, (operations, operation), events, (owner, before, after, chain))


def _operations(spans: Spans, parent: Ints) -> tuple[list[tuple[str, str]], Ints]:
    """Operation of each span: service, name, and the operation or service that it is for."""
    keys = []
    for i, above in enumerate(parent.tolist()):
        same = above >= 0 and spans.service[above] == spans.service[i]
        within = "" if above < 0 else spans.name[above] if same else f"<-{spans.service[above]}"
        keys.append((spans.service[i], spans.name[i], within))
    known = sorted(set(keys))
    number = {key: i for i, key in enumerate(known)}
    return [key[:2] for key in known], np.array([number[key] for key in keys], np.int64)


def _calls(spans: Spans, parent: Ints) -> tuple[Ints, Ints, list[str]]:
    child = np.flatnonzero(parent >= 0)
    names = [f"{spans.service[i]} {spans.name[i]}" for i in child.tolist()]
    return parent[child], spans.start[child], names


def _lines(logs: Logs, row: dict[tuple[str, str], int]) -> tuple[Ints, Ints, Ints]:
    span = np.array([row.get(key, -1) for key in zip(logs.trace, logs.span, strict=True)], np.int64)
    mine = span >= 0
    return span[mine] * 2, logs.at[mine], logs.code[mine]


def _successions(
    group: Ints, at: Ints, token: Ints, spans: int, events: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Give each succession's span, event before, event after (with repetitions), and chain.

    Event `events` is the start, ``events * (LOG2 + 1)`` as a follower is the end.
    """
    order = np.lexsort((token, at, group))
    group, at, token = group[order], at[order], token[order]
    # The same event at the same time, logged twice, is one event.
    once = np.ones(len(group), bool)
    once[1:] = (np.diff(group) != 0) | (np.diff(at) != 0) | (np.diff(token) != 0)
    group, token = group[once], token[once]
    # Repetitions in a row become one event with the power of two of their number.
    first = np.ones(len(group), bool)
    first[1:] = (np.diff(group) != 0) | (np.diff(token) != 0)
    begins = np.flatnonzero(first)
    length = np.diff(np.append(begins, len(group)))
    power = np.minimum(np.ceil(np.log2(np.maximum(length, 1))).astype(np.int64), LOG2)
    group, token = group[begins], token[begins]
    # Each chain begins with the start and ends with the end, so that both can be odd.
    opens = np.ones(len(group), bool)
    opens[1:] = np.diff(group) != 0
    previous = np.where(opens, events, np.roll(token, 1)) if len(token) else token
    last = np.full(2 * spans, events, np.int64)
    last[group] = token  # the last of several assignments stays
    groups = np.append(group, np.arange(2 * spans))
    before = np.append(previous, last)
    after = np.append(token * (LOG2 + 1) + power, np.full(2 * spans, events * (LOG2 + 1)))
    return groups // 2, before, after, groups % 2


def _numbered(
    spans: Spans,
    parent: Ints,
    operations: tuple[list[tuple[str, str]], Ints],
    events: list[str],
    found: tuple[Ints, Ints, Ints, Ints],
) -> Successions:
    owner, before, after, chain = found
    names, operation = operations
    size = len(events) + 1
    # Operation, chain and event as one number, then context and follower: two sorts in all.
    codes, context = np.unique((operation[owner] * 2 + chain) * size + before, return_inverse=True)
    wide = size * (LOG2 + 1)
    pairs, follows = np.unique(context * wide + after, return_inverse=True)
    of = codes[pairs // wide]
    where = [names[i] for i in (of // size // 2).tolist()]
    then, power = (pairs % wide) // (LOG2 + 1), (pairs % wide) % (LOG2 + 1)
    wrong = np.array([bool(BAD_WORDS.search(text)) for text in events] + [True])
    return Successions(
        start=spans.start,
        parent=parent,
        owner=owner,
        follows=follows.astype(np.int64),
        context=pairs // wide,
        service=[service for service, _ in where],
        operation=[name for _, name in where],
        before=[_called(events, i, START) for i in (of % size).tolist()],
        after=[
            _called(events, i, END) + (f" (up to {1 << n} times)" if n else "")
            for i, n in zip(then.tolist(), power.tolist(), strict=True)
        ],
        bad=wrong[then],
    )


def _called(events: list[str], number: int, otherwise: str) -> str:
    return events[number] if number < len(events) else otherwise


def behaviour_evidence(window: FaultWindow, behaviour: Successions) -> list[CauseEvidence]:
    """Blame services whose spans do what they ordinarily don't, if no span below does so too.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    behaviour : Successions
        Successions of all spans.

    Returns
    -------
    list of CauseEvidence
        At most one piece of evidence a service, by name.

    Notes
    -----
    Log likelihood ratios of shares (Dunning 1993); the idea of successions is Nezha's (Yu et al.,
    ESEC/FSE 2023).
    """
    now = (behaviour.start >= window.start) & (behaviour.start < window.end)
    past = inside(behaviour.start, window.reference)
    weight, counts = _odd(behaviour, now, past)
    here = now[behaviour.owner] & (weight[behaviour.follows] > 0)
    owner, follows = behaviour.owner[here], behaviour.follows[here]
    if not len(owner):
        return []
    # A span counts once, for its oddest succession.
    order = np.lexsort((follows, weight[follows], owner))
    owner, follows = owner[order], follows[order]
    strongest = np.append(np.diff(owner) != 0, True)
    span, succession = owner[strongest], follows[strongest]
    explained = _explained(span, behaviour.parent)
    total = np.bincount(succession, minlength=len(weight))
    own = np.bincount(succession[~explained[span]], minlength=len(weight))
    points = weight * (own + EXPLAINED * (total - own)) / np.maximum(total, 1)
    return _strongest(behaviour, points, counts)


def _odd(
    behaviour: Successions, now: NDArray[np.bool_], past: NDArray[np.bool_]
) -> tuple[Floats, tuple[Ints, ...]]:
    """Weight each succession by how much more frequent it has become; 0 if it hasn't."""
    a = _counted(behaviour, now)
    b = _counted(behaviour, past)
    contexts = int(behaviour.context.max(initial=-1)) + 1
    a_all = np.bincount(behaviour.context, a, contexts)[behaviour.context].astype(float)
    b_all = np.bincount(behaviour.context, b, contexts)[behaviour.context].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        more = a * b_all > b * a_all
        ordinary = b > ORDINARY * b_all
    ratio = likelihood_ratio(a, a_all, b, b_all)
    odd = more & ~ordinary & (b_all >= SEEN) & (ratio > THRESHOLD)
    weight = np.where(odd, ratio, 0.0) * np.where(behaviour.bad, BAD, 1.0) / BAD
    return weight, _whole(a, a_all, b, b_all)


def _counted(behaviour: Successions, spans: NDArray[np.bool_]) -> Floats:
    follows = behaviour.follows[spans[behaviour.owner]]
    return np.bincount(follows, minlength=len(behaviour.context)).astype(float)


def _whole(*counts: Floats) -> tuple[Ints, ...]:
    return tuple(count.astype(np.int64) for count in counts)


def likelihood_ratio(k1: Floats, n1: Floats, k0: Floats, n0: Floats) -> Floats:
    """Compute the log likelihood ratio of two shares against one common share (Dunning, 1993).

    Parameters
    ----------
    k1, n1 : array of float64, shape (k,)
        Hits and trials of the first sample.
    k0, n0 : array of float64, shape (k,)
        Hits and trials of the second sample.

    Returns
    -------
    array of float64, shape (k,)
        Nats, at least 0.
    """
    return _entropy(k1, n1) + _entropy(k0, n0) - _entropy(k1 + k0, n1 + n0)


def _entropy(k: Floats, n: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        yes = np.where(k > 0, k * np.log(k / n), 0.0)
        no = np.where(n > k, (n - k) * np.log((n - k) / n), 0.0)
    return yes + no


def _explained(span: Ints, parent: Ints) -> NDArray[np.bool_]:
    """Mark all spans above one of these; stops in circles."""
    marked = np.zeros(len(parent), bool)
    above = np.unique(parent[span])
    above = above[above >= 0]
    while len(above):
        marked[above] = True
        above = np.unique(parent[above])
        above = above[above >= 0]
        above = above[~marked[above]]
    return marked


def _strongest(
    behaviour: Successions, points: Floats, counts: tuple[Ints, ...]
) -> list[CauseEvidence]:
    best: dict[str, int] = {}
    for i in np.flatnonzero(points > 0).tolist():
        name = behaviour.service[i]
        if name not in best or points[i] > points[best[name]]:
            best[name] = i
    a, a_all, b, b_all = counts
    return [
        CauseEvidence(
            name,
            "behaviour",
            float(points[i]),
            f"{behaviour.operation[i]}: after {behaviour.before[i][:160]!r} came "
            f"{behaviour.after[i][:160]!r} {a[i]} of {a_all[i]} times, before {b[i]} of {b_all[i]}",
            source="trace",
        )
        for name, i in sorted(best.items())
    ]

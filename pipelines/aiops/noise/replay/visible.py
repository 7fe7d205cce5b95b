"""What each tick gets to see: who fires and who is resolved, after everything kept back is out."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.noise.arrays import Bools, Ints, heads, merged, order_of, search
from pipelines.aiops.noise.replay.lifetimes import Members
from pipelines.aiops.noise.replay.model import Spells
from pipelines.aiops.noise.replay.suppression import Pieces


@dataclass(frozen=True)
class Firing:
    """Stretches of ticks at which a member is seen firing.

    Attributes
    ----------
    member, start, end
        Which member; first tick that sees it, first tick that doesn't; sorted by pair and start.
    pair
        Number of its (group, series).
    whole
        Number of the unbroken stretch of the pair that it is part of: an alert that ends and
        comes back between two ticks is never seen to be away.
    """

    member: Ints
    start: Ints
    end: Ints
    pair: Ints
    whole: Ints


@dataclass(frozen=True)
class Resolved:
    """Ticks that see a member resolved; sorted by pair and time."""

    member: Ints
    time: Ints
    pair: Ints


def _gaps(pieces: Pieces) -> tuple[Ints, Ints, Ints]:
    return merged(pieces.member, pieces.start, pieces.end)[:3]


def _cut(members: Members, gaps: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """Stretches ``[seen, gone)`` of all members without the gaps: (member, start, end)."""
    who, start, end = gaps
    first, last = heads(who), np.ones(len(who), dtype=bool)
    last[:-1] = first[1:]
    free = np.ones(len(members), dtype=bool)
    free[who] = False
    free_at = np.flatnonzero(free)
    before = np.where(first, members.seen[who], 0)
    before[~first] = end[np.flatnonzero(~first) - 1]
    rows = (
        np.concatenate([free_at, who, who[last]]),
        np.concatenate([members.seen[free_at], before, end[last]]),
        np.concatenate([members.gone[free_at], start, members.gone[who[last]]]),
    )
    starts = np.maximum(rows[1], members.seen[rows[0]])
    ends = np.minimum(rows[2], members.gone[rows[0]])
    some = starts < ends
    return rows[0][some], starts[some], ends[some]


def _pairs(members: Members, spells: Spells) -> Ints:
    wide = int(spells.series.max(initial=0)) + 1
    code = members.group * wide + spells.series[members.spell]
    pair: Ints = np.unique(code, return_inverse=True)[1].astype(np.int64)
    return pair


def _overtaken(members: Members, pair: Ints) -> Bools:
    """Members whose end no tick sees, because the alert is back (or back and gone) by then."""
    order = order_of(pair, members.spell)
    here, after = order[:-1], order[1:]
    found = np.zeros(len(members), dtype=bool)
    found[here] = (pair[here] == pair[after]) & (members.seen[after] <= members.gone[here])
    return found


def see(members: Members, spells: Spells, pieces: Pieces) -> tuple[Firing, Resolved]:
    """Work out what ticks see."""
    pair = _pairs(members, spells)
    gaps = _gaps(pieces)
    who, start, end = _cut(members, gaps)
    order = order_of(pair[who], start)
    who, start, end = who[order], start[order], end[order]
    whole = merged(pair[who], start, end)[3]
    firing = Firing(who, start, end, pair[who], whole)
    ended = np.flatnonzero(~_overtaken(members, pair))
    if len(gaps[0]):
        at = search(gaps[0], gaps[2], ended, members.gone[ended])
        inside = np.minimum(at, len(gaps[0]) - 1)
        hidden = (
            (gaps[0][inside] == ended)
            & (gaps[1][inside] <= members.gone[ended])
            & (at < len(gaps[0]))
        )
        ended = ended[~hidden]
    ended = ended[order_of(pair[ended], members.gone[ended])]
    return firing, Resolved(ended, members.gone[ended], pair[ended])

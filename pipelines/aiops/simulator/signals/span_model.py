"""Spans as columns, before they get ids and names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.simulator.signals.names import Floats

Ints = NDArray[np.int64]
Block = dict[str, NDArray[np.generic]]
"""Columns of some spans, or of requests."""
SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = range(5)
KINDS = ("server", "client", "producer", "consumer", "internal")
NOBODY = -1


@dataclass(frozen=True)
class Spans:
    """Spans of all traces; parents come before their children.

    Attributes
    ----------
    trace, parent, link
        Numbers of the trace, and of other spans; `NOBODY`: none.
    under
        Span that it takes part of the time of: the parent, but of what is asynchronous.
    peer
        Service that a client or producer talks to.
    at
        When it began, about: seconds since the world's start.
    own
        Seconds of its own, without calls.
    """

    trace: Ints
    parent: Ints
    under: Ints
    link: Ints
    kind: Ints
    service: Ints
    peer: Ints
    instance: Ints
    at: Floats
    own: Floats
    error: NDArray[np.bool_]


def joined(blocks: Sequence[Block]) -> Spans:
    """Make one of the blocks in which spans grew."""

    def column(name: str, kind: type) -> "NDArray[np.generic]":
        return np.concatenate([np.empty(0, kind), *(block[name] for block in blocks)])

    kinds = {"at": np.float64, "own": np.float64, "error": np.bool_}
    names = Spans.__dataclass_fields__
    found: dict[str, Any] = {name: column(name, kinds.get(name, np.int64)) for name in names}
    return Spans(**found)

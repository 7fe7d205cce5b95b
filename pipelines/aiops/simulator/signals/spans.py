"""Spans of a world: durations and errors travel up a trace, starts travel down."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.params.simulate import SignalsParams
from pipelines.aiops.simulator.model import World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.edges import EdgeChange
from pipelines.aiops.simulator.signals.load import Load
from pipelines.aiops.simulator.signals.names import Floats
from pipelines.aiops.simulator.signals.span_growth import grow
from pipelines.aiops.simulator.signals.span_model import CLIENT, NOBODY, PRODUCER, Ints, Spans
from pipelines.aiops.simulator.signals.span_rows import span_rows
from pipelines.aiops.simulator.signals.troubles import Trouble

if TYPE_CHECKING:
    import pyarrow as pa

LOST = 0.012
"""Share of spans that never arrive."""
HANDLED = 0.4
"""Share of failed calls that the caller does without."""


def span_table(
    world: World,
    load: Load,
    troubles: Sequence[Trouble],
    changes: Sequence[EdgeChange],
    settings: SignalsParams,
) -> "pa.Table":
    """Rows of table ``spans``, sorted by start."""
    days = min(settings.span_days, settings.days)
    since = world.seconds - days * 86400
    spans = grow(world, load, troubles, changes, since=since, number=days * settings.spans_per_day)
    rng = stream(world.seed, "span times")
    levels = _levels(spans)
    error = _errors(rng, spans, levels)
    length = _lengths(spans, levels)
    start = _starts(spans, levels, length)
    kept = (rng.random(len(start)) >= LOST) & (start >= since) & (start < world.seconds)
    return span_rows(
        world, spans, start=start, length=length, error=error, kept=np.flatnonzero(kept)
    )


def _levels(spans: Spans) -> list[Ints]:
    """Spans by how many others they are part of; level 0 first."""
    depth = np.zeros(len(spans.under), np.int64)
    found, n = [np.flatnonzero(spans.under == NOBODY)], 0
    while len(found[-1]):
        depth[found[-1]] = n
        reached = np.zeros(len(depth), bool)
        reached[found[-1]] = True
        inner = (spans.under != NOBODY) & reached[np.where(spans.under == NOBODY, 0, spans.under)]
        found.append(np.flatnonzero(inner))
        n += 1
    return found[:-1]


def _errors(
    rng: np.random.Generator, spans: Spans, levels: list[Ints]
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    error = spans.error.copy()
    handled = rng.random(len(error)) < HANDLED
    calls = (spans.kind == CLIENT) | (spans.kind == PRODUCER)
    for level in reversed(levels[1:]):
        # An error of the called is one of the call; one of a call is not always the caller's.
        tells = level[error[level] & (~calls[level] | ~handled[level])]
        error[spans.under[tells]] = True
    return error


def _lengths(spans: Spans, levels: list[Ints]) -> Floats:
    length = spans.own.copy()
    for level in reversed(levels[1:]):
        np.add.at(length, spans.under[level], length[level])
    return length


def _starts(spans: Spans, levels: list[Ints], length: Floats) -> Floats:
    """Let calls of a span come one after another, once a third of its own time has passed."""
    start = spans.at.copy()
    for found in levels[1:]:
        level = found[np.argsort(spans.under[found], kind="stable")]
        above = spans.under[level]
        before = np.cumsum(length[level]) - length[level]
        first = np.searchsorted(above, above)
        start[level] = start[above] + spans.own[above] * 0.3 + before - before[first]
    return start

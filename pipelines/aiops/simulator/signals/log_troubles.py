"""Log lines that a trouble brings."""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.simulator.model import World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.log_texts import BROKEN, NEW, PASSED_ON, TRACES
from pipelines.aiops.simulator.signals.log_words import Lines, written
from pipelines.aiops.simulator.signals.names import Floats
from pipelines.aiops.simulator.signals.troubles import Trouble
from pipelines.aiops.simulator.vocabulary import NOUNS

PER_HOUR = 40.0
"""Lines of one message in an hour of trouble at full force."""
FIRST = 0.4
"""Below this force a service that calls the broken one writes nothing about it."""


def trouble_lines(
    world: World, troubles: Sequence[Trouble], begin: float, codes: Sequence[int]
) -> list[Lines]:
    """Draw the lines that the troubles of one service bring.

    Parameters
    ----------
    begin
        Seconds since the world's start; what comes before is left out.
    codes
        Error codes of the service; the last is written in trouble only.
    """
    found = []
    for one in troubles:
        if speaks(one):
            rng = stream(world.seed, "log troubles", one.fault, one.service)
            found += [_after(lines, begin) for lines in _lines(rng, world, one, codes)]
    return found


def speaks(trouble: Trouble) -> bool:
    """Whether logs say anything about it."""
    return trouble.depth == 0 or trouble.force >= FIRST


def _lines(
    rng: np.random.Generator, world: World, one: Trouble, codes: Sequence[int]
) -> list[Lines]:
    texts = BROKEN[one.kind] if one.depth == 0 else PASSED_ON
    peers = [world.services[one.root].name]
    usual = list(codes[:3])
    found = []
    for n, text in enumerate(texts):
        trace = TRACES[one.service % len(TRACES)] if n == 0 and one.depth else ""
        at = _times(rng, world, one, PER_HOUR / (1 + n))
        found.append(written(rng, "error", text + trace, at, peers=peers, codes=usual))
    if one.new_line:
        words = [str(word) for word in rng.choice(NOUNS, 2, replace=False)]
        text = NEW[int(rng.integers(len(NEW)))].format(a=words[0], b=words[1])
        at = _times(rng, world, one, PER_HOUR / 3)
        found.append(written(rng, "error", text, at, peers=peers, codes=usual))
    if one.new_code:
        at = _times(rng, world, one, PER_HOUR / 2)
        known = "request {id} failed code=E{code} user={user}"
        text = (
            known if world.services[one.service].layer < 2 else "message {id} rejected code=E{code}"
        )
        found.append(written(rng, "error", text, at, peers=peers, codes=codes[-1:]))
    return found


def _times(rng: np.random.Generator, world: World, one: Trouble, per_hour: float) -> Floats:
    end = min(one.end, world.seconds)
    hours = max(end - one.start, 0.0) / 3600
    number = int(rng.poisson(per_hour * one.force * min(hours, 3.0)))
    return np.sort(rng.uniform(one.start, end, number))


def _after(lines: Lines, begin: float) -> Lines:
    kept = lines.at >= begin
    bodies = [body for body, keep in zip(lines.bodies, kept.tolist(), strict=True) if keep]
    return Lines(lines.at[kept], bodies, lines.severity, lines.instance[kept])

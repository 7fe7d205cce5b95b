"""How many alerts each pattern of noise gets, so that the world has about as many as asked for."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.aiops.simulator.model import Deployment, Noise, World

EVENTS_A_TIME = 8
"""Events that fixed hours or a deployment have at most."""
MERGED = 1.1
"""Of eleven alerts one overlaps with another of its series, about, and they become one."""
WEEKDAYS = 7


def fit_budgets(
    world: World, noise: Sequence[Noise], deployments: Sequence[Deployment], total: float
) -> tuple[Noise, ...]:
    """Give out `total` alerts by the patterns' weights.

    What fixed hours and deployments cannot hold goes to the patterns that come at any time.
    """
    counts: dict[int, int] = {}
    for one in deployments:
        counts[one.service] = counts.get(one.service, 0) + 1
    wished = [one.budget * total * MERGED for one in noise]
    room = [_room(world, one, counts.get(one.service, 0)) for one in noise]
    given = [min(want, limit) for want, limit in zip(wished, room, strict=True)]
    open_ended = sum(want for want, limit in zip(wished, room, strict=True) if want < limit)
    left = sum(wished) - sum(given)
    grow = 1 + left / open_ended if open_ended else 1.0
    return tuple(
        replace(one, budget=budget * (grow if budget < limit else 1.0))
        for one, budget, limit in zip(noise, given, room, strict=True)
    )


def _room(world: World, pattern: Noise, deployments: int) -> float:
    """Alerts that a pattern can hold."""
    part = (pattern.until - pattern.since) / world.seconds
    if pattern.family in {"nightly", "weekly"}:
        days = world.days * part * len(pattern.weekdays) / WEEKDAYS
        return days * pattern.hits * EVENTS_A_TIME
    if pattern.family == "deployment":
        return deployments * part * pattern.hits * EVENTS_A_TIME
    return float("inf")

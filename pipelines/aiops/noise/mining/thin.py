"""A part of the history to find candidates on; whatever is found is counted on the whole."""

from math import gcd

from pipelines.aiops.noise.mining.episodes import Episodes

HOUR_MS = 3_600_000


def every_hours(count: int, wanted: int) -> int:
    """Step between hours that leaves about `wanted` of `count` and meets every hour of the day."""
    step = max(1, -(-count // wanted))
    while gcd(step, 24) != 1:
        step += 1
    return step


def thinned(episodes: Episodes, wanted: int) -> Episodes:
    """Keep whole hours, so many that about `wanted` episodes stay."""
    step = every_hours(len(episodes), wanted)
    return episodes if step == 1 else episodes.where(episodes.start // HOUR_MS % step == 0)

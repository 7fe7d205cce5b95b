"""Calls that deployments change: some become slower, some are new."""

from dataclasses import dataclass

from pipelines.aiops.simulator.model import Timeline, World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.load import Load
from pipelines.aiops.simulator.signals.names import Names

SLOWER, NEW = 0.1, 0.05
"""Shares of deployments that make a call slower, and that add one."""


@dataclass(frozen=True)
class EdgeChange:
    """A call that is another one since a deployment.

    Attributes
    ----------
    slow
        Times as long as before; 0: the call is new.
    change
        Position of the deployment.
    """

    caller: int
    called: int
    start: float
    end: float
    slow: float
    change: int

    @property
    def kind(self) -> str:
        """``slow_edge`` or ``new_edge``."""
        return "slow_edge" if self.slow else "new_edge"


def edge_changes(world: World, timeline: Timeline, load: Load) -> list[EdgeChange]:
    """Draw which deployments changed a call, by time."""
    names = Names(world)
    rng = stream(world.seed, "edges")
    found: list[EdgeChange] = []
    for n, change in enumerate(timeline.deployments):
        draw, turn, slow, days = (
            rng.random(),
            rng.random(),
            rng.uniform(1.6, 3.5),
            rng.uniform(1, 6),
        )
        caller = names.thing(change.service)
        if change.kind != "deployment" or draw >= SLOWER + NEW:
            continue
        calls = sorted(called for one, called in load.calls if one == caller)
        if draw >= SLOWER:
            calls = [
                one.index for one in names.things if one.index not in calls and _fits(one.layer)
            ]
        if calls:
            end = min(world.seconds, change.at + days * 86400)
            called = calls[int(turn * len(calls))]
            end = end if draw < SLOWER else world.seconds
            found.append(EdgeChange(caller, called, change.at, end,
                                    float(slow) if draw < SLOWER else 0.0, n))  # fmt: skip
    return found


def _fits(layer: int) -> bool:
    """Whether anybody may begin to call a service of a layer: a store, so there is no circle."""
    return layer == 3

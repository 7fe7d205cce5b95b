"""Compare two maps: what appeared, vanished, slowed or fails more, beyond chance."""

from dataclasses import dataclass
from typing import Any

from pipelines.aiops.service_map.model import ANY, ServiceMap
from pipelines.aiops.service_map.moved import (
    DEFAULT_SETTINGS,
    KINDS,
    Moved,
    MoveSettings,
    moves,
    side,
)
from pipelines.base.errors import SignalboxError


@dataclass(frozen=True)
class Diff:
    """What differs between two maps.

    Attributes
    ----------
    moved
        Edges, by kind (`moved.KINDS`), the least by chance first.
    appeared, vanished
        Nodes, sorted.
    tests
        Comparisons that chances are adjusted for.
    """

    moved: list[Moved]
    appeared: list[str]
    vanished: list[str]
    tests: int

    def as_data(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "moved": [one.as_data() for one in self.moved],
            "nodes_appeared": self.appeared,
            "nodes_vanished": self.vanished,
            "tests": self.tests,
        }


def diff_maps(old: ServiceMap, new: ServiceMap, settings: MoveSettings = DEFAULT_SETTINGS) -> Diff:
    """Compare two maps with windows of the same length.

    Compare like with like: the same hours of the day, the same days of the week. Rates are not
    compared unless ``settings.rates`` is set, because they follow the hour.

    Raises
    ------
    SignalboxError
        If windows differ in length.
    """
    if old.window_us != new.window_us:
        raise SignalboxError(
            f"service maps have windows of {old.window_us} and {new.window_us} µs; build them alike"
        )
    sides = [side(one.windows, windows_of(one)) for one in (old, new)]
    keys = {key for one in sides for key in one.rows if key[0] != ANY}
    moved, tests = moves(sides[0], sides[1], keys, settings)
    before, after = ({node.id for node in one.nodes} for one in (old, new))
    return Diff(in_order(moved), sorted(after - before), sorted(before - after), tests)


def in_order(moved: list[Moved]) -> list[Moved]:
    """Sort by kind, then by chance, then by name."""
    return sorted(moved, key=lambda m: (KINDS.index(m.kind), m.p, m.source, m.target))


def windows_of(service_map: ServiceMap) -> int:
    """Count the windows of a map's time, those without calls too."""
    first, length = service_map.start_us // service_map.window_us, service_map.window_us
    return max(0, -(-service_map.end_us // length) - first)

"""What moved after a change beyond chance: on the service, downstream, upstream, elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.findings import Finding, finding_id, read_as
from pipelines.aiops.lake.window import Window
from pipelines.aiops.service_map.edge_changes import (
    EdgeChange,
    MoveSettings,
    RecordedDiff,
    RecordedEdgeChange,
    in_order,
    moves,
    side,
)
from pipelines.aiops.service_map.impact import hops
from pipelines.aiops.service_map.model import ANY, Key, ServiceMap
from pipelines.aiops.service_map.peers import kind_of
from pipelines.core.time import SECOND_US

RELATIONS = ("on it", "downstream", "upstream", "elsewhere")
SETTINGS = MoveSettings(rates=True)
_MOST = 300.0


@dataclass(frozen=True)
class ChangeImpact:
    """What moved after a change.

    Attributes
    ----------
    service : str
        Service that was changed; empty: not known.
    at_us : int
        When, microseconds UTC.
    moved : list of EdgeChange
        What moved beyond chance, by relation (`RELATIONS`), then as in a diff. What moved elsewhere
        shows how much moves anyway.
    windows : tuple of (int, int)
        Windows before and after that were compared; the one with the change in it is left out.
    tests : int
        Comparisons that p-values are adjusted for.
    note : str
        Why there is nothing to compare; empty if there is.
    """

    service: str
    at_us: int
    moved: list[EdgeChange]
    windows: tuple[int, int]
    tests: int
    note: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON values.

        Returns
        -------
        dict
            Keys of `RecordedImpact`, but for those of the change.
        """
        return {
            "service": self.service,
            "at_us": self.at_us,
            "moved": [change.as_data() for change in self.moved],
            "windows_before": self.windows[0],
            "windows_after": self.windows[1],
            "tests": self.tests,
            "note": self.note,
        }


def change_impact(
    service_map: ServiceMap,
    service: str,
    at_us: int,
    *,
    seconds_before: int = 3600,
    seconds_after: int = 3600,
    settings: MoveSettings = SETTINGS,
) -> ChangeImpact:
    """Compare the windows right before a change with those right after it.

    Parameters
    ----------
    service_map : ServiceMap
    service : str
        Service that was changed; empty: not known, then everything is elsewhere.
    at_us : int
        When, microseconds UTC. A change after the end of the map, or before its begin, moves
        nothing that the map knows; `ChangeImpact.note` says so.
    seconds_before, seconds_after : int
        How much time to compare on each side, seconds; whole windows within the map count.
    settings : MoveSettings
        From when on something has moved.

    Returns
    -------
    ChangeImpact
        Only what is beyond chance; nearest to the service first.
    """
    length = service_map.window_us
    last_before, first_after = at_us // length * length, -(-at_us // length) * length
    start, end = service_map.start_us, service_map.end_us
    first = max(last_before - seconds_before * SECOND_US, -(-start // length) * length)
    last = min(first_after + seconds_after * SECOND_US, end // length * length)
    counts = (max(0, last_before - first) // length, max(0, last - first_after) // length)
    if not all(counts):
        which = "after" if counts[0] else "before"
        note = f"the map has no whole window {which} the change, so there is nothing to compare"
        return ChangeImpact(service, at_us, [], counts, 0, note)
    before = side(service_map.between(first, last_before).windows, counts[0])
    after = side(service_map.between(first_after, last).windows, counts[1])
    down = hops(service_map.edges, service)
    up = hops(((b, a) for a, b in service_map.edges), service)
    named = {key: _relation(key, service, down, up) for key in {*before.rows, *after.rows}}
    relations = {key: location for key, location in named.items() if location}
    found, tests = moves(before, after, relations, settings)
    placed = [
        replace(change, where=relations[change.source, change.target])
        for change in found
        if change.certain
    ]
    ordered = sorted(in_order(placed), key=lambda change: RELATIONS.index(change.where))
    return ChangeImpact(service, at_us, ordered, counts, tests)


def _relation(key: Key, service: str, down: Mapping[str, int], up: Mapping[str, int]) -> str:
    """Where an edge lies; empty if it isn't looked at, because the edges tell the same."""
    source, target = key
    if target == service:
        return "on it"
    if source == ANY:
        return ""
    if source == service or source in down:
        return "downstream"
    return "upstream" if target in up else "elsewhere"


def as_findings(moved: list[EdgeChange], start_us: int, end_us: int) -> list[Finding]:
    """Turn what moved into findings, for incidents.

    Parameters
    ----------
    moved : list of EdgeChange
    start_us, end_us : int
        From when to when it is so, microseconds UTC: the windows after a change, or the newer map.

    Returns
    -------
    list of Finding
        One for each of `moved`, in its order; about the called service, or the caller where a
        virtual node is called.
    """
    from math import log10

    found = []
    for change in moved:
        service = change.target if kind_of(change.target) == "service" else change.source
        labels = {"from": change.source, "to": change.target}
        c = change.compared
        found.append(
            Finding(
                id=finding_id("service_map", change.kind, {**labels, "service": service}, start_us),
                signal="service_map",
                kind=change.kind,
                service=service,
                instance="",
                labels=labels,
                start_us=start_us,
                end_us=end_us,
                score=min(_MOST, -log10(change.p) + 0.0) if change.p > 0 else _MOST,
                sentence=change.sentence,
                observed=c.after if c else float(change.calls[1]),
                evidence=change.as_data(),
            )
        )
    return found


FORMAT = "signalbox.moved/1"


@dataclass(frozen=True)
class RecordedImpact:
    """A `ChangeImpact` as it is written, with id, title and kind of the change."""

    service: str
    at_us: int
    moved: list[RecordedEdgeChange]
    windows_before: int
    windows_after: int
    tests: int
    note: str
    id: str
    title: str
    kind: str


@dataclass(frozen=True)
class MovedFile:
    """File with what moved on the map, and after changes.

    Attributes
    ----------
    window, compared_with : Window
        The map's time, and that of the other map; None without one.
    diff : RecordedDiff or None
    changes : list of RecordedImpact
    changes_left_out : int
        Changes that were not judged.
    findings : list of Finding
        What incidents are made of.
    """

    window: Window
    compared_with: Window | None
    diff: RecordedDiff | None
    changes: list[RecordedImpact]
    changes_left_out: int
    findings: list[Finding]


def read_moved(path: Path) -> MovedFile:
    """Read a file of format `FORMAT`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    MovedFile

    Raises
    ------
    SignalboxError
        If it isn't there, is of another format, or a key is missing or has another form.
    """
    return read_as(MovedFile, path, FORMAT, "map_services")

"""How stages are put into tasks: one each, all in one, or in named groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dvc_airflow.errors import GroupingError
from dvc_airflow.graph import Graph
from dvc_airflow.graph.edges import find_cycle
from dvc_airflow.graph.targets import match_target

Granularity = Literal["stage", "pipeline"] | Mapping[str, Sequence[str]]
PIPELINE_TASK = "pipeline"


@dataclass(frozen=True)
class Unit:
    """What one task runs.

    Attributes
    ----------
    name : str
        A stage's address or a group's name.
    stages : tuple of str
        Addresses, in an order in which they can run.
    upstream : frozenset of str
        Names of the units that have to run before.
    """

    name: str
    stages: tuple[str, ...]
    upstream: frozenset[str]


def group_stages(graph: Graph, selected: Sequence[str], granularity: Granularity) -> list[Unit]:
    """Divide the selected stages into tasks.

    Parameters
    ----------
    graph : Graph
        The project.
    selected : sequence of str
        The stages to run.
    granularity : {"stage", "pipeline"} or mapping
        A task a stage; one task; or group names to the stages in them (stages that no
        group names get a task each).
    """
    unit_of = _assign(graph, selected, granularity)
    chosen = set(selected)
    members: dict[str, list[str]] = {}
    upstream: dict[str, set[str]] = {}
    for address in _run_order(graph, selected):
        unit = unit_of[address]
        members.setdefault(unit, []).append(address)
        needed = {unit_of[up] for up in graph.active_upstream(address) & chosen}
        upstream.setdefault(unit, set()).update(needed - {unit})
    frozen = {name: frozenset(needed) for name, needed in upstream.items()}
    _refuse_cycle(frozen, members)
    return [Unit(name, tuple(stages), frozen[name]) for name, stages in members.items()]


def _assign(graph: Graph, selected: Sequence[str], granularity: Granularity) -> dict[str, str]:
    if granularity == "stage":
        return {address: address for address in selected}
    if granularity == "pipeline":
        return dict.fromkeys(selected, PIPELINE_TASK)
    if not isinstance(granularity, Mapping):
        msg = (
            f"granularity must be 'stage', 'pipeline' or a mapping of group names to "
            f"stages, not {granularity!r}"
        )
        raise GroupingError(msg)
    unit_of = {address: address for address in selected}
    given: dict[str, str] = {}
    for name, targets in granularity.items():
        for target in [targets] if isinstance(targets, str) else targets:
            for address in match_target(graph, target):
                if given.setdefault(address, name) != name:
                    msg = f"stage {address!r} is in two groups: {given[address]!r} and {name!r}"
                    raise GroupingError(msg)
                if address in unit_of:
                    unit_of[address] = name
    clash = set(granularity) & {a for a in selected if unit_of[a] == a}
    if clash:
        msg = f"group {min(clash)!r} has the name of a stage that is not in it"
        raise GroupingError(msg)
    return unit_of


def _run_order(graph: Graph, selected: Sequence[str]) -> list[str]:
    """Return the selected stages, each after those it reads from; else in dvc.yaml's order."""
    chosen = set(selected)
    order: list[str] = []
    done: set[str] = set()

    for start in selected:
        stack = [start]
        while stack:
            address = stack[-1]
            waiting = sorted(
                (graph.active_upstream(address) & chosen) - done, key=selected.index, reverse=True
            )
            if waiting:
                stack += waiting
                continue
            stack.pop()
            if address not in done:
                done.add(address)
                order.append(address)
    return order


def _refuse_cycle(upstream: Mapping[str, frozenset[str]], members: Mapping[str, list[str]]) -> None:
    cycle = find_cycle(upstream)
    if cycle is None:
        return
    group = next(name for name in cycle if len(members[name]) > 1)
    way = " -> ".join([*cycle, cycle[0]])
    msg = (
        f"group {group!r} cannot be one task: something outside it has to run between its "
        f"stages ({way}); put that into the group as well, or split the group"
    )
    raise GroupingError(msg)

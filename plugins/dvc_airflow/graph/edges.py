"""Who reads what whom made: edges by path containment, and cycles."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.model import Stage


class OutIndex:
    """Outputs by path; answers who made a path, something in it, or around it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._sorted: list[str] | None = None

    def add(self, path: str, owner: str) -> tuple[str, str] | None:
        """Register an output; returns the (path, owner) it clashes with, if any."""
        clash = next(self._overlapping(path), None)
        if clash is None:
            self._owners[path] = owner
            self._sorted = None
        return clash

    def owner(self, path: str) -> str | None:
        """Who made this path or a directory around it."""
        for candidate in (path, *_parents(path)):
            if candidate in self._owners:
                return self._owners[candidate]
        return None

    def makers(self, path: str) -> set[str]:
        """Everybody whose outputs a reader of this path reads."""
        return {owner for _, owner in self._overlapping(path)}

    def _overlapping(self, path: str) -> Iterator[tuple[str, str]]:
        for candidate in (path, *_parents(path)):
            if candidate in self._owners:
                yield candidate, self._owners[candidate]
        yield from self._inside(path)

    def _inside(self, path: str) -> Iterator[tuple[str, str]]:
        if self._sorted is None:
            self._sorted = sorted(self._owners)
        prefix = "" if path == "." else path.rstrip(os.sep) + os.sep
        for position in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            found = self._sorted[position]
            if not found.startswith(prefix):
                return
            outside = os.path.isabs(found) or is_url(found)
            if not (path == "." and outside) and found != path:
                yield found, self._owners[found]


def _parents(path: str) -> Iterator[str]:
    if is_url(path):
        return
    while True:
        parent = os.path.dirname(path)
        if parent in ("", path):
            break
        yield parent
        path = parent
    if not os.path.isabs(path) and path != ".":
        yield "."


def connect(stages: Sequence[Stage], index: OutIndex) -> dict[str, frozenset[str]]:
    """Return the stages each stage reads from; refuses cycles."""
    known = {stage.address for stage in stages}
    upstream: dict[str, frozenset[str]] = {}
    for stage in stages:
        makers: set[str] = set()
        for dep in stage.deps:
            if not dep.path.startswith("ds://"):
                makers |= index.makers(dep.path)
        for file in stage.params:
            makers |= index.makers(file)
        upstream[stage.address] = frozenset(makers & known)
    cycle = find_cycle(upstream)
    if cycle:
        first = next(stage for stage in stages if stage.address in cycle)
        start = cycle.index(first.address)
        cycle = [*cycle[start:], *cycle[:start]]
        problem = f"stages wait for each other: {' -> '.join([*cycle, cycle[0]])}"
        raise PipelineError(first.file, first.line, problem)
    return upstream


def find_cycle(upstream: Mapping[str, frozenset[str]]) -> list[str] | None:
    """Return some cycle, each element being upstream of the next; None if there is none."""
    done: set[str] = set()
    for start in upstream:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, iter(sorted(upstream[start])))]
        if start in done:
            continue
        path.append(start)
        on_path.add(start)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                on_path.discard(node)
                done.add(node)
            elif following in on_path:
                return list(reversed(path[path.index(following) :]))
            elif following not in done:
                path.append(following)
                on_path.add(following)
                stack.append((following, iter(sorted(upstream.get(following, ())))))
    return None

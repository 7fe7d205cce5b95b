"""Who reads what whom made: edges by path containment, and cycles."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.locations import is_url
from dvc_airflow.graph.model import Source, Stage

# The key of a tree's node under which an output stands; no part of a path equals it.
_OUT: Final = object()
_NOTHING: Final[dict[Any, Any]] = {}


class OutIndex:
    """Outputs by path; answers who made a path, something in it, or around it.

    A tree of path parts, so that every question costs as much as the path is deep, however
    many outputs there are.

    Parameters
    ----------
    root : str, optional
        The project; paths outside of it are absolute, and may lie around it.
    """

    def __init__(self, root: str = "") -> None:
        self._root = self._parts(root) if root else ()
        self._tree: dict[Any, Any] = {}

    def add(self, path: str, owner: str) -> tuple[str, str] | None:
        """Register an output; returns the (path, owner) it clashes with, if any."""
        clash = next(self._overlapping(path), None)
        if clash is None:
            node = self._tree
            for part in self._parts(path):
                node = node.setdefault(part, {})
            node[_OUT] = (path, owner)
        return clash

    def owner(self, path: str) -> str | None:
        """Who made this path or a directory around it."""
        above = list(self._around(path))
        return above[-1][1] if above else None

    def makers(self, path: str) -> set[str]:
        """Everybody whose outputs a reader of this path reads."""
        return {owner for _, owner in self._overlapping(path)}

    def _parts(self, path: str) -> tuple[str, ...]:
        if is_url(path):
            scheme, _, rest = path.partition("://")
            return (f"{scheme}:", *(part for part in rest.split("/") if part))
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        return ("/", *parts) if os.path.isabs(path) else (*self._root, *parts)

    def _around(self, path: str) -> Iterator[tuple[str, str]]:
        node = self._tree
        if _OUT in node:
            yield node[_OUT]
        for part in self._parts(path):
            node = node.get(part, _NOTHING)
            if _OUT in node:
                yield node[_OUT]

    def _overlapping(self, path: str) -> Iterator[tuple[str, str]]:
        yield from self._around(path)
        node = self._tree
        for part in self._parts(path):
            node = node.get(part, _NOTHING)
        waiting = [below for part, below in node.items() if part is not _OUT]
        while waiting:
            node = waiting.pop()
            for part, below in node.items():
                if part is _OUT:
                    yield below
                else:
                    waiting.append(below)


def connect(
    stages: Sequence[Stage], sources: Sequence[Source], index: OutIndex
) -> dict[str, frozenset[str]]:
    """Return the stages each stage reads from; refuses cycles, through .dvc files as well."""
    known = {stage.address for stage in stages}
    upstream = {
        stage.address: _makers([*(dep.path for dep in stage.deps), *stage.params], index)
        for stage in stages
    }
    imports = {source.file: _makers([d.path for d in source.deps], index) for source in sources}
    everything = {**imports, **upstream}
    cycle = find_cycle(everything)
    if cycle:
        first = next((stage for stage in stages if stage.address in cycle), None)
        start = cycle.index(first.address) if first else 0
        cycle = [*cycle[start:], *cycle[:start]]
        problem = f"stages wait for each other: {' -> '.join([*cycle, cycle[0]])}"
        raise PipelineError(first.file if first else cycle[0], first.line if first else 1, problem)
    return {address: found & known for address, found in upstream.items()}


def _makers(paths: Sequence[str], index: OutIndex) -> frozenset[str]:
    return frozenset(
        maker for path in paths if not path.startswith("ds://") for maker in index.makers(path)
    )


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

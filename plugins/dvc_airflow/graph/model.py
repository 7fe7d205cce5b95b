"""What the graph is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OutKind = Literal["out", "metric", "plot"]


@dataclass(frozen=True)
class Dep:
    """A path (or URL) that a stage reads.

    Attributes
    ----------
    path : str
        Relative to the project's root; absolute if outside it; or a URL.
    written : str
        As dvc.yaml writes it.
    """

    path: str
    written: str


@dataclass(frozen=True)
class Out:
    """A path that a stage writes; see `Dep` for ``path`` and ``written``."""

    path: str
    written: str
    kind: OutKind = "out"
    cache: bool = True
    persist: bool = False
    push: bool = True
    remote: str | None = None
    desc: str | None = None


@dataclass(frozen=True)
class Stage:
    """One stage, with every ``${}`` resolved.

    Attributes
    ----------
    address : str
        ``train``, ``train@0``, ``sub/dvc.yaml:train``: what ``dvc repro`` accepts.
    file, line : str, int
        Where it is written.
    params : Mapping
        Parameter file to the keys it depends on (none means the whole file).
    used : frozenset
        (file, key) pairs of the variables that its ``${}`` name.
    group : str or None
        The foreach or matrix stage it was generated from.
    """

    address: str
    name: str
    file: str
    line: int
    cmd: str | tuple[str, ...]
    wdir: str
    deps: tuple[Dep, ...] = ()
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outs: tuple[Out, ...] = ()
    used: frozenset[tuple[str, str]] = frozenset()
    frozen: bool = False
    always_changed: bool = False
    desc: str | None = None
    meta: Any = None
    group: str | None = None


@dataclass(frozen=True)
class Source:
    """Data that a ``.dvc`` file tracks: something to read, nothing to run.

    Attributes
    ----------
    deps : tuple of Dep
        What an import was made of, as far as it lies in the project or at a URL.
    frozen : bool
        Whether the import stays as it is when those change; ``dvc import`` makes it so.
    """

    file: str
    outs: tuple[Out, ...]
    deps: tuple[Dep, ...] = ()
    frozen: bool = False


@dataclass(frozen=True)
class Graph:
    """All stages of a project, and who reads from whom.

    Attributes
    ----------
    stages : dict
        By address, in the order of the files and of the stages in them.
    upstream : dict
        Address to the addresses of the stages it reads from.
    sources : tuple
        The ``.dvc`` files.
    """

    root: str
    stages: dict[str, Stage]
    upstream: dict[str, frozenset[str]]
    sources: tuple[Source, ...] = ()

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    def edges(self) -> set[tuple[str, str]]:
        """Pairs (reads from, read by)."""
        return {(up, down) for down, ups in self.upstream.items() for up in ups}

    def active_upstream(self, address: str) -> frozenset[str]:
        """Return what has to run before a stage: nothing, if it is frozen."""
        return frozenset() if self.stages[address].frozen else self.upstream[address]

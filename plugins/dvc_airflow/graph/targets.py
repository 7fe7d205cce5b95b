"""Which stages a run consists of."""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Iterable, Sequence

from dvc_airflow.graph.build import ROOT_FILE
from dvc_airflow.graph.errors import TargetError
from dvc_airflow.graph.model import Graph, Stage


def select_stages(
    graph: Graph, targets: Sequence[str] | None = None, *, downstream: bool = False
) -> list[str]:
    """Return the stages to run for some targets, as ``dvc repro`` chooses them.

    Parameters
    ----------
    graph : Graph
        The project.
    targets : sequence of str, optional
        Stages, foreach/matrix groups, glob patterns over stages, dvc.yaml files, or
        paths of outputs. By default everything in the root's dvc.yaml.
    downstream : bool
        The targets and all that reads from them, instead of all they read from.

    Returns
    -------
    list of str
        Addresses in the order of dvc.yaml.
    """
    if isinstance(targets, str):
        targets = [targets]
    chosen: set[str] = set()
    for target in default_targets(graph) if targets is None else targets:
        chosen.update(match_target(graph, target))
    neighbours = _readers(graph) if downstream else _makers(graph)
    found = set(chosen)
    waiting = list(chosen)
    while waiting:
        for address in neighbours[waiting.pop()] - found:
            found.add(address)
            waiting.append(address)
    return [address for address in graph.stages if address in found]


def default_targets(graph: Graph) -> list[str]:
    """Every stage of the root's dvc.yaml, or of all files if there is none."""
    in_root = [stage.address for stage in graph if stage.file == ROOT_FILE]
    return in_root or list(graph.stages)


def match_target(graph: Graph, target: str) -> list[str]:
    """Return the stages one target names."""
    if target in graph.stages:
        return [target]
    for matcher in (_by_group, _by_file, _by_pattern, _by_out):
        found = [stage.address for stage in matcher(graph, target)]
        if found:
            return found
    raise TargetError(_unknown(graph, target))


def _by_group(graph: Graph, target: str) -> Iterable[Stage]:
    file, _, name = target.rpartition(":")
    file = os.path.normpath(file) if file else ROOT_FILE
    return [s for s in graph if s.file == file and name in (s.group, s.name)]


def _by_file(graph: Graph, target: str) -> Iterable[Stage]:
    path = os.path.normpath(target)
    return [s for s in graph if path in (s.file, os.path.dirname(s.file) or ".")]


def _by_pattern(graph: Graph, target: str) -> Iterable[Stage]:
    if not set("*?[") & set(target):
        return []
    return [s for s in graph if fnmatch.fnmatchcase(s.address, target)]


def _by_out(graph: Graph, target: str) -> Iterable[Stage]:
    path = os.path.normpath(target)
    return [
        stage
        for stage in graph
        if any(_within(out.path, path) or _within(path, out.path) for out in stage.outs)
    ]


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _makers(graph: Graph) -> dict[str, frozenset[str]]:
    return {address: graph.active_upstream(address) for address in graph.stages}


def _readers(graph: Graph) -> dict[str, frozenset[str]]:
    readers: dict[str, set[str]] = {address: set() for address in graph.stages}
    for address in graph.stages:
        for maker in graph.active_upstream(address):
            readers[maker].add(address)
    return {address: frozenset(found) for address, found in readers.items()}


def _unknown(graph: Graph, target: str) -> str:
    path = os.path.normpath(target)
    for source in graph.sources:
        if path == source.file or any(_within(path, out.path) for out in source.outs):
            return f"target {target!r} is data tracked by {source.file}; there is nothing to run"
    names = [*graph.stages, *{stage.group for stage in graph if stage.group}]
    close = difflib.get_close_matches(target, names, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    known = ", ".join(list(graph.stages)[:20]) or "no stages at all"
    return f"target {target!r} is no stage, group, dvc.yaml or output{hint} There is: {known}"

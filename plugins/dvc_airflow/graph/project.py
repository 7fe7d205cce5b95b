"""Reads a whole project into a `Graph`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dvc_airflow.graph.bulk import without_lists
from dvc_airflow.graph.context import Overrides
from dvc_airflow.graph.dvc_config import read_config
from dvc_airflow.graph.edges import OutIndex, connect
from dvc_airflow.graph.entries import check_lock, check_source
from dvc_airflow.graph.errors import PipelineError, ProjectError
from dvc_airflow.graph.ignore import DVC_DIR, DvcIgnore, GitIgnore
from dvc_airflow.graph.locations import LocationError, Locator
from dvc_airflow.graph.model import Dep, Graph, Out, Source, Stage
from dvc_airflow.graph.resolver import resolve_file
from dvc_airflow.graph.walk import PIPELINE_FILE, pipeline_files
from dvc_airflow.graph.yaml_marks import Marked, load_marked


def load_graph(project: str | os.PathLike[str], overrides: Overrides | None = None) -> Graph:
    """Read every dvc.yaml and .dvc file of a DVC project.

    Parameters
    ----------
    project : path
        The project's root: the directory that holds ``.dvc``.
    overrides : mapping, optional
        Values that variables have instead of those in their files.

    Returns
    -------
    Graph
        Equal to what DVC itself would build.

    Raises
    ------
    ProjectError
        If the directory is no DVC project.
    PipelineError
        If a file is wrong; the message begins with ``file:line:``.
    """
    root = project_root(project)
    reader = _Reader(root, overrides or {})
    for path in pipeline_files(root, reader.git, reader.ignore, reader.is_out):
        reader.read(path)
    return reader.graph()


def project_root(project: str | os.PathLike[str]) -> Path:
    """Return the absolute project directory; raises when it is not one."""
    root = Path(os.path.abspath(project))
    if not root.is_dir():
        msg = f"{root} does not exist or is not a directory"
        raise ProjectError(msg)
    if not (root / DVC_DIR).is_dir():
        msg = f"{root} is not a DVC project: it has no .dvc directory; run 'dvc init' in it"
        raise ProjectError(msg)
    return root


class _Reader:
    """Collects stages file by file."""

    def __init__(self, root: Path, overrides: Overrides) -> None:
        self.root = root
        self.overrides = overrides
        config = read_config(root)
        self.style = config.style
        self.git = GitIgnore.of_project(root, no_scm=config.no_scm)
        self.ignore = DvcIgnore(root)
        self.locator = Locator(str(root), config.remotes, self.ignore)
        self.stages: list[Stage] = []
        self.sources: list[Source] = []
        self.marks: dict[str, Marked] = {}
        self.index = OutIndex(str(root))
        self.metrics: set[str] = set()

    def is_out(self, path: str) -> bool:
        return self.index.owner(path) is not None

    def read(self, path: str) -> None:
        try:
            text = (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise PipelineError(path, 1, f"cannot be read: {exc}") from exc
        is_pipeline = os.path.basename(path) == PIPELINE_FILE
        marked = load_marked(text if is_pipeline else without_lists(text, ("files",)), path)
        self.marks[path] = marked
        if is_pipeline:
            stages, metrics = resolve_file(marked, self.locator, self.style, self.overrides)
            self._check_lock(path)
            self.metrics.update(metrics)
            for stage in stages:
                self._add(stage)
        else:
            source = read_source(marked, self.locator)
            self.sources.append(source)
            for out in source.outs:
                self._claim(out, path, path, 1)

    def _check_lock(self, path: str) -> None:
        lock = os.path.splitext(path)[0] + ".lock"
        if self.git.ignores(lock):
            problem = f"git ignores it, and DVC refuses that; take it out of .gitignore ({path})"
            raise PipelineError(lock, 1, problem)
        if lock not in self.ignore:
            check_lock(self.root, lock)

    def _add(self, stage: Stage) -> None:
        self.stages.append(stage)
        for out in stage.outs:
            self._claim(out, stage.address, stage.file, stage.line)

    def _claim(self, out: Out, owner: str, file: str, line: int) -> None:
        clash = self.index.add(out.path, owner)
        if clash is None:
            return
        path, other = clash
        if path == out.path:
            problem = f"output '{out.path}' is made by both {other!r} and {owner!r}"
        else:
            problem = (
                f"output '{out.path}' of {owner!r} overlaps with '{path}' of {other!r}; "
                "outputs must lie in separate directories"
            )
        raise PipelineError(file, line, problem)

    def graph(self) -> Graph:
        for path in self.marks:
            owner = self.index.owner(path)
            if owner is not None:
                raise PipelineError(path, 1, f"this file lies inside an output of {owner!r}")
        stages = {stage.address: self._with_metrics(stage) for stage in self.stages}
        for source in self._live_imports(set(stages)):
            stages = _put_after(stages, _stage_of(source), self.index)
        upstream = connect(list(stages.values()), self.sources, self.index)
        return Graph(str(self.root), stages, upstream, tuple(self.sources))

    def _live_imports(self, made: set[str]) -> list[Source]:
        """Return the imports that DVC makes again when a stage has made what they import."""
        found: list[Source] = []
        waiting = [source for source in self.sources if source.deps and not source.frozen]
        while ready := [
            source
            for source in waiting
            if any(not made.isdisjoint(self.index.makers(dep.path)) for dep in source.deps)
        ]:
            found += ready
            made |= {source.file for source in ready}
            waiting = [source for source in waiting if source not in ready]
        return found

    def _with_metrics(self, stage: Stage) -> Stage:
        """Mark outs that the top-level ``metrics`` section names."""
        if not any(out.path in self.metrics for out in stage.outs):
            return stage
        changes: Any = {"kind": "metric"}
        outs = tuple(
            Out(**{**vars(out), **changes}) if out.path in self.metrics else out
            for out in stage.outs
        )
        return Stage(**{**vars(stage), "outs": outs})


def _put_after(stages: dict[str, Stage], stage: Stage, index: OutIndex) -> dict[str, Stage]:
    """Return stages in their order, with another one behind the last that it reads from."""
    makers = {maker for dep in stage.deps for maker in index.makers(dep.path)}
    names = list(stages)
    place = max(number for number, name in enumerate(names, 1) if name in makers)
    items = list(stages.items())
    return dict([*items[:place], (stage.address, stage), *items[place:]])


def _stage_of(source: Source) -> Stage:
    """Return an import as a stage of the graph: DVC brings it up to date between two others."""
    return Stage(
        address=source.file,
        name=source.file,
        file=source.file,
        line=1,
        cmd=f"dvc repro {source.file}",
        wdir=os.path.dirname(source.file) or ".",
        deps=source.deps,
        outs=source.outs,
        desc="an import, which DVC makes again when its source has changed",
    )


def read_source(marked: Marked, locator: Locator) -> Source:
    """Return the outputs a .dvc file tracks, and what it imports."""
    check_source(marked)
    data = marked.data
    wdir = os.path.normpath(
        os.path.join(os.path.dirname(marked.path) or ".", data.get("wdir") or ".")
    )
    try:
        outs = []
        for i, item in enumerate(data.get("outs") or []):
            where = ("outs", i, "path")
            outs.append(Out(locator.output(wdir, item["path"]), item["path"]))
        deps = []
        for i, item in enumerate(data.get("deps") or []):
            where = ("deps", i, "path")
            if "db" in item:
                continue
            found = locator.dependency(wdir, item["path"])
            if not item.get("repo"):
                deps.append(Dep(found, item["path"]))
    except LocationError as exc:
        raise marked.error(str(exc), *where) from exc
    frozen = bool(data.get("frozen") or data.get("locked"))
    return Source(marked.path, tuple(outs), tuple(deps), frozen)

"""Reads a whole project into a `Graph`."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import Any

from dvc_airflow.graph.build import locate
from dvc_airflow.graph.context import Overrides
from dvc_airflow.graph.edges import OutIndex, connect
from dvc_airflow.graph.errors import PipelineError, ProjectError
from dvc_airflow.graph.interpolate import Style
from dvc_airflow.graph.model import Graph, Out, Source, Stage
from dvc_airflow.graph.resolver import resolve_file
from dvc_airflow.graph.walk import DVC_DIR, PIPELINE_FILE, pipeline_files
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
    for path in pipeline_files(root, reader.is_out):
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
        self.style = _parsing_style(root)
        self.stages: list[Stage] = []
        self.sources: list[Source] = []
        self.marks: dict[str, Marked] = {}
        self.index = OutIndex()
        self.metrics: set[str] = set()

    def is_out(self, path: str) -> bool:
        return self.index.owner(path) is not None

    def read(self, path: str) -> None:
        try:
            text = (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise PipelineError(path, 1, f"cannot be read: {exc}") from exc
        marked = load_marked(text, path, str(self.root))
        self.marks[path] = marked
        if os.path.basename(path) == PIPELINE_FILE:
            stages, metrics = resolve_file(marked, self.root, self.style, self.overrides)
            self.metrics.update(metrics)
            for stage in stages:
                self._add(stage)
        else:
            source = read_source(marked)
            self.sources.append(source)
            for out in source.outs:
                self._claim(out, path, path, 1)

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
            if owner is not None and owner != path:
                raise PipelineError(path, 1, f"this file lies inside an output of {owner!r}")
        stages = {stage.address: self._with_metrics(stage) for stage in self.stages}
        upstream = connect(list(stages.values()), self.index)
        return Graph(str(self.root), stages, upstream, tuple(self.sources))

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


def read_source(marked: Marked) -> Source:
    """Return the outputs a .dvc file tracks."""
    data = marked.data if isinstance(marked.data, dict) else {}
    wdir = os.path.normpath(
        os.path.join(os.path.dirname(marked.path) or ".", str(data.get("wdir") or "."))
    )
    outs = []
    for i, item in enumerate(data.get("outs") or []):
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str):
            raise marked.error("each entry of 'outs' needs a 'path'", "outs", i)
        outs.append(Out(locate(wdir, path, marked.root), path))
    return Source(marked.path, tuple(outs))


def _parsing_style(root: Path) -> Style:
    """How dicts become options in commands: ``[parsing]`` in DVC's config."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read([root / DVC_DIR / "config", root / DVC_DIR / "config.local"])
    except configparser.Error:
        return Style()  # DVC itself will complain, with its own words
    return Style(
        parser.get("parsing", "bool", fallback="store_true").strip("'\""),
        parser.get("parsing", "list", fallback="nargs").strip("'\""),
    )

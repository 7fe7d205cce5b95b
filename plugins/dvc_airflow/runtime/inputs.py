"""Data that a run's stages read and that its commit does not hold.

``dvc repro`` in the project finds it because it lies there; a workspace is a clone and has
only what git has. What git ignores on purpose is linked: the link is no copy that would have
to be found when somebody's data is erased, costs nothing, and dvc.lock records the content's
hash all the same. What DVC tracks comes from its cache when a stage needs it. What lies about
untracked is refused: no run should depend on files that nobody keeps.
"""

from __future__ import annotations

import glob
import os
import posixpath
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph import Graph, Stage
from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.datafile import load_data
from dvc_airflow.graph.edges import OutIndex
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.walk import DVC_DIR, DvcIgnore
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.tracked_data import TrackedData
from dvc_airflow.runtime.untracked import LARGEST, below, is_source, join, path_in_repository, texts

_AT_ONCE: Final = 200
_SHOWN: Final = 5


@dataclass(frozen=True)
class _Wanted:
    """A path that a stage reads, relative to the git root, and where that is written."""

    path: str
    stage: str
    written: str
    key: str | None = None
    """The parameter whose value it is; none for dependencies."""


@dataclass(frozen=True)
class _Layout:
    """The project's repository, its clone, and where in both the project is."""

    project: Path
    git_root: Path
    clone: Path
    home: str

    def in_project(self, path: str) -> str:
        """Return a path of the repository as the project sees it."""
        return posixpath.relpath(path or ".", self.home or ".")


@dataclass
class _Search:
    """What is found in the project for the paths that the workspace lacks."""

    ignored: list[str] = field(default_factory=list)
    loose: dict[str, _Wanted] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)


def bring_inputs(
    project: Path,
    git_root: Path,
    clone: Path,
    *,
    graph: Graph,
    workspaces: Path,
    stages: Sequence[str] | None,
) -> list[str]:
    """Link what stages read and git ignores into a clone; refuse what lies about untracked.

    Parameters
    ----------
    project, git_root : Path
        The project and its repository.
    clone : Path
        The clone of that repository.
    graph : Graph
        The project in the clone.
    workspaces : Path
        Holds all clones; nothing in there is an input.
    stages : sequence of str or None
        The stages that will run; all of them by default.

    Returns
    -------
    list of str
        What was linked, relative to the git root.

    Raises
    ------
    WorkspaceError
        If a stage reads data that nobody keeps; names the commands that make it right.
    """
    layout = _Layout(project, git_root, clone, below(project, git_root))
    inner = clone / layout.home
    chosen = [graph.stages[name] for name in stages or graph.stages if name in graph.stages]
    wanted = [item for stage in chosen for item in _reads(stage, layout)]
    tracked = TrackedData(project, inner, graph.sources)
    found = _search(wanted, layout, _made(graph, layout), tracked, _skipped(layout, workspaces))
    if found.loose or found.changed:
        raise WorkspaceError(_refusal(found, layout))
    for path in found.ignored:
        link = clone / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(git_root / path)
    return found.ignored


def _reads(stage: Stage, layout: _Layout) -> Iterator[_Wanted]:
    for dep in stage.deps:
        location = path_in_repository(dep.path, layout.home, layout.clone.resolve())
        if location is not None:
            yield _Wanted(location, stage.address, dep.written)
    for key, text in parameters(stage, layout.clone / layout.home):
        for path in _files_named(text, layout.project):
            yield _Wanted(join(layout.home, path), stage.address, text, key)


def parameters(stage: Stage, inner: Path) -> Iterator[tuple[str, str]]:
    """Yield texts among the parameters that a stage depends on, with their keys."""
    files: dict[str, list[str]] = {file: list(keys) for file, keys in stage.params.items()}
    for file, key in stage.used:
        if files.get(file) != []:  # no keys: the whole file
            files.setdefault(file, []).append(key)
    for file, keys in files.items():
        if os.path.isabs(file) or not (inner / file).is_file():
            continue
        try:
            data = load_data(inner / file, file)
        except PipelineError:
            continue  # DVC reads it when the stage runs, and says what is wrong
        for key in keys or [""]:
            shown = f"{file}: {key}" if key else file
            yield from ((shown, text) for text in texts(_at(data, key)))


def _at(data: Any, key: str) -> Any:
    for part in filter(None, key.replace("[", ".").replace("]", "").split(".")):
        if isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, Mapping) and part in data:
            data = data[part]
        else:
            return None
    return data


def _files_named(text: str, project: Path) -> list[str]:
    """Files of the project that a parameter's value names, also by a pattern.

    Files only: a folder's name is too often just a word.
    """
    if not text or "\0" in text or "\n" in text or len(text) > 1000:
        return []
    if os.path.isabs(text) or is_url(text) or ".." in Path(text).parts:
        return []
    try:
        if (project / text).is_file():
            return [posixpath.normpath(text)]
    except OSError:  # too long for a name: no path
        return []
    if not glob.has_magic(text):
        return []
    found = glob.glob(text, root_dir=project, recursive=True)
    return sorted(posixpath.normpath(path) for path in found if (project / path).is_file())


def _search(
    wanted: Sequence[_Wanted],
    layout: _Layout,
    made: OutIndex,
    tracked: TrackedData,
    skipped: Sequence[str],
) -> _Search:
    missing = {
        _at_link(item.path, layout): item
        for item in reversed(wanted)  # the first one to name it is the one to tell
        if made.owner(item.path) is None and not _is_file(layout.clone / item.path)
    }
    found = _Search()
    others = _others(layout.git_root, sorted(missing))
    listed = _others(layout.git_root, sorted(missing), "--exclude-standard") if others else []
    untracked = set(listed)
    ignore = DvcIgnore(layout.git_root / layout.home)
    for path in others:
        item = missing[path] if path in missing else _around(path, missing)
        if (
            os.path.lexists(layout.clone / path)
            or made.owner(path) is not None
            or any(_within(path, folder) for folder in skipped)
            or (path != item.path and _is_of_no_account(path, layout, ignore))
        ):
            continue
        owner = tracked.owner(layout.in_project(path))
        if owner is None and path in untracked:
            found.loose[path] = item
        elif owner is None or (not owner.in_cache and owner.in_place):
            found.ignored.append(path)
    found.changed = tracked.changed(layout.in_project(item.path) for item in wanted)
    return found


def _skipped(layout: _Layout, workspaces: Path) -> list[str]:
    """Return folders in which nothing is an input."""
    found = [posixpath.join(layout.home, DVC_DIR), ".git"]
    if workspaces.resolve().is_relative_to(layout.git_root.resolve()):
        found.append(below(workspaces, layout.git_root))
    return found


def _made(graph: Graph, layout: _Layout) -> OutIndex:
    """Return the outputs of stages: whoever reads them gets them from the stage."""
    index = OutIndex()
    for stage in graph:
        for out in stage.outs:
            path = path_in_repository(out.path, layout.home, layout.clone.resolve())
            if path is not None:
                index.add(path, stage.address)
    return index


def _others(git_root: Path, paths: Sequence[str], *options: str) -> list[str]:
    """Files at or below some paths that git doesn't track."""
    found: set[str] = set()
    for first in range(0, len(paths), _AT_ONCE):
        some = [path or "." for path in paths[first : first + _AT_ONCE]]
        command = ("--literal-pathspecs", "ls-files", "--others", "-z", *options, "--", *some)
        found.update(git(git_root, *command, strip=False).split("\0"))
    # Another repository inside this one is listed with a slash at its end.
    return sorted(path for path in found if path and not path.endswith("/"))


def _at_link(path: str, layout: _Layout) -> str:
    """Return the link on the way to a path that the clone lacks; else the path itself."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        above = "/".join(parts[:length])
        if (layout.git_root / above).is_symlink() and not os.path.lexists(layout.clone / above):
            return above
    return path


def _around(path: str, missing: Mapping[str, _Wanted]) -> _Wanted:
    folder = path
    while folder not in missing:
        folder = posixpath.dirname(folder)
    return missing[folder]


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _is_of_no_account(path: str, layout: _Layout, ignore: DvcIgnore) -> bool:
    """Whether a file in a folder that is read is no part of it: DVC leaves it out, or byte code."""
    if path.endswith(".pyc") or "__pycache__" in path.split("/"):
        return True
    return _within(path, layout.home) and layout.in_project(path) in ignore


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _refusal(found: _Search, layout: _Layout) -> str:
    parts = [_about_changed(found.changed)] if found.changed else []
    by_item: dict[_Wanted, list[str]] = {}
    for path, item in found.loose.items():
        by_item.setdefault(item, []).append(layout.in_project(path))
    parts += [_about_loose(item, paths, layout) for item, paths in by_item.items()]
    return "\n".join(parts)


def _about_loose(item: _Wanted, here: list[str], layout: _Layout) -> str:
    project = layout.project
    where = f"{item.key} = {item.written!r}" if item.key else f"dvc.yaml: deps: {item.written}"
    absolute = os.path.normpath(project / layout.in_project(item.path))
    if item.key and glob.has_magic(item.written):
        absolute = str(project / item.written)
    lines = [
        f"stage {item.stage!r} reads {_some(here)} ({where}), which neither git nor DVC tracks: "
        "a run's workspace doesn't have it, and it is not put into git unasked. One of these "
        "makes it right:",
        f"    dvc add {_quoted(here)}",
        f"    name it by its absolute path instead: {absolute}",
    ]
    sources = [
        path
        for path in here
        if is_source(project / path) or (project / path).stat().st_size <= LARGEST
    ]
    if not item.key and sources == here:
        lines.append(f"    git add {_quoted(here)}    # if it is code, and no personal data")
    return "\n".join(lines)


def _about_changed(paths: list[str]) -> str:
    return (
        f"data was changed since DVC took it: {_some(paths)}; the run would read what DVC has. "
        "One of these makes it right:\n"
        f"    dvc add {_quoted(paths)}\n"
        f"    dvc checkout {_quoted(paths)}    # back to what DVC has"
    )


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def _quoted(paths: Iterable[str]) -> str:
    safe = (f"./{path}" if path.startswith("-") else path for path in paths)
    return " ".join(shlex.quote(path) for path in safe)

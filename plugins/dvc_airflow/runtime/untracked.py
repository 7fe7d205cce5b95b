"""What of a project's untracked files is code, and so belongs into a run's snapshot.

A snapshot is kept as a git commit under ``refs/runs``, so what lies about in a project (an
export, a database dump, a notebook with rows in it) must not get into it by chance. Code is
what has a source or configuration suffix, is small, and is *named*: by dvc.yaml, by a
parameter's value, or by an import of code that is.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from dvc_airflow.graph import Graph, Stage, load_graph
from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.context import DEFAULT_PARAMS, Overrides, overridden
from dvc_airflow.graph.datafile import load_data
from dvc_airflow.graph.edges import OutIndex
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.walk import DVC_DIR, PIPELINE_FILE
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.imports import imported, module_files

Untracked = Literal["code", "all", "none"]

LARGEST: Final = 1_000_000
"""Bytes; what is larger was hardly written by hand."""

# Notebooks are no source here: their cells hold what they printed, rows of data among it.
SOURCE: Final = frozenset({
    ".awk", ".bash", ".c", ".cc", ".cpp", ".css", ".go", ".h", ".hpp", ".html", ".j2", ".java",
    ".jinja", ".jinja2", ".jl", ".js", ".kt", ".lua", ".mjs", ".mk", ".pl", ".py", ".pyi", ".pyx",
    ".r", ".rb", ".rs", ".scala", ".sed", ".sh", ".sql", ".tmpl", ".tpl", ".ts", ".zsh",
})  # fmt: skip
CONFIGURATION: Final = frozenset({
    ".cfg", ".conf", ".ini", ".json", ".properties", ".toml", ".yaml", ".yml",
})  # fmt: skip
_PIPELINE: Final = frozenset({
    PIPELINE_FILE, "dvc.lock", ".dvcignore", ".gitignore", ".gitattributes",
})  # fmt: skip
_OWN: Final = (f"{DVC_DIR}/config", f"{DVC_DIR}/.gitignore")
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SPLIT: Final = re.compile(r"""[\s=,;:|&<>(){}\[\]'"`$]+""")


@dataclass(frozen=True)
class LeftOut:
    """A file that is not in a snapshot; path relative to the git root, size in bytes."""

    path: str
    size: int


@dataclass
class Names:
    """What names files of a repository.

    Attributes
    ----------
    files : set of str
        Files, relative to the git root as all paths here.
    folders : set of str
        Folders that stages read: source files in them are named too.
    outs : OutIndex
        What stages make and .dvc files track: data, whatever it is called.
    kept : set of str
        Outputs that git keeps (``cache: false``).
    """

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    outs: OutIndex = field(default_factory=OutIndex)
    kept: set[str] = field(default_factory=set)


def list_untracked(root: Path, env: Mapping[str, str] | None = None) -> list[str]:
    """Return the files that ``git add --all`` would add to the index, relative to the root."""
    listed = git(root, "ls-files", "--others", "--exclude-standard", "-z", env=env, strip=False)
    return sorted(filter(None, listed.split("\0")))


def sized(root: Path, paths: Iterable[str]) -> list[LeftOut]:
    """Paths with their sizes; another repository in this one has none."""
    return [LeftOut(path, _size(root / path)) for path in paths]


def code_among(
    untracked: Sequence[str], root: Path, project: Path, overrides: Overrides
) -> list[str]:
    """Return those of some untracked files that are code or configuration.

    Parameters
    ----------
    untracked : sequence of str
        Files, relative to the git root.
    root : Path
        The git root.
    project : Path
        The DVC project in it.
    overrides : mapping
        Parameters that the run changes: they may name other files.
    """
    if not untracked:
        return []
    home = below(project, root)
    names = named(load_graph(project, overrides), root, home, overrides)
    taken = {path for path in untracked if _is_pipeline_file(path, home, names)}
    rest = {
        path
        for path in untracked
        if path not in taken and _may_be_code(root / path) and not _is_data(path, names)
    }
    taken |= {path for path in rest if path in names.files and _suits(root / path)}
    taken |= {path for path in rest if is_source(root / path) and _inside(path, names.folders)}
    modules = {path for path in rest - taken if path.endswith((".py", ".pyi"))}
    return sorted(taken | imported(modules, taken | names.files, root, import_roots(home)))


def is_source(path: Path) -> bool:
    """Whether a file is a program's text, by its suffix, or by its first line if it has none."""
    suffix = path.suffix.lower()
    if suffix:
        return suffix in SOURCE
    try:
        with path.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return path.name in ("Makefile", "Dockerfile")


def import_roots(home: str) -> tuple[str, ...]:
    """Folders that are on Python's path, by custom; relative to the git root."""
    return tuple(dict.fromkeys([home, join(home, "src"), join(home, "plugins"), ""]))


def named(graph: Graph, root: Path, home: str, overrides: Overrides) -> Names:
    """Collect what dvc.yaml and parameter values name."""
    names = Names()
    for source in graph.sources:
        for out in source.outs:
            _claim(names.outs, path_in_repository(out.path, home, root), source.file)
    for stage in graph:
        for out in stage.outs:
            path = path_in_repository(out.path, home, root)
            _claim(names.outs, path, stage.address)
            if not out.cache and path:
                names.kept.add(path)
        _name_by_stage(names, stage, root, home)
    _name_by_text(names, graph, root, home)
    _name_by_params(names, graph, root, home, overrides)
    return names


def _name_by_stage(names: Names, stage: Stage, root: Path, home: str) -> None:
    for path in [*(dep.path for dep in stage.deps), *stage.params, *(f for f, _ in stage.used)]:
        location = path_in_repository(path, home, root)
        if location is not None:
            (names.folders if (root / location).is_dir() else names.files).add(location)
    commands = [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd
    bases = [join(home, stage.wdir), home]
    for command in commands:
        names.files |= _as_files(words(command), bases, [*bases, *import_roots(home)])


def _name_by_text(names: Names, graph: Graph, root: Path, home: str) -> None:
    """Every text in a dvc.yaml: its vars, templates of plots, and what DVC may add one day."""
    for file in dict.fromkeys(stage.file for stage in graph):
        data = load_data(root / home / file, file)
        folder = join(home, posixpath.dirname(file))
        names.files.add(join(folder, DEFAULT_PARAMS))
        found = {word for text in texts(data, keys=True) for word in (text, *words(text))}
        names.files |= _as_files(found, [folder, home], [])


def _name_by_params(
    names: Names, graph: Graph, root: Path, home: str, overrides: Overrides
) -> None:
    files = {DEFAULT_PARAMS, *overrides}
    for stage in graph:
        files |= {*stage.params, *(file for file, _ in stage.used)}
    for file in sorted(files):
        path = path_in_repository(file, home, root)
        if path is None or not (root / path).is_file():
            continue
        try:
            data = overridden(load_data(root / path, file), overrides.get(file, {}))
        except PipelineError:
            continue  # not in a format that DVC reads: whoever needs it will say so
        names.files |= _as_files(texts(data), [home, posixpath.dirname(path)], [])


def _as_files(found: Iterable[str], bases: Sequence[str], roots: Sequence[str]) -> set[str]:
    """Files that words mean: as paths from some folders, or as modules from some roots."""
    paths: set[str] = set()
    for word in found:
        if not word or is_url(word) or "\0" in word:
            continue
        paths |= {join(base, word) for base in bases if not os.path.isabs(word)}
        if _DOTTED.fullmatch(word):
            for top in roots:
                paths.update(module_files(top, word.split(".")))
    return {path for path in paths if not path.startswith("../")}


def words(command: str) -> set[str]:
    """Words of a shell command, also those inside quotes and behind ``--option=``."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        whole = set(lexer)
    except ValueError:  # a quote that is never closed: the shell will say so
        whole = set()
    return {*whole, *(part for word in (*whole, command) for part in _SPLIT.split(word) if part)}


def texts(data: Any, *, keys: bool = False) -> Iterator[str]:
    """Every text in a value; of mappings the values, and the keys if asked for."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if keys and isinstance(key, str):
                yield key
            yield from texts(value, keys=keys)
    elif isinstance(data, list):
        for item in data:
            yield from texts(item, keys=keys)


def join(*parts: str) -> str:
    """Join and normalise; the root itself is the empty text."""
    found = posixpath.normpath(posixpath.join(*parts)) if any(parts) else ""
    return "" if found == "." else found


def path_in_repository(path: str, home: str, root: Path) -> str | None:
    """Return a path of the graph relative to the git root; None if it lies elsewhere."""
    if is_url(path):
        return None
    if not os.path.isabs(path):
        return join(home, path)
    folder, name = os.path.split(path)
    real = Path(os.path.realpath(folder), name)
    return join(real.relative_to(root).as_posix()) if real.is_relative_to(root) else None


def below(path: Path, root: Path) -> str:
    """Return a folder relative to another one around it; that itself is the empty text."""
    return join(path.resolve().relative_to(root.resolve()).as_posix())


def _claim(outs: OutIndex, path: str | None, owner: str) -> None:
    if path:
        outs.add(path, owner)


def _is_pipeline_file(path: str, home: str, names: Names) -> bool:
    """Whether a file is the pipeline's own: DVC and git read it without being told."""
    inside = not home or path.startswith(f"{home}/")
    if not inside or names.outs.owner(path) is not None:
        return False
    name = posixpath.basename(path)
    return name in _PIPELINE or name.endswith(".dvc") or path in {join(home, own) for own in _OWN}


def _is_data(path: str, names: Names) -> bool:
    """Whether a stage makes the file or DVC tracks it.

    What a stage leaves to git (metrics, mostly) is no data in this sense: the run's own
    commit holds it too, and a run that doesn't find it would make it again.
    """
    return names.outs.owner(path) is not None and path not in names.kept


def _may_be_code(path: Path) -> bool:
    return (path.is_symlink() or path.is_file()) and _size(path) <= LARGEST


def _suits(path: Path) -> bool:
    """Whether a file that something names exactly is code or configuration."""
    if is_source(path):
        return True
    return path.suffix.lower() in CONFIGURATION and not _is_table(path)


def _is_table(path: Path) -> bool:
    """Whether JSON is a list of records, or one a line: rows of data, not configuration."""
    if path.suffix.lower() != ".json":
        return False
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return False
    lines = text.split("\n", 2)
    return text.startswith("[") or (len(lines) > 1 and lines[1].startswith("{"))


def _inside(path: str, folders: set[str]) -> bool:
    if "" in folders:
        return True
    parents = posixpath.dirname(path)
    while parents:
        if parents in folders:
            return True
        parents = posixpath.dirname(parents)
    return False


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0

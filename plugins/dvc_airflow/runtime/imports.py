"""Which Python files others import; read from their text, nothing is run."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dvc_airflow.runtime.errors import GitError
from dvc_airflow.runtime.git import git


def imported(
    candidates: set[str], named: Iterable[str], root: Path, roots: Sequence[str]
) -> set[str]:
    """Return those of some files that are imported, directly or through one another.

    Parameters
    ----------
    candidates : set of str
        Python files that nothing else names, relative to the git root.
    named : iterable of str
        Files to begin with, beside those that git tracks.
    root : Path
        The git root.
    roots : sequence of str
        Folders that modules are looked for in; a file's own folder is one too.
    """
    if not candidates:
        return set()
    waiting = [*_tracked_that_may_import(candidates, root), *sorted(named)]
    seen: set[str] = set()
    found: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.endswith((".py", ".pyi")):
            continue
        seen.add(path)
        new = (_imports_of(path, root, roots) & candidates) - found
        found |= new
        waiting.extend(sorted(new))
    return found


def module_files(top: str, parts: Sequence[str]) -> Iterator[str]:
    """Files that a dotted name can mean below a folder, those of the packages above included."""
    for length in range(1, len(parts) + 1):
        path = posixpath.join(top, *parts[:length])
        yield from (f"{path}.py", f"{path}.pyi", f"{path}/__init__.py", f"{path}/__init__.pyi")
    yield posixpath.join(top, *parts, "__main__.py")


def _tracked_that_may_import(candidates: set[str], root: Path) -> list[str]:
    """Tracked files in which a candidate's name stands: parsing all would take seconds."""
    names = sorted({_module_name(path) for path in candidates})
    patterns = [argument for name in names for argument in ("-e", name)]
    try:
        listed = git(
            root, "grep", "-l", "-z", "-w", "-F", *patterns, "--", "*.py", "*.pyi", strip=False
        )
    except GitError:
        return []  # git grep also ends with 1 if there is none
    return sorted(filter(None, listed.split("\0")))


def _module_name(path: str) -> str:
    folder, name = posixpath.split(path)
    stem = name.partition(".")[0]
    return posixpath.basename(folder) if stem in ("__init__", "__main__") and folder else stem


def _imports_of(path: str, root: Path, roots: Sequence[str]) -> set[str]:
    try:
        tree = ast.parse((root / path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()  # Python itself will say what is wrong, if the stage gets there
    here = posixpath.dirname(path)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.update(_files([here, *roots], alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            tops = [_up(here, node.level - 1)] if node.level else [here, *roots]
            for alias in node.names:
                found.update(_files(tops, [*module, alias.name]))
            if node.level:
                found.add(posixpath.join(tops[0], "__init__.py"))
    return found


def _files(tops: Iterable[str], parts: Sequence[str]) -> Iterator[str]:
    for top in tops:
        yield from module_files(top, parts)


def _up(folder: str, levels: int) -> str:
    for _ in range(levels):
        folder = posixpath.dirname(folder)
    return folder

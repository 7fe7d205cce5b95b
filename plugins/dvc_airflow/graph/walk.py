"""Finds dvc.yaml and .dvc files, leaving out what git and DVC ignore."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

DVC_DIR: Final = ".dvc"
PIPELINE_FILE: Final = "dvc.yaml"
_NEVER: Final = frozenset({".git", ".hg", DVC_DIR})

Rules = list[tuple[str, GitIgnoreSpec]]


def pipeline_files(root: Path, is_out: Callable[[str], bool]) -> Iterator[str]:
    """Paths (relative, parents before children) of all dvc.yaml and .dvc files.

    Parameters
    ----------
    root : Path
        The DVC project.
    is_out : callable
        Tells whether a directory is an output of a file found so far; those are data,
        and are not searched.
    """
    exclude = root / ".git" / "info" / "exclude"
    git_rules: Rules = _rules(exclude, "") if exclude.is_file() else []
    yield from _walk(root, "", git_rules, [], is_out)


def _walk(
    root: Path, folder: str, git_rules: Rules, dvc_rules: Rules, is_out: Callable[[str], bool]
) -> Iterator[str]:
    here = root / folder
    try:
        entries = sorted(os.scandir(here), key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in entries}
    if ".gitignore" in names:
        git_rules = git_rules + _rules(here / ".gitignore", folder)
    if ".dvcignore" in names:
        dvc_rules = dvc_rules + _rules(here / ".dvcignore", folder)

    def ignored(path: str) -> bool:
        return _matches(git_rules, path) or _matches(dvc_rules, path)

    folders: list[str] = []
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _NEVER and not ignored(path + "/"):
                folders.append(path)
        elif _is_pipeline_file(entry.name) and entry.is_file() and not ignored(path):
            yield path
    for path in folders:
        # A directory with its own .dvc is another project.
        if not is_out(path) and not (root / path / DVC_DIR).is_dir():
            yield from _walk(root, path, git_rules, dvc_rules, is_out)


def _is_pipeline_file(name: str) -> bool:
    return name == PIPELINE_FILE or name.endswith(".dvc")


def _rules(path: Path, folder: str) -> Rules:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [(f"{folder}/" if folder else "", GitIgnoreSpec.from_lines(lines))]


def _matches(rules: Rules, path: str) -> bool:
    # The file nearest to the path decides, as in git.
    for prefix, spec in reversed(rules):
        if path.startswith(prefix):
            verdict = spec.check_file(path[len(prefix) :]).include
            if verdict is not None:
                return verdict
    return False


class DvcIgnore:
    """What the ``.dvcignore`` files of a project leave out of dependencies and outputs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rules: dict[str, Rules] = {}

    def __contains__(self, path: str) -> bool:
        """Whether a file (relative to the project), or a folder around it, is left out."""
        parts = path.split("/")
        inside = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return any(
            _matches(
                self._of(os.path.dirname(location)), location + ("" if location == path else "/")
            )
            for location in inside
        )

    def _of(self, folder: str) -> Rules:
        if folder not in self._rules:
            above = self._of(os.path.dirname(folder)) if folder else []
            file = self._root / folder / ".dvcignore"
            self._rules[folder] = above + (_rules(file, folder) if file.is_file() else [])
        return self._rules[folder]

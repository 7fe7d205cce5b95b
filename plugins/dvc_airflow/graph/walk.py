"""Finds dvc.yaml and .dvc files, leaving out what git and DVC ignore."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from dvc_airflow.graph.ignore import DVC_DIR, DvcIgnore, GitIgnore

__all__ = ["DVC_DIR", "PIPELINE_FILE", "DvcIgnore", "GitIgnore", "pipeline_files"]

PIPELINE_FILE: Final = "dvc.yaml"


def pipeline_files(
    root: Path, git: GitIgnore, dvc: DvcIgnore, is_out: Callable[[str], bool]
) -> Iterator[str]:
    """Paths (relative, parents before children) of all dvc.yaml and .dvc files.

    Parameters
    ----------
    root : Path
        The DVC project.
    git, dvc : GitIgnore, DvcIgnore
        What is left out.
    is_out : callable
        Tells whether a directory is an output of a file found so far; those are data,
        and are not searched.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        folders: list[str] = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                # A directory with its own .dvc is another project.
                if not entry.is_symlink() and not os.path.lexists(root / path / DVC_DIR):
                    folders.append(path)
            elif is_pipeline_file(path) and path not in dvc and not git.ignores(path):
                yield path
        waiting += [
            path
            for path in reversed(folders)
            if not dvc.matches(path, is_dir=True)
            and not is_out(path)
            and not git.ignores(path, is_dir=True)
        ]


def is_pipeline_file(path: str) -> bool:
    """Whether DVC takes a file of this name for one of its own."""
    return path.endswith(".dvc") or os.path.basename(path) == PIPELINE_FILE

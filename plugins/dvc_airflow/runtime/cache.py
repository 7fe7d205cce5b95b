"""A DVC cache beside the workspaces, where the project's own can't be written to or won't last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

CACHE: Final = ".cache"


def use_lasting_cache(workspace: Path, tree: Path, workspaces: Path) -> None:
    """Let a workspace of a read-only or short-lived project use a cache beside the workspaces.

    Objects that the project's cache has are linked into it, so nothing is copied or lost. A cache
    that lies outside the project's tree and can be written to stays in use.

    Parameters
    ----------
    workspace : Path
        The project's copy, with its ``.dvc/config.local``.
    tree : Path
        Root of the repository, or of the copy of it, that the project lies in.
    workspaces : Path
        The directory of all workspaces.
    """
    from configobj import ConfigObj  # type: ignore[import-untyped]

    path = workspace / ".dvc" / "config.local"
    config: Any = ConfigObj(str(path), interpolation=False)
    named = Path(os.path.realpath(config["cache"]["dir"]))
    if not named.is_relative_to(os.path.realpath(tree)) and _is_writable(named):
        return
    own = Path(os.path.abspath(workspaces)) / CACHE
    _link_files(named, own)
    config["cache"]["dir"] = str(own)
    config.write()


def _is_writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _link_files(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for top, folders, names in os.walk(source):
        # What DVC is just writing, and what it keeps for itself.
        folders[:] = [name for name in folders if name not in ("tmp", "temp")]
        folder = target / os.path.relpath(top, source)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            link = folder / name
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.join(top, name))

"""The workspace's ``.dvc/config.local``: the project's cache, remotes and secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any


def write_local_config(project: Path, workspace: Path, final: Path) -> None:
    """Make DVC in a workspace use what it uses in the project.

    The user's own ``config.local`` is copied (credentials live there). Paths in either
    configuration are relative to the file they stand in, so they become absolute. The
    state database, which DVC keeps per directory and never removes, moves into the
    workspace and goes away with it.

    Parameters
    ----------
    project : Path
        The project to take the configuration from.
    workspace : Path
        The project's copy to write it for.
    final : Path
        Where that copy will be once it is complete.
    """
    from configobj import ConfigObj  # type: ignore[import-untyped]

    home = project / ".dvc"
    shared = ConfigObj(str(home / "config"), interpolation=False)
    local = ConfigObj(str(home / "config.local"), interpolation=False)
    target = workspace / ".dvc" / "config.local"
    target.parent.mkdir(parents=True, exist_ok=True)
    result: Any = ConfigObj(interpolation=False)
    result.merge(local)
    for section in {*shared.sections, *local.sections}:
        if re.match(r"'?remote ", section):
            url = local.get(section, {}).get("url") or shared.get(section, {}).get("url")
            if url and _is_relative(url):
                result.setdefault(section, {})["url"] = os.path.normpath(home / url)
    result.setdefault("cache", {})["dir"] = cache_dir(project, shared, local)
    result.setdefault("core", {})["site_cache_dir"] = str(final / ".dvc" / "tmp" / "site-cache")
    result.filename = str(target)
    result.write()
    # config.local can hold secrets.
    target.chmod(0o600)


def project_cache(project: Path) -> str:
    """Return the cache of a project, by both of its configurations."""
    from configobj import ConfigObj

    home = project / ".dvc"
    files = (home / "config", home / "config.local")
    return cache_dir(project, *(ConfigObj(str(file), interpolation=False) for file in files))


def cache_dir(project: Path, *configs: Any) -> str:
    """Return the project's DVC cache; the last configuration that names one wins."""
    found = ".dvc/cache"
    home = project
    for config in configs:
        named = config.get("cache", {}).get("dir")
        if named:
            found, home = named, project / ".dvc"
    return os.path.normpath(home / os.path.expanduser(found))


def _is_relative(url: str) -> bool:
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) and not os.path.isabs(
        os.path.expanduser(url)
    )

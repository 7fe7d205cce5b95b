"""The workspace's ``.dvc/config.local``: the project's cache, remotes and secrets.

DVC merges four levels of configuration, each wins over those before it: the system's, the user's
("global"), the repository's and the local one. The first two reach a workspace by themselves. The
repository's comes with the run's commit, and the local one is copied; what both say about paths is
relative to the file it stands in, so it has to become absolute.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from dvc_airflow.runtime.errors import WorkspaceError

_REMOTE: Final = re.compile(r"""\s*'?\s*(remote|machine)\s*"(.*)"\s*'?\s*""")
# The options whose values DVC resolves relative to the file (``Config._map_dirs`` in DVC).
_PATHS: Final = {
    "cache": frozenset({"dir"}),
    "remote": frozenset({
        "url", "gdrive_user_credentials_file", "gdrive_service_account_json_file_path",
        "credentialpath", "configpath", "keyfile", "cert_path", "key_path",
    }),
    "machine": frozenset({"startup_script", "setup_script"}),
}  # fmt: skip

Config = dict[str, dict[str, Any]]


def write_local_config(project: Path, workspace: Path, final: Path) -> None:
    """Make DVC in a workspace use what it uses in the project.

    The user's own ``config.local`` is copied (credentials live there). The state database,
    which DVC keeps per directory and never removes, moves into the workspace and goes away
    with it.

    Parameters
    ----------
    project : Path
        The project to take the configuration from.
    workspace : Path
        The project's copy to write it for.
    final : Path
        Where that copy will be once it is complete.

    Raises
    ------
    WorkspaceError
        If a configuration cannot be read, or a path cannot be written down as UTF-8.
    """
    from configobj import ConfigObj  # type: ignore[import-untyped]

    home = project / ".dvc"
    committed = _read(workspace / ".dvc" / "config")
    current = _read(home / "config")
    result: Config = {}
    # Paths of the run's commit; and sections that it doesn't have yet (a remote that was added
    # later: the data may be there).
    for section, options in _absolute(committed, home).items():
        paths = {key: value for key, value in options.items() if _is_path(section, key)}
        if paths:
            result[section] = paths
    for section, options in _absolute(current, home).items():
        if section not in committed and _kind(section) != "cache":
            result.setdefault(section, {}).update(options)
    for section, options in _absolute(_read(home / "config.local"), home).items():
        result.setdefault(section, {}).update(options)
    result.setdefault("cache", {})["dir"] = project_cache(project)
    result.setdefault("core", {})["site_cache_dir"] = str(final / ".dvc" / "tmp" / "site-cache")
    target = workspace / ".dvc" / "config.local"
    target.parent.mkdir(parents=True, exist_ok=True)
    written = ConfigObj(interpolation=False, encoding="utf-8")
    written.merge(result)
    try:
        lines = [line.encode("utf-8") for line in _lines(written)]
    except UnicodeEncodeError as exc:
        shown = str(exc.object).encode("utf-8", "backslashreplace").decode()
        msg = f"a path of DVC's configuration is not UTF-8, which DVC cannot read: {shown}"
        raise WorkspaceError(msg) from exc
    target.write_bytes(b"\n".join([*lines, b""]))
    # config.local can hold secrets.
    target.chmod(0o600)


def _lines(config: Any) -> list[str]:
    config.encoding = None  # texts instead of bytes
    return [str(line) for line in config.write()]


def project_cache(project: Path) -> str:
    """Return the cache of a project: of the levels that name one, the last one's."""
    found = str(project / ".dvc" / "cache")
    for file in _levels(project):
        named = _read(file).get("cache", {}).get("dir")
        if named:
            found = _resolved(str(named), file.parent)
    return os.path.normpath(found)


def _levels(project: Path) -> Iterator[Path]:
    """Yield the configuration files of all levels; later ones win (``dvc.dirs`` in DVC)."""
    import platformdirs

    folders: tuple[tuple[str, Callable[[str, str], str]], ...] = (
        ("DVC_SYSTEM_CONFIG_DIR", platformdirs.site_config_dir),
        ("DVC_GLOBAL_CONFIG_DIR", platformdirs.user_config_dir),
    )
    for variable, default in folders:
        yield Path(os.environ.get(variable) or default("dvc", "iterative")) / "config"
    yield project / ".dvc" / "config"
    yield project / ".dvc" / "config.local"


def _read(path: Path) -> Config:
    """Return a configuration with the names that DVC gives its sections, in lower case."""
    from configobj import ConfigObj, ConfigObjError

    if not path.is_file():
        return {}
    try:
        data = ConfigObj(str(path), encoding="utf-8", default_encoding="utf-8").dict()
    except (ConfigObjError, UnicodeDecodeError, OSError) as exc:
        msg = f"{path} cannot be read as DVC's configuration: {exc}"
        raise WorkspaceError(msg) from exc
    found: Config = {}
    for section, options in data.items():
        if isinstance(options, dict):
            lower = {str(key).lower(): value for key, value in options.items()}
            found.setdefault(_named(str(section)), {}).update(lower)
    return found


def _named(section: str) -> str:
    match = _REMOTE.fullmatch(section)
    return (f'{match[1]} "{match[2]}"' if match else section).lower()


def _kind(section: str) -> str:
    match = _REMOTE.fullmatch(section)
    return match[1] if match else section


def _is_path(section: str, key: str) -> bool:
    return key in _PATHS.get(_kind(section), frozenset())


def _absolute(config: Config, home: Path) -> Config:
    return {
        section: {
            key: _resolved(value, home)
            if isinstance(value, str) and _is_path(section, key)
            else value
            for key, value in options.items()
        }
        for section, options in config.items()
    }


def _resolved(path: str, home: Path) -> str:
    """Return a path as DVC's ``Config._resolve`` does: relative to the file's directory."""
    if re.match(r"\w+://", path) or os.path.isabs(path):
        return path
    expanded = os.path.expanduser(path)
    return expanded if os.path.isabs(expanded) else os.path.normpath(home / path)

"""Where a written path leads: into the project, outside, to a URL; or nowhere that DVC reads."""

from __future__ import annotations

import functools
import os
import posixpath
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlparse

from dvc_airflow.graph.ignore import DvcIgnore
from dvc_airflow.graph.walk import is_pipeline_file

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HTTP: Final = ("http", "https")
# Schemes of DVC's remotes, and the package that each is read with.
_PACKAGES: Final = {
    "s3": "dvc_s3",
    "gs": "dvc_gs",
    "ssh": "dvc_ssh",
    "hdfs": "dvc_hdfs",
    "webhdfs": "dvc_webhdfs",
    "azure": "dvc_azure",
    "oss": "dvc_oss",
    "gdrive": "dvc_gdrive",
    "webdav": "dvc_webdav",
    "webdavs": "dvc_webdav",
}


class LocationError(Exception):
    """DVC refuses a path; says why and what to write."""


def is_url(path: str) -> bool:
    """Whether a dependency is something else than a local path."""
    return bool(_URL.match(path))


class Locator:
    """Says where written paths of one project lead, and refuses what DVC refuses.

    Parameters
    ----------
    root : str
        The project.
    remotes : mapping of str to str
        Addresses of DVC's remotes, for ``remote://name/path``.
    ignore : DvcIgnore
        What cannot be an output.
    """

    def __init__(self, root: str, remotes: Mapping[str, str], ignore: DvcIgnore) -> None:
        self.root = root
        self._remotes = remotes
        self._ignore = ignore

    def dependency(self, wdir: str, path: str) -> str:
        """Return where a path that is read leads; see `locate`."""
        return locate(wdir, path, self.root, self._remotes, dependency=True)

    def output(self, wdir: str, path: str) -> str:
        """Return where a path that is written leads; raises if .dvcignore leaves it out."""
        found = locate(wdir, path, self.root, self._remotes, dependency=False)
        if not is_url(found) and self._ignore.leaves_out_output(found):
            msg = (
                f"output '{found}' is left out by a .dvcignore file, and DVC refuses such an "
                f"output; see 'dvc check-ignore {found}'"
            )
            raise LocationError(msg)
        return found


def locate(wdir: str, path: str, root: str, remotes: Mapping[str, str], *, dependency: bool) -> str:
    """Return a path as the graph compares it: relative to the root where possible.

    Parameters
    ----------
    wdir : str
        The directory that the path counts from, relative to the root.
    path : str
        As dvc.yaml writes it.
    root : str
        The project.
    remotes : mapping of str to str
        Addresses of DVC's remotes, for ``remote://name/path``.
    dependency : bool
        Whether it is read; otherwise it is written.

    Raises
    ------
    LocationError
        If DVC refuses the path.
    """
    if dependency and path.partition(":")[0] == "ds":
        return path if is_url(path) else f"ds://{path.partition(':')[2]}"
    if is_pipeline_file(path):
        kind = "a dependency" if dependency else "an output"
        msg = f"'{path}' is a file of DVC itself, which cannot be {kind}; name the data instead"
        raise LocationError(msg)
    if ":" in path:
        address = _resolved(path, remotes)
        if is_url(address):
            return _normal_url(address)
        if path.startswith("remote:"):
            path = address
    full = os.path.normpath(os.path.join(root, wdir, path))
    if full == root:
        return "."
    inside = f"{root.rstrip(os.sep)}{os.sep}"
    return full[len(inside) :] if full.startswith(inside) else full


def _resolved(path: str, remotes: Mapping[str, str], depth: int = 0) -> str:
    """Return an address without ``remote://``; what isn't a URL to DVC comes back as it is."""
    try:
        parsed = urlparse(path)
    except ValueError as exc:
        msg = f"'{path}' is no valid URL: {exc}"
        raise LocationError(msg) from exc
    if parsed.scheme == "remote":
        base = remotes.get(parsed.netloc.lower())
        if base is None or depth > len(remotes):
            known = ", ".join(sorted(remotes)) or "none"
            msg = (
                f"there is no remote '{parsed.netloc}' for '{path}'; DVC's configuration has "
                f"{known} (dvc remote add {parsed.netloc or 'NAME'} URL)"
            )
            raise LocationError(msg)
        found = _resolved(base, remotes, depth + 1)
        below = parsed.path.lstrip("/")
        return f"{found}/{below}" if is_url(found) else os.path.normpath(f"{found}/{below}")
    is_stored = check_scheme(path)
    package = _PACKAGES.get(parsed.scheme)
    if package is not None and not _is_installed(package):
        name = package.replace("_", "-")
        msg = f"DVC reads '{parsed.scheme}' by the package {name}, which is not installed here"
        raise LocationError(msg)
    if is_stored and not is_url(path):
        return f"{parsed.scheme}://{path.partition(':')[2]}"
    return path if is_stored else path.replace("://", ":/")


def check_scheme(url: str) -> bool:
    """Whether an address is one of a remote storage; raises where DVC knows no such storage."""
    parsed = urlparse(url)
    known = parsed.scheme in _HTTP or parsed.scheme in _PACKAGES
    if parsed.netloc and parsed.scheme not in ("", "remote") and not known:
        msg = (
            f"DVC reads no URLs that begin with '{parsed.scheme}://'; write a path, or one of "
            f"{', '.join((*_HTTP, *sorted(_PACKAGES)))}"
        )
        raise LocationError(msg)
    return known


@functools.cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _normal_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host}{slash}{posixpath.normpath(path) if path else ''}"

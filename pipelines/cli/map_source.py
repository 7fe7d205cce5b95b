"""Service maps by what people call them: a folder, a window, a day, or a revision of the project.

Nothing is written to the work tree, whatever is asked for.
"""

import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.cli.analysis_params import analysis_params

if TYPE_CHECKING:
    from pipelines.aiops.service_map.model import ServiceMap

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def find_map(project: Path, name: str) -> "ServiceMap":
    """Read a map.

    Parameters
    ----------
    name
        A folder with a map, or a place of which it is a part; a window of aiops.analysis.results;
        a day (UTC) of which such windows are merged; a git revision of the project, whose map is
        read from DVC's cache or remote.

    Raises
    ------
    SignalboxError
        If it is none of them, or there is no map.
    """
    from pipelines.aiops.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    for folder in (Path(name), Path(name) / SERVICE_MAP):
        if (folder / MAP_FILE).is_file():
            return read_map(folder)
    if Path(name).is_dir():
        raise SignalboxError(f"{name}: no service map in this folder; it would be {MAP_FILE}")
    return _of_windows(project, name) or map_of_revision(project, name)


def newest_map(project: Path) -> "tuple[ServiceMap, str]":
    """Read the project's map or, if it has none, that of the newest window; and its place."""
    from pipelines.aiops.analysis.results import place_of, windows_in
    from pipelines.aiops.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    results = _results(project)
    places = [project, *(place_of(results, one) for one in reversed(windows_in(results)))]
    for place in places:
        if (place / SERVICE_MAP / MAP_FILE).is_file():
            return read_map(place / SERVICE_MAP), str(place / SERVICE_MAP)
    raise SignalboxError(
        f"no service map in {SERVICE_MAP} nor in {results}; run dvc repro map_services, or the DAG "
        "service_map"
    )


def map_of_revision(project: Path, revision: str) -> "ServiceMap":
    """Read the map that a commit's ``dvc.lock`` names.

    Raises
    ------
    SignalboxError
        If there is no such commit, or its map is neither in DVC's cache nor in a remote.
    """
    from pipelines.aiops.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, WINDOWS_FILE, read_map
    from pipelines.release.registry.git import git_or_none

    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = git_or_none(project, *asked)
    if not commit:
        raise SignalboxError(
            f"{revision!r} is no folder with a map, no window or day in {_results(project)}, and "
            "no revision of this project"
        )
    with tempfile.TemporaryDirectory(prefix="signalbox-map-") as name:
        for file in (MAP_FILE, WINDOWS_FILE):
            content = _from_dvc(project, (SERVICE_MAP / file).as_posix(), commit, revision)
            (Path(name) / file).write_bytes(content)
        return read_map(Path(name))


def _from_dvc(project: Path, path: str, commit: str, revision: str) -> bytes:
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        with dvc.api.open(path, repo=str(project), rev=commit, mode="rb") as stream:
            return bytes(stream.read())
    except (DvcException, SCMError, OSError) as error:
        raise SignalboxError(
            f"{revision}: {path} of commit {commit[:12]} is neither in git nor in DVC's cache and "
            f"cannot be fetched: {' '.join(str(error).split())}; try dvc fetch --all-commits"
        ) from error


def _of_windows(project: Path, name: str) -> "ServiceMap | None":
    """Map of a window, or of a day's windows; None if it is no name of any."""
    from pipelines.aiops.analysis.map_parts import settings_of
    from pipelines.aiops.analysis.results import place_of, windows_in
    from pipelines.aiops.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.build import merge_maps
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    results = _results(project)
    folders = [
        place_of(results, one) / SERVICE_MAP for one in windows_in(results)
        if one.name == name or (_DAY.fullmatch(name) and f"{one.start:%Y-%m-%d}" == name)
    ]  # fmt: skip
    found = [read_map(folder) for folder in folders if (folder / MAP_FILE).is_file()]
    if folders and not found:
        raise SignalboxError(
            f"{folders[0]}: no service map of this window; run the DAG service_map"
        )
    if len(found) < 2:
        return found[0] if found else None
    found.sort(key=lambda one: one.start_us)
    for before, after in pairwise(found):
        if after.start_us < before.end_us:
            raise SignalboxError(f"windows of {name} in {results} overlap; name one of them")
    return merge_maps(found, settings_of(analysis_params(project)))


def _results(project: Path) -> Path:
    return Path(analysis_params(project).analysis.results)

"""Changes from a Git repository on this machine: its tags, or the commits of a branch.

Git is only asked for its log; hooks, pagers and signatures are off. Of people only their name is
kept.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import GitChangesParams
from pipelines.aiops.sources.records import collector, quarantining
from pipelines.aiops.sources.times import read_time
from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, GitMissingError, git_bytes

_UNIT, _RECORD = "\x1f", "\x1e"
_TAGS = "%1e%(refname:short)%1f%(creatordate:iso-strict)%1f%(taggername)%(authorname)%1f%(subject)"
_COMMITS = "%x1e%H%x1f%cI%x1f%an%x1f%s%x1f"


def read(settings: GitChangesParams, window: ReadWindow, project: Path) -> Batch:
    """Read all tags, or all commits of the branch.

    Parameters
    ----------
    settings : GitChangesParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If there is no such repository or branch, or no Git.
    """
    rows = collector(settings, window)
    folder = project / settings.repository
    found = _tags(settings, folder) if settings.take == "tags" else _commits(settings, folder)
    for fields in found:
        with quarantining(rows, settings.repository, _UNIT.join(fields)):
            _take(rows, settings, fields)
    return rows.batch()


def _tags(settings: GitChangesParams, folder: Path) -> Iterator[list[str]]:
    """Fields of each tag: name, time, who, subject."""
    for record in _git(settings, folder, ["for-each-ref", f"--format={_TAGS}", "refs/tags"]):
        yield record.strip("\n").split(_UNIT)


def _commits(settings: GitChangesParams, folder: Path) -> Iterator[list[str]]:
    """Fields of each commit: hash, time, who, subject, and files, a line each."""
    arguments = ["log", f"--format={_COMMITS}", "--name-only", "--end-of-options", settings.branch]
    for record in _git(settings, folder, [*arguments, "--"]):
        yield record.split(_UNIT)


def _git(settings: GitChangesParams, folder: Path, arguments: list[str]) -> list[str]:
    plain = ("-c", "core.quotePath=false", "-c", "log.showSignature=false")
    try:
        found = git_bytes(folder, *plain, *arguments, timeout=settings.timeout_seconds)
    except GitError as error:
        text = " ".join(error.said.split())[:300]
        raise SignalboxError(
            f"source {settings.name}: {folder}: git says: {text}; check repository and branch"
        ) from error
    except GitMissingError as error:
        raise SignalboxError(f"source {settings.name}: {error}") from error
    return [record for record in found.decode(errors="replace").split(_RECORD) if record.strip()]


def _take(rows: Collector, settings: GitChangesParams, fields: list[str]) -> None:
    if len(fields) < 4:
        raise MalformedError("fields are missing")
    name, when, who, subject = fields[:4]
    at = read_time(when)
    if at is None:
        raise MalformedError("it has no time")
    row = {"at": at, "kind": settings.change_kind, "author": who or None, "title": subject or name}
    if settings.take == "tags":
        match = re.match(settings.tag_pattern, name)
        parts = match.groupdict() if match else {}
        service = parts.get("service") or settings.service or None
        version = parts.get("version") or name
        rows.change({**row, "change_id": name, "service": service, "version": version})
        return
    files = fields[4].strip("\n").splitlines() if len(fields) > 4 else []
    for service in _services(settings, files):
        change = f"{name}:{service}" if service and settings.paths else name
        rows.change({**row, "change_id": change, "service": service, "version": name[:12]})


def _services(settings: GitChangesParams, files: list[str]) -> list[str | None]:
    """Services whose folders files lie in; of files elsewhere the one for all, if there is one."""
    if not settings.paths:
        return [settings.service or None]
    found: set[str] = set()
    for file in files:
        inside = [f for f in settings.paths if file == f or file.startswith(f.rstrip("/") + "/")]
        if inside:
            found.add(settings.paths[max(inside, key=len)])
        elif settings.service:
            found.add(settings.service)
    return [*sorted(found)]

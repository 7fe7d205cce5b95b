"""Compares what a run saved with the reference, and looks for what it left lying about."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dvc_airflow.conformance.hosts import Copy, Run
from dvc_airflow.conformance.outcome import (
    RunOutcome,
    contradictions,
    differences,
    git_outs,
    hashes,
    md5_of_files,
    read_commit,
    read_worktree,
)
from dvc_airflow.conformance.result import Finding
from dvc_airflow.conformance.scratch import Scratch
from dvc_airflow.runtime.git import git, git_or_none

# Objects above this are looked for, not read: the suite must not read terabytes again.
_READ_LIMIT: Final = 256 * 1024 * 1024


def judge(finding: Finding, host: Copy, run: Run, cache: Path | None = None) -> bool:
    """Compare a finished run's saved commit with the plain ``dvc repro``.

    Parameters
    ----------
    finding : Finding
        Gets what was compared, and what is wrong.
    host : Host
        Where the run was saved.
    run : Run
        The run.
    cache : Path, optional
        Where its outputs must be; the host's cache by default.

    Returns
    -------
    bool
        Whether nothing is wrong.
    """
    saved = run.xcoms.get("save_run")
    if saved is None:
        finding.add(f"run {run.run_id}", [run.failure() or "it was not saved"])
        return False
    return judge_commit(finding, host, str(saved["commit"]), f"run {run.run_id}", cache)


def judge_commit(
    finding: Finding, host: Copy, commit: str, what: str, cache: Path | None = None
) -> bool:
    """Compare a saved commit with the plain ``dvc repro``; see `judge`."""
    scratch = host.scratch
    if git_or_none(host.root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        finding.add(what, [f"its commit {commit} is not in the repository of host {host.name}"])
        return False
    graph, stages = scratch.graph, scratch.stages
    found = read_commit(host.root, commit, scratch.prefix, graph, stages)
    problems = _stale(scratch, found)
    kept = [out.path for address in stages for out in git_outs(graph.stages[address])]
    md5 = md5_of_files(host.root, commit, scratch.prefix, kept)
    problems += contradictions(graph, found, md5)
    problems += _missing_objects(scratch, found, cache or host.cache)
    problems += _differences(finding, scratch, found)
    count = sum(len(entry.get("outs", [])) for entry in found.entries.values())
    detail = (
        f"{len(found.entries)} dvc.lock entries with {count} output hashes, "
        f"{len(found.files)} file(s) that git keeps"
    )
    finding.add(what, problems, detail)
    return not problems


def _stale(scratch: Scratch, found: RunOutcome) -> list[str]:
    """Return what the run has of the older run that its start commit names."""
    return [
        f"stage {address} has {path} ({key}) of the older run that was committed before"
        for address, entry in found.entries.items()
        if not scratch.graph.stages[address].frozen
        for key in ("deps", "outs")
        for path, digest in hashes(scratch.graph.stages[address], entry, key)
        if digest in scratch.stale
    ]


def _differences(finding: Finding, scratch: Scratch, found: RunOutcome) -> list[str]:
    """Return differences of stages that make the same from the same."""
    different = differences(scratch.graph, scratch.expected, found).problems
    excused: set[str] = set()
    for address in different:
        if _same_inputs(scratch, found, address) and not scratch.repeats(address):
            excused |= scratch.below({address})
            finding.note(
                f"stage '{address}' differs; it may be non-deterministic: forced to run again on "
                "the same inputs, it differs from itself. It and what reads from it are only "
                "checked for contradictions"
            )
    return [
        f"stage {address} is not as dvc repro makes it: {text}"
        for address, texts in different.items()
        if address not in excused
        for text in texts
    ]


def _same_inputs(scratch: Scratch, found: RunOutcome, address: str) -> bool:
    """Whether a stage had the command and the inputs that it had in the reference."""
    one, other = scratch.expected.entries[address], found.entries.get(address, {})
    keys = {*one, *other} - {"outs"}
    return all(one.get(key) == other.get(key) for key in keys)


def _missing_objects(scratch: Scratch, found: RunOutcome, cache: Path) -> list[str]:
    problems = []
    for address, entry in found.entries.items():
        stage = scratch.graph.stages[address]
        cached = {out.path for out in stage.outs if out.cache and out.push}
        for path, digest in hashes(stage, entry, "outs"):
            if path in cached:
                problems += [f"{path} of stage {address}: {p}" for p in _object(cache, digest)]
    return problems


def _object(cache: Path, digest: str) -> list[str]:
    for layout in ("files/md5", "."):
        path = cache / layout / digest[:2] / digest[2:]
        if path.is_file():
            break
    else:
        return [f"its object {digest[:8]} is not in {cache.name}"]
    if path.stat().st_size <= _READ_LIMIT and not _is_whole(path, digest):
        return [f"its object {digest[:8]} in {cache.name} does not have the content of its name"]
    if not digest.endswith(".dir"):
        return []
    items = json.loads(path.read_text(encoding="utf-8"))
    return [text for item in items for text in _object(cache, str(item["md5"]))]


def _is_whole(path: Path, digest: str) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest() == digest.removesuffix(".dir")


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def damaged_objects(host: Copy) -> list[str]:
    """Return objects of a host's cache that are not what their names say: half-written ones."""
    start = host.cache / "files" / "md5"
    return [
        f"cache object {path.parent.name}{path.name} does not have the content of its name"
        for path in sorted(start.glob("??/*"))
        if _is_object(path)
        and path.stat().st_size <= _READ_LIMIT
        and not _is_whole(path, path.parent.name + path.name)
    ]


def _is_object(path: Path) -> bool:
    name = path.name.removesuffix(".dir")
    return len(name) == 30 and all(letter in "0123456789abcdef" for letter in name)


def leftovers(host: Copy, run: Run) -> list[str]:
    """Return what a run that is over still holds, or has done to the host's project."""
    problems = [f"the project has changed: {line}" for line in changes(host)]
    opened = run.xcoms.get("open_workspace")
    if not opened:
        return problems
    root, path = Path(opened["root"]), Path(opened["path"])
    locks = [
        path / ".dvc" / "tmp" / "lock",
        root.with_name(f".{root.name}.lock"),
        root.with_name(f".{root.name}.make"),
    ]
    return problems + [f"lock {lock} is still held" for lock in locks if _is_held(lock)]


def changes(host: Copy) -> list[str]:
    """Return what git sees as changed in the host's project."""
    status = git(host.root, "status", "--porcelain", "--untracked-files=all")
    return status.splitlines()


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def half_saved(host: Copy, run: Run, stages: Iterable[str]) -> list[str]:
    """Return what a run has recorded of stages that have not finished.

    Nothing is saved as complete, and dvc.lock can be read and names no hash for them but those
    it had (the older run's) or the right ones.
    """
    scratch = host.scratch
    problems = []
    refs = git(host.root, "for-each-ref", "--format=%(refname)", "refs/runs").splitlines()
    if any(run.run_id.split("+")[0].replace(":", ".") in ref for ref in refs):
        problems.append("an unfinished run was saved as refs/runs/…")
    project = Path(run.xcoms["open_workspace"]["path"])
    try:
        entries = read_worktree(project, scratch.graph, stages).entries
    except Exception as exc:  # whatever a YAML reader says of half a file
        return [*problems, f"dvc.lock cannot be read after it: {exc}"]
    for address, entry in entries.items():
        right = scratch.expected.entries[address]
        good = {digest for _, digest in hashes(scratch.graph.stages[address], right, "outs")}
        named = {digest for _, digest in hashes(scratch.graph.stages[address], entry, "outs")}
        if named - good - scratch.stale and scratch.repeats(address):
            problems.append(f"dvc.lock names half an output of stage {address}")
    return problems

"""Saved runs in git: find the subject in their snapshots, and let those go.

A run is kept as commits under ``refs/runs`` (one that failed, or is going on, under two more).
They are Signalbox's own, not the user's history: where a subject stands in a file that only such a
commit holds, the run is given up, its workspace with it, and the file's object leaves git. What
branches and tags hold is history; it is searched and named, never rewritten. That goes for released
models too: which of them learned from the subject, their train splits say.
"""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.artifacts import RELEASED, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.git import GitError, git_bytes, git_contents, git_or_none
from pipelines.mlops.privacy.journal import Journal, Removal
from pipelines.mlops.privacy.probe import Hit, Probe
from pipelines.release.released import Released, read_released, write_released

GIT_STORE = "git"
"""Place of a removal whose path is a run's ref."""

KINDS = ("refs/runs/", "refs/failed-runs/", "refs/open-runs/")
RUNS = Path("runs")


@dataclass(frozen=True)
class RunRef:
    """A run whose snapshot holds the subject.

    Attributes
    ----------
    name : str
        Full name of the ref.
    commit : str
        Hash of the commit it names.
    rows : int
        Rows of the subject; 0 where only the key stands as a word.
    kind : str
        How the subject was found, as in `Hit.kind`.
    blobs : tuple of str
        The objects that hold it and that no branch or tag has.
    """

    name: str
    commit: str
    rows: int
    kind: str
    blobs: tuple[str, ...]


@dataclass
class Found:
    """Where in git the subject is.

    Attributes
    ----------
    runs : list of RunRef
        Runs to give up.
    words : list of RunRef
        Runs in which only the key stands as a word; that may be chance, so a person decides.
    history : list of str
        Branches, tags and other refs whose commits hold it, now or before.
    blobs : list of str
        Every object that holds its rows.
    opened : int
        How many files git has in all their versions.
    alone : list of str
        Those of the objects that hold nobody else.
    """

    runs: list[RunRef] = field(default_factory=list)
    words: list[RunRef] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    opened: int = 0
    alone: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows in snapshots of runs."""
        return sum(run.rows for run in self.runs)


def search(project: Path, probe: Probe) -> Found:
    """Search every version of every file in git; nothing is found where there is no repository.

    Parameters
    ----------
    project : Path
        Root of the project.
    probe : Probe
        Looks for the subject.

    Returns
    -------
    Found
    """
    refs = _refs(project)
    if not refs:
        return Found()
    runs = {name: commit for name, commit in refs.items() if name.startswith(KINDS)}
    others = {name: commit for name, commit in refs.items() if name not in runs}
    found = Found()
    hits: dict[str, Hit] = {}
    for blob, content in _contents(project, _objects(project, refs.values())):
        found.opened += 1
        hit = probe.look(content)
        if hit is not None:
            hits[blob] = hit
    if not hits:
        return found
    found.blobs = sorted(blob for blob, hit in hits.items() if hit.rows)
    found.alone = sorted(blob for blob, hit in hits.items() if hit.alone)
    for name, commit in runs.items():
        found_blobs = sorted(_objects(project, [commit], without=others.values()) & hits.keys())
        if found_blobs:
            rows = sum(hits[blob].rows for blob in found_blobs)
            kind = max((hits[blob] for blob in found_blobs), key=lambda hit: hit.rows).kind
            run = RunRef(name, commit, rows, kind, tuple(found_blobs))
            (found.runs if rows else found.words).append(run)
    of_rows = set(found.blobs)
    found.history = [
        name
        for name, commit in others.items()
        if of_rows and not of_rows.isdisjoint(_objects(project, [commit]))
    ]
    return found


def note(state: Journal, found: Found) -> None:
    """Add the runs that will be given up to the journal.

    Parameters
    ----------
    state : Journal
        Journal of the erasure.
    found : Found
        Where in git the subject is.
    """
    for run in found.runs:
        state.note(Removal(place=GIT_STORE, path=run.name, kind=run.kind, rows=run.rows,
                           before=run.commit))  # fmt: skip
        for blob in run.blobs:
            if blob not in state.blobs:
                state.blobs.append(blob)
    state.blobs_alone = sorted({*state.blobs_alone, *found.alone})


def act(project: Path, state: Journal) -> None:
    """Give up the noted runs: refs first, then workspaces, then the objects.

    An attempt that was killed on the way is finished by the next one: all comes from the journal.

    Parameters
    ----------
    project : Path
        Root of the project.
    state : Journal
        Journal of the erasure.
    """
    for removal in _noted(state):
        _git(project, "update-ref", "--no-deref", "-d", removal.path, removal.before)
        _remove_workspace(project, removal.path, state)
    if state.blobs:
        _forget(project, state.blobs)
    settle(project, state)


def settle(project: Path, state: Journal) -> None:
    """Record what became of the runs.

    Parameters
    ----------
    project : Path
        Root of the project.
    state : Journal
        Journal of the erasure.
    """
    refs = _refs(project) if any(True for _ in _noted(state)) else {}
    for removal in _noted(state):
        stays = refs.get(removal.path) == removal.before
        removal.action = "remains" if stays else "removed"


def left(project: Path, state: Journal, found: Found) -> list[str]:
    """List what of the runs is still there: refs, and objects that something else holds on to.

    Parameters
    ----------
    project : Path
        Root of the project.
    state : Journal
        Journal of the erasure.
    found : Found
        What a second search found.

    Returns
    -------
    list of str
        One line a ref or object.
    """
    remaining = [f"{GIT_STORE}: {run.name}" for run in found.runs]
    remaining += [
        f"{GIT_STORE}: {run.name} has the key as a word in {', '.join(run.blobs[:3])}: look with "
        f"git cat-file -p, then give the run up with git update-ref -d {run.name}"
        for run in found.words
    ]
    for blob in state.blobs:
        if blob not in found.blobs and _exists(project, blob):
            remaining.append(
                f"{GIT_STORE}: object {blob} (a reflog, an index, a worktree or a kept pack holds "
                "it: git reflog expire --expire=now --all && git gc --prune=now)"
            )
    return remaining


def runs_record(state: Journal, found: Found) -> dict[str, object]:
    """Build the proof's part on git: runs given up, and what history still holds.

    The hashes of the objects let ``verify --reproduce`` refuse commits that have one. Of objects
    that are gone and held nobody else there is none: it would be the hash of a person.

    Parameters
    ----------
    state : Journal
        Journal of the erasure.
    found : Found
        What a second search found.

    Returns
    -------
    dict of str to object
        Keys ``runs`` (ref → commit), ``pruned``, ``history`` and ``objects``.
    """
    return {
        "runs": {removal.path: removal.before for removal in _noted(state)},
        "pruned": sorted(set(state.blobs) - set(found.blobs) - set(state.blobs_alone)),
        "history": found.history,
        "objects": found.blobs,
    }


def notes(state: Journal, found: Found) -> list[str]:
    """List what a person has to know or do.

    Parameters
    ----------
    state : Journal
        Journal of the erasure.
    found : Found
        What a second search found.

    Returns
    -------
    list of str
        One sentence each.
    """
    lines = []
    given_up = sorted(removal.path for removal in _noted(state))
    if given_up:
        lines.append(
            f"given up, because their snapshots held the subject: {', '.join(given_up)}; delete "
            "them in every clone that has fetched them"
        )
    if found.history:
        lines.append(
            f"git's history still holds the subject: {', '.join(found.history)}; it is not "
            "rewritten here (git filter-repo does it), and 'signalbox verify --reproduce' runs no "
            "commit that holds the subject"
        )
    return lines


def _noted(state: Journal) -> Iterator[Removal]:
    return (removal for removal in state.removals.values() if removal.place == GIT_STORE)


def _remove_workspace(project: Path, ref: str, state: Journal) -> None:
    """Remove the clone of a run that is given up: it borrows the objects that go.

    Half a clone would be worse than none, for git would take the project's own repository for it.
    """
    kind = next(kind for kind in KINDS if ref.startswith(kind))
    directory = project / RUNS / ref.removeprefix(kind)
    if directory.is_dir() and not directory.is_symlink():
        doomed = directory.with_name(f".removed-{uuid.uuid4().hex[:8]}")
        directory.rename(doomed)
        shutil.rmtree(doomed)
    for removal in state.removals.values():
        if removal.place != GIT_STORE and (project / removal.path).is_relative_to(directory):
            removal.action, removal.after = "removed", ""


def _forget(project: Path, blobs: Iterable[str]) -> None:
    """Remove objects from git that nothing refers to any more, and no others.

    ``git gc --prune=now`` would take with them what the user may want back (lost commits, dropped
    stashes), so packed ones are set free first, and then only these are removed.
    """
    wanted = set(blobs)
    if any(_exists(project, blob) and not _loose(project, blob).is_file() for blob in wanted):
        _git(project, "repack", "-q", "-A", "-d")
    listed = _git(project, "prune", "-n", "--expire=now").decode()
    for line in listed.splitlines():
        blob = line.split(" ", 1)[0]
        if blob in wanted:
            with suppress(FileNotFoundError):
                _loose(project, blob).unlink()


def _loose(project: Path, blob: str) -> Path:
    named = _git(project, "rev-parse", "--git-path", f"objects/{blob[:2]}/{blob[2:]}")
    return project / os.fsdecode(named).removesuffix("\n")


def _exists(project: Path, blob: str) -> bool:
    found = _git(project, "cat-file", "--batch-check", stdin=f"{blob}\n".encode())
    return bool(found) and not found.rstrip().endswith(b"missing")


def _refs(project: Path) -> dict[str, str]:
    """Every ref with what it points to (tags not peeled), and where HEAD is."""
    listed = _git(project, "for-each-ref", "--format=%(objectname) %(refname)").decode(
        "utf-8", "surrogateescape"
    )
    refs = {}
    for line in listed.splitlines():
        commit, name = line.split(" ", 1)
        refs[name] = commit
    head = _git(project, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
    return {**refs, "HEAD": head} if head else refs


def _objects(project: Path, tips: Iterable[str], *, without: Iterable[str] = ()) -> set[str]:
    """Objects that commits reach, and that others don't."""
    lines = [*dict.fromkeys(tips), *(f"^{tip}" for tip in dict.fromkeys(without))]
    command = ("rev-list", "--objects", "--no-object-names", "--stdin")
    listed = _git(project, *command, stdin="".join(f"{line}\n" for line in lines).encode())
    return set(listed.decode().split())


def _contents(project: Path, objects: set[str]) -> Iterator[tuple[str, bytes]]:
    """Blobs among some objects, one after the other."""
    given = "".join(f"{object_id}\n" for object_id in sorted(objects)).encode()
    checked = _git(project, "cat-file", "--batch-check", stdin=given).decode()
    blobs = [line.split(" ")[0] for line in checked.splitlines() if line.split(" ")[1] == "blob"]
    yield from git_contents(project, blobs)


def _git(project: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Output of git; empty where it fails (no repository, a ref that is gone already)."""
    try:
        return git_bytes(project, *arguments, stdin=stdin)
    except GitError:
        return b""


UNKNOWN = "unknown: its train split is in neither cache nor remote"


def releases_holding(project: Path, holding: set[str], seen: set[str]) -> list[dict[str, Any]]:
    """Find out for every release whether its train split holds the subject.

    Parameters
    ----------
    project : Path
        Root of the project.
    holding : set of str
        DVC hashes of objects that hold the subject.
    seen : set of str
        DVC hashes of all objects that were opened; a split that wasn't opened is unknown.

    Returns
    -------
    list of dict
        Keys ``release``, ``commit`` and ``contains``: True, False or `UNKNOWN`.
    """
    found = []
    for name, commit in _released(project):
        split = _split_of(project, commit)
        contains: bool | str = split in holding if split in seen else UNKNOWN
        found.append({"release": name, "commit": commit, "contains": contains})
    return found


def _released(project: Path) -> Iterator[tuple[str, str]]:
    """Name and commit of the pointer's release, then of every version in git's tags."""
    done: set[tuple[str, str]] = set()
    pointer = _pointer(project)
    if pointer is not None:
        done.add((pointer.name, pointer.commit))
        yield pointer.name, pointer.commit
    listed = git_or_none(project, "tag", "--list", "*@v*", "--format=%(refname:short)") or ""
    for tag in listed.split():
        commit = git_or_none(project, "rev-list", "-n", "1", tag) or ""
        if (tag, commit) not in done:
            yield tag, commit


def _pointer(project: Path) -> Released | None:
    try:
        return read_released(project / RELEASED)
    except SignalboxError:
        return None


def _split_of(project: Path, commit: str) -> str | None:
    """DVC hash of the train split in a commit's ``dvc.lock``."""
    lock = yaml.safe_load(git_or_none(project, "show", f"{commit}:dvc.lock") or "{}") or {}
    for stage in lock.get("stages", {}).values():
        for out in stage.get("outs", []):
            if out.get("path") == TRAIN.as_posix():
                return str(out.get("md5"))
    return None


def drop_from_pointer(project: Path, known: list[dict[str, Any]]) -> bool:
    """Drop train data that was erased from the pointer, or ``drift`` would ask for it in vain.

    Parameters
    ----------
    project : Path
        Root of the project.
    known : list of dict of str to object
        What `releases_holding` said before anything was removed.

    Returns
    -------
    bool
        Whether the pointer was changed.
    """
    pointer = _pointer(project)
    if pointer is None or TRAIN.as_posix() not in pointer.artifacts:
        return False
    remaining = {
        (release["release"], release["commit"]) for release in known if release["contains"] is True
    }
    if (pointer.name, pointer.commit) not in remaining:
        return False
    kept = {path: sha for path, sha in pointer.artifacts.items() if path != TRAIN.as_posix()}
    write_released(pointer.model_copy(update={"artifacts": kept}), project / RELEASED)
    return True

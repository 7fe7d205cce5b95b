"""Run the whole pipeline in a clean clone with an empty cache, and compare bit for bit."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.artifacts import RELEASED
from pipelines.core.errors import SignalboxError
from pipelines.verification.document import Given
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import Lock, read_lock
from pipelines.verification.project import LOCK, Git, Project
from pipelines.verification.results import Check, Finding, Status, conclude
from pipelines.verification.scratch import put, run, scratch

_TITLE = "pipeline in a clean clone"


@contextmanager
def reproduced(
    project: Project, rev: str, tell: Callable[[str], None]
) -> Iterator[tuple[Path | None, Check]]:
    """Reproduce a commit; give the clone, until the end of the block, and what differs in it.

    Nothing is taken from the project but the commit, source data that git doesn't keep (if its
    hash is the recorded one), and what the released model needs.

    Parameters
    ----------
    project : Project
        The clone with commit and source data.
    rev : str
        Commit to reproduce.
    tell : Callable[[str], None]
        Called with one sentence on each step that begins.

    Yields
    ------
    tuple of (Path or None, Check)

    Raises
    ------
    SignalboxError
        If there is no such commit.
    """
    commit = project.git.commit(rev)
    with scratch(project, commit, shared_cache=False) as directory:
        lock = read_lock(project.git.content(commit, LOCK))
        try:
            _sources(project, lock, directory)
            _released(project, directory)
            tell(f"running the pipeline of commit {commit[:12]} in a clean clone")
            run("python -m dvc repro --force --no-run-cache", directory)
        except SignalboxError as error:
            sentence = f"could not be run: {error}"
            yield None, Check("reproduce", _TITLE, Status.MISSING, sentence)
            return
        yield directory, _compare(project, commit, lock, directory)


def _compare(project: Project, commit: str, lock: Lock, directory: Path) -> Check:
    """Hold outs and ``dvc.lock`` of the clone against those of the commit."""
    hasher = Hasher(directory)
    findings = []
    for path, out in lock.outs().items():
        found = hasher.of(directory / path)
        if found is None or found.md5 != out.md5:
            what = "running the pipeline again gives other bytes"
            findings.append(Finding(path, what, out.md5, found.md5 if found else ""))
    same = (directory / LOCK).read_bytes() == project.git.content(commit, LOCK)
    if not same and not findings:
        what = "running the pipeline again gives another lock file, though all outs are equal"
        findings.append(Finding(LOCK, what))
    good = f"{len(lock.outs())} outs and {LOCK} come out bit for bit"
    return conclude("reproduce", _TITLE, good, findings)


def _sources(project: Project, lock: Lock, directory: Path) -> None:
    """Bring data that git doesn't keep, if it is what the lock names."""
    for path, dep in lock.sources().items():
        if (directory / path).exists():
            continue
        found = project.hashed(path)
        if found is None or found.md5 != dep.md5:
            raise SignalboxError(f"{path}: source data isn't here as it was; fetch it first")
        put(project, path, directory)


def _released(project: Project, directory: Path) -> None:
    """Bring the released model into the clone's empty cache: an input that another commit made."""
    file = directory / RELEASED
    if not file.is_file():
        return
    released = json.loads(file.read_text(encoding="utf-8")).get("released")
    if not released:
        return
    commit = Git(directory).commit(str(released["commit"]))
    outs = read_lock(project.git.content(commit, LOCK)).outs()
    for path in released["artifacts"]:
        md5 = outs[path].md5 if path in outs else ""
        source = project.cache / "files" / "md5" / md5[:2] / md5[2:]
        if md5 and source.is_file():
            target = directory / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def same_report(given: Given, directory: Path) -> Check:
    """Compare the named report with the one that came out of the clone.

    Parameters
    ----------
    given : Given
        The report as it was named.
    directory : Path
        The clone in which the pipeline ran.

    Returns
    -------
    Check
    """
    ours = Hasher(directory).of(directory / given.stands_for)
    theirs = Hasher(given.path.parent).of(given.path)
    title = "report of the clean clone"
    good = f"{given.path.name} is bit for bit the report that the pipeline makes"
    if ours is not None and theirs is not None and ours.md5 == theirs.md5:
        return conclude("reproduce:report", title, good, [])
    what = "isn't the report that the pipeline makes"
    expected, found = (ours.md5 if ours else ""), (theirs.md5 if theirs else "")
    return conclude(
        "reproduce:report", title, "", [Finding(str(given.path), what, expected, found)]
    )

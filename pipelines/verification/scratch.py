"""Scratch folders to compute in: the commit's own code, artifacts from DVC's cache or remote.

In one with an empty cache the whole pipeline can run again, to compare bit for bit.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.artifacts import RELEASED
from pipelines.core.errors import SignalboxError
from pipelines.project.lock import SITE, has_lock
from pipelines.verification.document import Given
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import Lock, Locked, read_lock
from pipelines.verification.project import LOCK, Git, OutsideError, Project
from pipelines.verification.results import Check, Finding, Status, conclude

_QUIET = ("DVC_", "GIT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def absent(project: Project, lock: Lock) -> list[str]:
    """List outs and dependencies of ``dvc.lock`` that aren't there.

    Parameters
    ----------
    project : Project
        The clone.
    lock : Lock
        Content of ``dvc.lock``.

    Returns
    -------
    list of str
        Paths relative to the project.
    """
    found = []
    for path in [*lock.outs(), *lock.deps()]:
        try:
            if not project.locate(path).exists():
                found.append(path)
        except OutsideError:
            continue  # the check of hashes says so
    return found


def restore(project: Project, lock: Lock) -> list[str]:
    """Bring back missing outs; files that are there stay untouched.

    Parameters
    ----------
    project : Project
        The clone.
    lock : Lock
        Content of ``dvc.lock``.

    Returns
    -------
    list of str
        What is still missing.
    """
    wanted = lock.outs()
    missing = [path for path in absent(project, lock) if path in wanted]
    outs = [path for path in missing if not _from_cache(project, wanted[path])]
    if outs and "remote" in _config(project):
        for command in (["checkout"], ["pull"]):
            if outs:
                # What is there tells whether it worked; a failure of one file hides the others.
                call_dvc(project.root, *command, "--", *outs)
                outs = [path for path in outs if not project.locate(path).exists()]
    if missing:
        project.forget()
    return absent(project, lock)


def _from_cache(project: Project, out: Locked) -> bool:
    """Copy an out from DVC's cache, without DVC, which takes seconds to start.

    What the cache holds isn't believed: its hash is taken afterwards, like that of any other file.
    """
    files = {"": out.md5}
    if out.md5.endswith(".dir"):
        listing = project.cached_listing(out.md5)
        if listing is None:
            return False
        files = {f"/{item['relpath']}": str(item["md5"]) for item in json.loads(listing)}
    pairs = []
    for name, md5 in files.items():
        stored = project.cache / "files" / "md5" / md5[:2] / md5[2:]
        if not md5[:32].isalnum() or not stored.is_file():
            return False
        pairs.append((stored, project.locate(f"{out.path}{name}")))
    for stored, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored, target)
    return True


def _config(project: Project) -> str:
    files = [project.root / ".dvc" / name for name in ("config", "config.local")]
    return "\n".join(f.read_text(encoding="utf-8", errors="replace") for f in files if f.is_file())


def call_dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run DVC of this interpreter in a folder.

    Parameters
    ----------
    folder : Path
        Where it runs.
    *arguments : str
        Command and its arguments.

    Returns
    -------
    subprocess.CompletedProcess of str
        Its output and errors are in `stdout`; a failure isn't raised.
    """
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def environment(directory: Path | None = None) -> dict[str, str]:
    """Return the environment of child processes.

    Parameters
    ----------
    directory : Path, optional
        Where they run. If the code of the project there is installed, it is found as it is here.

    Returns
    -------
    dict of str to str
        Nothing of the caller's project; our own ``python`` comes first in ``PATH``.
    """
    keep = {k: v for k, v in os.environ.items() if not k.startswith(_QUIET)}
    if directory is not None and has_lock(directory):
        keep["PYTHONPATH"] = os.pathsep.join([str(SITE), *_paths()])
    return {
        **keep,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _paths() -> list[str]:
    """Return the caller's ``PYTHONPATH``, made absolute."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [os.path.abspath(path) for path in named if path]


@contextmanager
def scratch(project: Project, commit: str, *, shared_cache: bool) -> Iterator[Path]:
    """Yield a clone of the project at `commit` that is removed afterwards.

    Parameters
    ----------
    project : Project
        The clone.
    commit : str
        Hash of the commit.
    shared_cache : bool
        Whether DVC there reads the project's cache (for the released model), or begins with an
        empty one.

    Yields
    ------
    Path
        Where the project lies in the scratch clone.
    """
    with tempfile.TemporaryDirectory(prefix="signalbox-verify-") as folder:
        top = Path(folder).resolve() / "clone"
        git = project.git
        prefix = git.run("rev-parse", "--show-prefix").decode().strip()
        home = git.run("rev-parse", "--show-toplevel").decode().removesuffix("\n")
        git.run("clone", "--quiet", "--shared", "--no-checkout", "--", home, str(top))
        # A branch that the clone doesn't have still has its commit in the shared objects.
        Git(top).run("checkout", "--quiet", "--detach", commit)
        directory = top / prefix
        _configure(project, directory, shared_cache=shared_cache)
        yield directory


def _configure(project: Project, directory: Path, *, shared_cache: bool) -> None:
    """Write ``.dvc/config.local``: the cache, and remotes whose addresses stay right elsewhere."""
    home = project.root / ".dvc"
    if not home.is_dir():
        return
    merged = project.dvc_config()
    for name in merged.sections():
        url = merged.get(name, "url", fallback="").strip("'\"")
        if url and "://" not in url and not Path(url).is_absolute():
            merged.set(name, "url", os.path.normpath(home / url))
    for section in ("cache", "core"):
        if not merged.has_section(section):
            merged.add_section(section)
    cache = project.cache if shared_cache else directory / ".dvc" / "cache"
    merged.set("cache", "dir", str(cache))
    merged.set("core", "site_cache_dir", str(directory / ".dvc" / "tmp" / "site-cache"))
    target = directory / ".dvc" / "config.local"
    target.parent.mkdir(exist_ok=True)
    target.touch(mode=0o600)  # it may hold secrets of remotes
    with target.open("w", encoding="utf-8") as stream:
        merged.write(stream)


def put(project: Project, name: str, directory: Path) -> None:
    """Copy an artifact into a scratch folder, unless the commit has it there already.

    Parameters
    ----------
    project : Project
        The clone with the artifact.
    name : str
        Path of the artifact, relative to the project.
    directory : Path
        The scratch folder.

    Raises
    ------
    SignalboxError
        If it isn't in the project.
    """
    source, target = project.locate(name), directory / name
    if not source.exists():
        raise SignalboxError(f"{name} isn't there")
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there.

    Parameters
    ----------
    path : Path
        File or folder; of a link the link itself.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(command: str | list[str], directory: Path) -> None:
    """Run a command, or several one after the other, as DVC would: through a shell.

    Parameters
    ----------
    command : str or list of str
        Shell command, or several.
    directory : Path
        Where it runs.

    Raises
    ------
    SignalboxError
        With the last line it printed.
    """
    for line in [command] if isinstance(command, str) else command:
        child = subprocess.Popen(
            line,
            shell=True,
            cwd=directory,
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = child.communicate()
        except BaseException:
            # Ctrl-C here must not leave a training running behind.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        if child.returncode:
            lines = output.strip().splitlines()
            last = lines[-1] if lines else "no output"
            raise SignalboxError(f"'{line}' ended with {child.returncode}: {last}")


_REPRODUCED = "pipeline in a clean clone"


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
            _bring_sources(project, lock, directory)
            _bring_released(project, directory)
            tell(f"running the pipeline of commit {commit[:12]} in a clean clone")
            run("python -m dvc repro --force --no-run-cache", directory)
        except SignalboxError as error:
            sentence = f"could not be run: {error}"
            yield None, Check("reproduce", _REPRODUCED, Status.MISSING, sentence)
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
    return conclude("reproduce", _REPRODUCED, good, findings)


def _bring_sources(project: Project, lock: Lock, directory: Path) -> None:
    """Bring data that git doesn't keep, if it is what the lock names."""
    for path, dep in lock.sources().items():
        if (directory / path).exists():
            continue
        found = project.hashed(path)
        if found is None or found.md5 != dep.md5:
            raise SignalboxError(f"{path}: source data isn't here as it was; fetch it first")
        put(project, path, directory)


def _bring_released(project: Project, directory: Path) -> None:
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

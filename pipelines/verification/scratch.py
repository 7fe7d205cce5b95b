"""Scratch folders to compute in: the commit's own code, artifacts from DVC's cache or remote."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.verification.pipeline import Lock
from pipelines.verification.project import Git, OutsideError, Project

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
    missing = absent(project, lock)
    outs = [path for path in missing if path in lock.outs()]
    if outs and (project.root / ".dvc").is_dir():
        commands = [["checkout"]]
        if "remote" in _config(project):
            commands.append(["pull"])
        for command in commands:
            if outs:
                # What is there tells whether it worked; a failure of one file hides the others.
                call_dvc(project.root, *command, "--", *outs)
                outs = [path for path in outs if not project.locate(path).exists()]
        project.forget()
    return absent(project, lock)


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


def environment() -> dict[str, str]:
    """Return the environment of child processes.

    Returns
    -------
    dict of str to str
        Nothing of the caller's project; our own ``python`` comes first in ``PATH``.
    """
    keep = {k: v for k, v in os.environ.items() if not k.startswith(_QUIET)}
    return {
        **keep,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}",
        "GIT_TERMINAL_PROMPT": "0",
    }


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
            env=environment(),
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

"""Fetch what isn't there: from DVC's cache, else from its remote."""

import os
import subprocess
import sys
from pathlib import Path

from pipelines.proof.pipeline import Lock
from pipelines.proof.project import OutsideError, Project

_QUIET = ("DVC_", "GIT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def absent(project: Project, lock: Lock) -> list[str]:
    """Outs and dependencies of ``dvc.lock`` that aren't there."""
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
    """Run DVC of this interpreter in a folder."""
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
    """Environment of child processes: nothing of the caller's project, our own ``python`` first."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(_QUIET)}
    return {
        **keep,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}",
        "GIT_TERMINAL_PROMPT": "0",
    }

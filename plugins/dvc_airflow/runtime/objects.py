"""Bring a commit's objects from one repository into another one on the same machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from dvc_airflow.runtime.errors import GitError
from dvc_airflow.runtime.git import environment, git

_LOOSE: Final = 200
"""Objects up to which no pack is kept: thousands of packs would make git slow."""


def copy_objects(source: Path, target: Path, commit: str, *, known: Sequence[str] = ()) -> None:
    """Copy a commit with all it needs; no transport is started.

    Parameters
    ----------
    source, target : Path
        The repositories.
    commit : str
        What is copied.
    known : sequence of str
        Commits that both have; those that the target's refs name are found without it.
    """
    listed = git(target, "for-each-ref", "--format=%(objectname)").split()
    there = _commits_in(source, sorted({*listed, *known}))
    with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as pack:
        lines = [commit, *(f"^{sha}" for sha in there)]
        wanted.write("".join(f"{line}\n" for line in lines).encode())
        wanted.seek(0)
        _run(source, ("pack-objects", "--quiet", "--revs", "--stdout"), wanted, pack)
        pack.seek(8)
        count = int.from_bytes(pack.read(4), "big")
        pack.seek(0)
        if count == 0:
            return
        if count <= _LOOSE:
            _run(target, ("unpack-objects", "-q"), pack, subprocess.DEVNULL)
        else:
            _run(target, ("index-pack", "--stdin"), pack, subprocess.DEVNULL)


def _commits_in(source: Path, candidates: Sequence[str]) -> list[str]:
    if not candidates:
        return []
    asked = "".join(f"{sha}^{{commit}}\n" for sha in candidates)
    said = git(source, "cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
    return [line.split()[0] for line in said.splitlines() if line.endswith(" commit")]


def _run(where: Path, command: Sequence[str], given: IO[bytes], out: IO[bytes] | int) -> None:
    done = subprocess.run(
        ["git", "-C", os.fspath(where), *command],
        stdin=given,
        stdout=out,
        stderr=subprocess.PIPE,
        env=environment(where),
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        msg = f"git {command[0]} failed in {os.fspath(where)}: {said}"
        raise GitError(msg)

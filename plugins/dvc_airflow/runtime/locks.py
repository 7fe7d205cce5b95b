"""DVC's locks, made safe for several stages at once in one workspace.

DVC has a lock on the whole repository (a kernel lock on ``.dvc/tmp/lock``; it vanishes
with its holder, and is released while a command runs) and locks on paths
(``.dvc/tmp/rwlock``, a JSON file of process ids that can outlive its holders or be cut
short by a kill).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
from dvc import dvcfile
from dvc.lock import HardlinkLock, Lock, LockError
from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml, load_yaml, loads_yaml, parse_yaml_for_update

_POLL: Final = 0.05
_OWN_COMMAND: Final = "dvc_airflow "


class PatientLock(Lock):  # type: ignore[misc]
    """The repository lock, waited for often enough to be fair among short stages."""

    def __init__(self, lockfile: str, timeout: float) -> None:
        super().__init__(lockfile)
        self._timeout = timeout

    def lock(self) -> None:
        """Wait for the lock; DVC's own gives up after 3 s or polls twice a second."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._do_lock()
                return
            except LockError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL)


def patient_lock(repo: Repo, timeout: float) -> Any:
    """Return the lock to put in place of a repository's own."""
    if isinstance(repo.lock, HardlinkLock):
        return repo.lock  # made with wait=True; kept for file systems without flock
    return PatientLock(os.path.join(repo.tmp_dir, "lock"), timeout)


def clean_rwlock(repo: Repo) -> None:
    """Forget path locks whose holders are gone; needs the repository lock.

    DVC forgets dead holders itself, but not when the process id was given to another
    process since, and it cannot read a file that a kill cut short.
    """
    path = Path(repo.tmp_dir) / "rwlock"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = _living_entries(data)
    except FileNotFoundError:
        return
    except (ValueError, TypeError, AttributeError, KeyError):
        kept = {}
    temporary = path.with_name(f"rwlock.{os.getpid()}")
    temporary.write_text(json.dumps(kept), encoding="utf-8")
    temporary.replace(path)


def _living_entries(data: dict[str, Any]) -> dict[str, Any]:
    write = {path: info for path, info in data.get("write", {}).items() if _alive(info)}
    read = {
        path: alive
        for path, infos in data.get("read", {}).items()
        if (alive := [info for info in infos if _alive(info)])
    }
    return {"write": write, "read": read}


def _alive(info: dict[str, Any]) -> bool:
    pid, command = int(info["pid"]), str(info["cmd"])
    if not command.startswith(_OWN_COMMAND):
        return bool(psutil.pid_exists(pid))
    try:
        # Our own drivers carry their token on their real command line.
        return command.removeprefix(_OWN_COMMAND) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def make_lockfile_writes_atomic() -> None:
    """Let DVC replace dvc.lock in one step, so that a kill cannot cut it short."""
    dvcfile.modify_yaml = _modify_yaml_atomically


@contextlib.contextmanager
def _modify_yaml_atomically(path: str, fs: Any = None) -> Iterator[Any]:
    text = Path(path).read_text(encoding="utf-8") if os.path.exists(path) else ""
    data = parse_yaml_for_update(text, path) if text.strip() else {}
    yield data
    temporary = f"{path}.{os.getpid()}.tmp"
    dump_yaml(temporary, data)
    os.replace(temporary, path)


def merge_entries(repo: Repo, entries: dict[str, dict[str, str]]) -> None:
    """Put dvc.lock entries of other workers' stages into this workspace's dvc.lock.

    A file that holds them already is not written.
    """
    written = False
    for file, stages in entries.items():
        path = os.path.join(repo.root_dir, file)
        wanted = {name: loads_yaml(text) for name, text in stages.items()}
        known = (load_yaml(path) or {}).get("stages") or {} if os.path.exists(path) else {}
        if all(known.get(name) == entry for name, entry in wanted.items()):
            continue
        with _modify_yaml_atomically(path) as data:
            data.setdefault("schema", "2.0")
            if data.get("stages") is None:
                data["stages"] = {}
            data["stages"].update(wanted)
        written = True
    if written:
        repo._reset()

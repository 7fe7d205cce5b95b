"""Several files written together or not at all, with a backup; safe against a kill at any time.

Before the first file changes, a backup folder holds the old bytes and a journal. A journal that was
not closed means that someone was stopped half-way: `recover` puts the old bytes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file, write_bytes, write_in_place, write_json

_JOURNAL = "publication.json"


@dataclass(frozen=True)
class Backup:
    """The backup of one publication.

    Attributes
    ----------
    folder : Path
        Holds the old bytes and the journal.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Number of the publication, as the ledger has it."""
        return self.folder.name

    def close(self) -> None:
        """Mark the publication as done in its journal."""
        write_json(self.folder / _JOURNAL, {**self._read(), "state": "done"})

    def restore(self) -> list[str]:
        """Put back what the files held before, where they hold what we wrote.

        Returns
        -------
        list of str
            Paths of the files that were put back; what somebody changed since stays as it is.
        """
        journal = self._read()
        restored = []
        for path, state in journal["files"].items():
            target = Path(path)
            found = sha256_file(target) if target.exists() else None
            if found != state["after"]:
                continue
            if state["before"] is None:
                target.unlink()
            else:
                write_in_place({target: (self.folder / state["kept"]).read_bytes()})
            restored.append(path)
        write_json(self.folder / _JOURNAL, {**journal, "state": "restored"})
        return restored

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.folder / _JOURNAL)
        return found


def write_together(folder: Path, texts: Mapping[str, str]) -> Backup:
    """Write files, all or none; the caller closes the backup when all else is done too.

    Parameters
    ----------
    folder : Path
        Where backups lie; this one gets the next number.
    texts : mapping of str to str
        Path → text.

    Returns
    -------
    Backup
        Not closed yet.

    Raises
    ------
    SignalboxError
        If one can't be written; those written before it are as they were.
    """
    backup = _begin(folder, texts)
    try:
        write_in_place({Path(path): text.encode() for path, text in texts.items()})
    except OSError as error:
        backup.restore()
        raise SignalboxError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; no file was changed"
        ) from error
    return backup


def recover(folder: Path, finished: set[str]) -> list[str]:
    """Undo publications that were stopped half-way.

    Parameters
    ----------
    folder : Path
        Where backups lie.
    finished : set of str
        Names of backups whose publication the ledger has: they are complete.

    Returns
    -------
    list of str
        Paths of the files that were put back.
    """
    restored = []
    for journal in sorted(folder.glob(f"*/{_JOURNAL}")):
        if read_json(journal).get("state") != "begun":
            continue
        backup = Backup(journal.parent)
        if backup.name in finished:
            backup.close()
        else:
            restored += backup.restore()
    return restored


def open_backups(folder: Path) -> list[str]:
    """Return the names of backups whose publication was stopped half-way.

    Parameters
    ----------
    folder : Path
        Where backups lie.

    Returns
    -------
    list of str
        In order of their numbers.
    """
    journals = sorted(folder.glob(f"*/{_JOURNAL}"))
    return [
        journal.parent.name for journal in journals if read_json(journal).get("state") == "begun"
    ]


def _begin(folder: Path, texts: Mapping[str, str]) -> Backup:
    from hashlib import sha256

    numbers = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    directory = folder / f"{max(numbers, default=0) + 1:05d}"
    files = {}
    try:
        directory.mkdir(parents=True)
        for position, (path, text) in enumerate(texts.items()):
            target = Path(path)
            kept = f"{position}-{target.name}"
            there = target.exists()
            if there:
                write_bytes(directory / kept, target.read_bytes())
            files[str(target)] = {
                "before": sha256_file(target) if there else None,
                "after": sha256(text.encode()).hexdigest(),
                "kept": kept,
            }
        write_json(directory / _JOURNAL, {"state": "begun", "files": files})
    except OSError as error:
        raise SignalboxError(
            f"{error.filename or directory}: no backup can be made: {error.strerror}; nothing was "
            "changed"
        ) from error
    return Backup(directory)

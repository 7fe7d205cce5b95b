"""What an erasure has found and means to do: kept until it is proven, so that a retry can finish.

Lies in ``.dvc/tmp`` (git ignores it) and holds paths, hashes, counts, and the subject's key only
encrypted: a retry that was given the keyed hash alone finds nobody in the source to compare with.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, write_json
from pipelines.core.keyed_hash import PREFIX
from pipelines.core.locks import exclusive_lock as locks_exclusive_lock

FOLDER = Path(".dvc/tmp/signalbox-erasure")


class Removal(BaseModel):
    """A file or object that held the subject.

    Attributes
    ----------
    place : str
        ``source``, ``project``, ``runs``, ``git`` or the name of a store of DVC.
    path : str
        Relative to the place; of a run in git, its ref.
    kind : str
        How the subject was found, as in `Hit.kind`.
    rows : int
        Rows of the subject.
    before : str
        SHA-256 of what lay there; of a run in git, its commit.
    after : str
        SHA-256 of what lies there now; empty = nothing.
    action : str
        What became of it; empty = nothing yet.
    alone : bool
        It held nobody else.
    """

    model_config = ConfigDict(extra="forbid")

    place: str
    path: str
    kind: str
    rows: int
    before: str
    after: str = ""
    action: str = ""
    alone: bool = False


class Journal(BaseModel):
    """State of one erasure.

    Attributes
    ----------
    erasure : str
        Id of the erasure, 32 hex digits.
    token : str
        Keyed hash of the subject.
    sealed : str
        The subject's key, encrypted with the secret of the keyed hashes.
    keep_cache : bool
        Whether DVC's cache and remotes stay as they are.
    removals : dict of str to Removal
        ``<place>/<path>`` → what was found there.
    pins : dict of str to dict of str to str
        Root (relative to the project) → pins to replace there, old → new.
    pins_alone : list of str
        Old pins of files that held nobody else.
    releases : list of dict of str to object or None
        What `run_refs.releases_holding` said before anything changed; None = not asked yet.
    blobs : list of str
        Git's objects that held the subject and that only given-up runs had.
    blobs_alone : list of str
        Those of git's objects that held nobody else.
    pointer_shortened : bool
        Whether the released model's train data was taken out of the release pointer.
    """

    model_config = ConfigDict(extra="forbid")

    erasure: str
    token: str
    sealed: str = ""
    keep_cache: bool = False
    removals: dict[str, Removal] = {}
    pins: dict[str, dict[str, str]] = {}
    """Root (relative to the project) → pins to replace there, old → new."""
    pins_alone: list[str] = []
    releases: list[dict[str, Any]] | None = None
    blobs: list[str] = []
    """Git's objects that held the subject and that only given-up runs had."""
    blobs_alone: list[str] = []
    pointer_shortened: bool = False
    """Whether the released model's train data was taken out of the release pointer."""

    def note(self, removal: Removal) -> None:
        """Add what was found; what an earlier attempt saw first stays ("before" was then).

        Parameters
        ----------
        removal : Removal
            The file or object that holds the subject.
        """
        self.removals.setdefault(f"{removal.place}/{removal.path}", removal)

    def did(self, store: str, path: str, action: str, after: str = "") -> None:
        """Record what became of a file or object.

        Parameters
        ----------
        store : str
            Its place, as in `Removal.place`.
        path : str
            Its path, as in `Removal.path`.
        action : str
            ``removed``, ``rewritten``, ``remains`` or ``kept``.
        after : str, default ''
            SHA-256 of what lies there now; empty = nothing.

        Raises
        ------
        KeyError
            If it wasn't noted.
        """
        removal = self.removals[f"{store}/{path}"]
        removal.action, removal.after = action, after


def load(project: Path, token: str) -> Journal | None:
    """Read the journal of an erasure that hasn't been proven yet.

    Parameters
    ----------
    project : Path
        Root of the project.
    token : str
        Keyed hash of the subject.

    Returns
    -------
    Journal or None
        None if there is none.
    """
    path = _path(project, token)
    return Journal.model_validate(read_json(path)) if path.is_file() else None


def start(token: str, sealed: str) -> Journal:
    """Begin the journal of a new erasure.

    Parameters
    ----------
    token : str
        Keyed hash of the subject.
    sealed : str
        The subject's key, encrypted.

    Returns
    -------
    Journal
    """
    return Journal(erasure=uuid.uuid4().hex, token=token, sealed=sealed)


def save(project: Path, journal: Journal) -> None:
    """Write the journal, whole or not at all.

    Parameters
    ----------
    project : Path
        Root of the project.
    journal : Journal
        State of the erasure.
    """
    write_json(_path(project, journal.token), journal.model_dump(mode="json"))


def forget(project: Path, journal: Journal) -> None:
    """Remove the journal: the ledger has the proof.

    Parameters
    ----------
    project : Path
        Root of the project.
    journal : Journal
        State of the erasure.
    """
    _path(project, journal.token).unlink(missing_ok=True)


def _path(project: Path, token: str) -> Path:
    return project / FOLDER / f"{token.removeprefix(PREFIX)[:32]}.json"


@contextmanager
def exclusive_lock(project: Path) -> Iterator[None]:
    """Allow only one erasure at a time in a project.

    Parameters
    ----------
    project : Path
        Root of the project.

    Raises
    ------
    SignalboxError
        If another one does.
    """
    path = project / FOLDER / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)

    def busy(holder: str) -> SignalboxError:
        return SignalboxError(
            f"another erasure works in this project (process {holder}); wait for it"
        )

    with locks_exclusive_lock(path, busy, note_holder=True):
        yield

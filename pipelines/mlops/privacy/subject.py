"""Name a person in proofs without naming them, and keep the erased out.

A source that delivers an erased subject again (a database, a remote file, a fresh export) must not
bring it back. The stage that asks calls `drop_erased` right after subjects are named, and depends
on the list in ``dvc.yaml``; `is_honoured` says whether there is such a stage.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.keyed_hash import PREFIX, SECRET, keys_folder, secret, token_of
from pipelines.core.tables import SUBJECT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ERASED", "PREFIX", "SECRET", "Subject", "add", "drop_erased", "is_honoured", "keys_folder",
    "named", "read", "secret", "token_of",
]  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A data subject.

    Attributes
    ----------
    id : str
        The key in clear, as in the column ``subject_id``; left out of ``repr``, so that no
        traceback or log shows it.
    token : str
        HMAC-SHA256 of it: the same subject has the same token, and without the secret nobody can
        try keys until one fits (a bare hash of a short key falls to such a search at once).
    """

    id: str = field(repr=False)
    token: str


def named(text: str, key: bytes, known: Iterable[str]) -> Subject:
    """Return the subject that `text` names: by its key, or by its token if a known subject has it.

    Parameters
    ----------
    text : str
        A subject's key, or its token.
    key : bytes
        The secret of the keyed hash, 32 bytes.
    known : iterable of str
        Keys of subjects that a token may mean.

    Returns
    -------
    Subject

    Raises
    ------
    SignalboxError
        If `text` is a token and no known subject has it, or it is one person's token and another's
        key.
    """
    if not text.startswith(PREFIX):
        return Subject(text, token_of(text, key))
    found = [candidate for candidate in known if text in {candidate, token_of(candidate, key)}]
    if len(found) > 1:
        raise SignalboxError(
            f"{text} is the key of one subject and the keyed hash of another: {sorted(found)}; "
            "name the second by its key, and the first by its own keyed hash (--token)"
        )
    if found:
        return Subject(found[0], token_of(found[0], key))
    raise SignalboxError(f"no subject in the tables has the keyed hash {text}")


ERASED = Path("privacy/erased.txt")
_HEAD = "# Keyed hashes of erased subjects; their rows are left out. No personal data.\n"


def read(project: Path) -> list[str]:
    """Read the keyed hashes of erased subjects.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    list of str
        In the order of the list; empty if there is none.

    Raises
    ------
    SignalboxError
        If a line is no keyed hash: a list that can't be understood must not pass for empty.
    """
    path = project / ERASED
    if not path.is_file():
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    tokens = [line for line in lines if line and not line.startswith("#")]
    for token in tokens:
        if not token.startswith(PREFIX) or len(token) != len(PREFIX) + 64:
            raise SignalboxError(f"{path}: {token[:20]!r} is no keyed hash; restore it from git")
    return tokens


def add(project: Path, token: str) -> None:
    """Add a keyed hash to the list; sorted, so that the order says nothing about when.

    Parameters
    ----------
    project : Path
        Root of the project.
    token : str
        Keyed hash of the subject.

    Raises
    ------
    SignalboxError
        If a line of the list is no keyed hash.
    """
    tokens = sorted({*read(project), token})
    write_text(project / ERASED, _HEAD + "".join(f"{erased_token}\n" for erased_token in tokens))


def is_honoured(project: Path) -> bool:
    """Return whether a stage of ``dvc.yaml`` depends on the list.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    bool
    """
    import yaml

    path = project / "dvc.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    stages = (raw or {}).get("stages") or {}
    return any(ERASED.as_posix() in (stage.get("deps") or []) for stage in stages.values())


def drop_erased(frame: "pd.DataFrame", project: Path = Path()) -> "pd.DataFrame":
    """Return the rows of `frame` whose subject isn't on the list.

    Parameters
    ----------
    frame : pandas.DataFrame
        A table with the column ``subject_id``.
    project : Path, optional
        Root of the project; by default the current directory.

    Returns
    -------
    pandas.DataFrame
        The same table where nobody is on the list, else a copy with a new index.

    Raises
    ------
    SignalboxError
        If there is a list but the secret of its hashes isn't on this machine.
    """
    tokens = set(read(project))
    if not tokens:
        return frame
    key = secret(create=False)
    erased = {s for s in frame[SUBJECT].dropna().unique() if token_of(s, key) in tokens}
    return frame[~frame[SUBJECT].isin(erased)].reset_index(drop=True)

"""Name a person in proofs without naming them, and keep the erased out.

A source that delivers an erased subject again (a database, a remote file, a fresh export) must not
bring it back. The stage that asks calls `drop_erased` right after subjects are named, and depends
on the list in ``dvc.yaml``; `is_honoured` says whether there is such a stage.
"""

import base64
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.keyed_hash import PREFIX, SECRET, derived, keys_folder, secret, token_of
from pipelines.core.tables import SUBJECT

if TYPE_CHECKING:
    import pandas as pd


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


def secret_of(project: Path) -> bytes:
    """Return the secret, a new one only where nobody was erased yet.

    A second secret would give an erased subject another keyed hash: the list would know them no
    more.

    Parameters
    ----------
    project : Path
        Root of the project.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    SignalboxError
        If the list has keyed hashes and the secret isn't there, or it is damaged.
    """
    return secret(create=not read(project))


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


def drop_erased(
    frame: "pd.DataFrame", project: Path = Path(), sources: Collection[str] = ()
) -> "pd.DataFrame":
    """Return the rows of `frame` whose subject isn't on the list.

    Without the secret nobody can tell who is on the list. Rows of a source that was searched after
    the last erasure, by somebody who has the secret, need no telling: the ledger has its hash.

    Parameters
    ----------
    frame : pandas.DataFrame
        A table with the column ``subject_id``.
    project : Path, optional
        Root of the project; by default the current directory.
    sources : collection of str, optional
        SHA-256 of every file that `frame` was read from, unpacked; an empty text for what has none.

    Returns
    -------
    pandas.DataFrame
        The same table where nobody is on the list, else a copy with a new index.

    Raises
    ------
    SignalboxError
        If there is a list, the secret of its hashes isn't on this machine, and the ledger doesn't
        say that nobody of the list is in these sources.
    """
    tokens = set(read(project))
    if not tokens:
        return frame
    if not (keys_folder() / SECRET).exists() and is_cleared(project, tokens, sources):
        return frame
    try:
        key = secret(create=False)
    except SignalboxError as error:
        raise SignalboxError(
            f"{error}. Without it a run goes on only with source files that the ledger "
            f"({LEDGER}) says are free of the erased; these are not: commit or pull the ledger, "
            "or let somebody who has the key run `signalbox erase --clear`"
        ) from None
    erased = {s for s in frame[SUBJECT].dropna().unique() if token_of(s, key) in tokens}
    return frame[~frame[SUBJECT].isin(erased)].reset_index(drop=True)


LEDGER = Path("ledger/ledger.jsonl")
CLEARED = "cleared"
"""Stage of an entry that says which source files hold nobody of the list, beside ``done``."""


def is_cleared(project: Path, tokens: set[str], sources: Collection[str]) -> bool:
    """Return whether the ledger says that nobody of the list is in the sources.

    Its chain and signatures are not verified here; ``signalbox verify`` does that.

    Parameters
    ----------
    project : Path
        Root of the project or of a run's workspace; of a workspace the project's own ledger counts
        as well, which may be newer.
    tokens : set of str
        Keyed hashes on the list.
    sources : collection of str
        SHA-256 of every source file, unpacked.

    Returns
    -------
    bool
        False where a source has no hash.
    """
    wanted = set(sources)
    if not wanted or "" in wanted:
        return False
    here = project.resolve()
    # A run's workspace lies in the project, at runs/<DAG>/<run>.
    return any(wanted <= cleared_sources(root, tokens) for root in (here, *here.parents[2:3]))


def cleared_sources(project: Path, tokens: set[str]) -> set[str]:
    """Return the hashes of source files that were searched after the last erasure began.

    Parameters
    ----------
    project : Path
        Root of a project.
    tokens : set of str
        Keyed hashes on the list; each needs a proof.

    Returns
    -------
    set of str
        SHA-256 of unpacked files; empty where a proof is missing.
    """
    path = project / LEDGER
    if not path.is_file():
        return set()
    cleared: set[str] = set()
    proven: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if '"erasure"' not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        data = entry.get("data") or {}
        if entry.get("kind") != "erasure":
            continue
        match data.get("stage"):
            case "done":
                proven.add(str(data.get("subject")))
                cleared = set(data.get("sources") or [])
            case "cleared":
                cleared |= set(data.get("sources") or [])
            case _:
                cleared = set()
    return cleared if tokens <= proven else set()


def seal(subject_id: str, key: bytes) -> str:
    """Encrypt a subject's key, so that a retry that knows only the keyed hash can go on.

    Parameters
    ----------
    subject_id : str
        The subject's key in clear.
    key : bytes
        The secret, 32 bytes.

    Returns
    -------
    str
        Fernet token (AES-128-CBC and HMAC-SHA256).
    """
    from cryptography.fernet import Fernet

    return Fernet(_sealing(key)).encrypt(subject_id.encode()).decode("ascii")


def unseal(sealed: str, key: bytes) -> str:
    """Decrypt what `seal` made.

    Parameters
    ----------
    sealed : str
        Its result.
    key : bytes
        The secret, 32 bytes.

    Returns
    -------
    str

    Raises
    ------
    SignalboxError
        If it was sealed with another secret.
    """
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(_sealing(key)).decrypt(sealed.encode("ascii")).decode()
    except InvalidToken:
        raise SignalboxError(
            f"{keys_folder() / SECRET}: is not the secret with which this erasure was begun; copy "
            "that one here"
        ) from None


def _sealing(key: bytes) -> bytes:
    """Key of its own, so that the secret of the hashes serves one purpose only."""
    return base64.urlsafe_b64encode(derived(key, "signalbox journal"))

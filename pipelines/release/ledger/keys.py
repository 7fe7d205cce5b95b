"""Private keys: one file a key, outside the repository, readable by the owner only."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_new
from pipelines.core.keyed_hash import VARIABLE

_WORDS = {
    errno.ENOSPC: "the disk is full; nothing was added; free some space and try again",
    errno.EDQUOT: "the disk quota is used up; nothing was added; free some space and try again",
    errno.EFBIG: "the file would grow over the allowed size; nothing was added",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to read or write here",
    errno.EPERM: "no permission to write here",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "is a folder where a file should be",
}


@contextmanager
def friendly_os_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` about `path` into one line that a person understands.

    Parameters
    ----------
    path : Path
        The file or folder that the block works on; the message begins with it.

    Raises
    ------
    SignalboxError
        In place of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = _WORDS.get(error.errno or 0, error.strerror or str(error))
        raise SignalboxError(f"{path}: {reason}") from error


def public_hex(key: Ed25519PublicKey) -> str:
    """Write a public key as 64 hex digits.

    Parameters
    ----------
    key : Ed25519PublicKey
        An Ed25519 public key.

    Returns
    -------
    str
    """
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def key_id(public: str) -> str:
    """Return the id of a public key: the first 16 hex digits of its SHA-256.

    Parameters
    ----------
    public : str
        The key's raw bytes as 64 hex digits.

    Returns
    -------
    str
    """
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def id_of(key: Ed25519PrivateKey) -> str:
    """Return the id of the public half of a private key.

    Parameters
    ----------
    key : Ed25519PrivateKey
        An Ed25519 private key.

    Returns
    -------
    str
    """
    return key_id(public_hex(key.public_key()))


class Keys:
    """The private keys on this machine.

    Parameters
    ----------
    folder : Path
        Where they lie; made on first use.
    project : Path
        The project they must not lie in, or they would be committed.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        self.folder = folder
        self._project = project

    def path(self, key: str) -> Path:
        """Return the file of a key.

        Parameters
        ----------
        key : str
            Id of the key.

        Returns
        -------
        Path
        """
        return self.folder / f"{key}.pem"

    def has(self, key: str) -> bool:
        """Return whether this machine has the private key.

        Parameters
        ----------
        key : str
            Id of the key.

        Returns
        -------
        bool
        """
        return self.path(key).is_file()

    def create(self) -> Ed25519PrivateKey:
        """Make a key and write it to disk before anything is signed with it."""
        if self.folder.resolve().is_relative_to(self._project.resolve()):
            raise SignalboxError(
                f"{self.folder}: keys must not lie in the project, where they would be committed; "
                f"point {VARIABLE} to a folder outside {self._project}"
            )
        key = Ed25519PrivateKey.generate()
        with friendly_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(id_of(key), key)
        return key

    def _write(self, name: str, key: Ed25519PrivateKey) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_new(self.path(name), pem, mode=0o600)

    def load(self, key: str) -> Ed25519PrivateKey:
        """Load a private key.

        Parameters
        ----------
        key : str
            Id of the key.

        Returns
        -------
        Ed25519PrivateKey

        Raises
        ------
        SignalboxError
            If it isn't here, others can read it, or the file isn't this key.
        """
        path = self.path(key)
        if not self.has(key):
            raise SignalboxError(
                f"{path}: no such file; the ledger is signed with key {key}, which this machine "
                "doesn't have: copy the file from the machine that has it, or begin a ledger of "
                "your own with 'signalbox ledger begin' (the old one is kept)"
            )
        with friendly_os_errors(path):
            if path.stat().st_mode & 0o077:
                raise SignalboxError(f"{path}: others can read this key; run 'chmod 600 {path}'")
            return self._loaded(path, key)

    def _loaded(self, path: Path, key: str) -> Ed25519PrivateKey:
        try:
            found = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SignalboxError(f"{path}: not a private key ({error})") from error
        if not isinstance(found, Ed25519PrivateKey) or id_of(found) != key:
            raise SignalboxError(f"{path}: not the Ed25519 key {key}; restore the file")
        return found

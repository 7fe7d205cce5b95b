"""Name people without naming them: HMAC-SHA256 with a secret that lies outside the project.

A bare hash of a short key falls to whoever tries all keys; without the secret nobody can.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_new

VARIABLE = "SIGNALBOX_KEYS"
SECRET = "erasure.key"
PREFIX = "hmac-sha256:"
_SIZE = 32


def keys_folder() -> Path:
    """Return the folder of secrets, outside the repository.

    Returns
    -------
    Path
        ``$SIGNALBOX_KEYS``, else a folder in the user's own configuration.
    """
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".config" / "signalbox" / "keys"


def secret(*, create: bool) -> bytes:
    """Return the secret of the keyed hash.

    Parameters
    ----------
    create : bool
        Make a new secret if there is none.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    SignalboxError
        If it isn't there and `create` is false, or it is damaged.
    """
    path = keys_folder() / SECRET
    if create and not path.exists():
        _make(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise SignalboxError(
            f"{path}: no such file; it holds the secret of the keyed hashes of erased subjects: "
            "copy it from the machine that erased them, or set SIGNALBOX_KEYS"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SignalboxError(f"{path}: cannot be read as a key: {error}") from error
    if len(key) != _SIZE:
        raise SignalboxError(f"{path}: must hold {_SIZE} bytes as hex digits, holds {len(key)}")
    return key


def _make(path: Path) -> None:
    """Write a new secret, whole or not at all; who comes second takes the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        write_new(path, f"{secrets.token_hex(_SIZE)}\n".encode(), mode=0o600)


def token_of(text: str, key: bytes) -> str:
    """Return the keyed hash of a text, with its method in front.

    Parameters
    ----------
    text : str
        In clear, for example a subject's key.
    key : bytes
        The secret, 32 bytes.

    Returns
    -------
    str
        ``hmac-sha256:`` and 64 hex digits.
    """
    return PREFIX + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def derived(key: bytes, purpose: str) -> bytes:
    """Derive a key of its own for a purpose, so that the secret of the hashes serves one only.

    Parameters
    ----------
    key : bytes
        The secret, 32 bytes.
    purpose : str
        Name of the purpose.

    Returns
    -------
    bytes
        32 bytes.
    """
    return hmac.new(key, purpose.encode(), hashlib.sha256).digest()

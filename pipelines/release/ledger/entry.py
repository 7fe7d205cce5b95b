"""One entry of the ledger: its fields, its hash, its line in the file."""

import hashlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.release.ledger.canonical import canonical

GENESIS = "0" * 64
"""What the first entry names as the hash of the entry before it."""

KINDS = frozenset(
    {
        "key",
        "run",
        "gate",
        "question",
        "answer",
        "approval",
        "rejection",
        "override",
        "refusal",
        "release",
        "rollback",
        "erasure",
        "access",
        "telemetry_erasure",
        "retention",
        "alarm",
        "scoring",
        "publication",
        "withdrawal",
        "remediation",
        "repair",
    }
)
OWN_KINDS = frozenset({"key", "repair"})
"""Kinds that only the ledger itself writes."""

_DOMAIN = b"signalbox ledger entry v1\0"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
Time = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{6}Z$"),
]


class Entry(BaseModel):
    """One entry.

    Attributes
    ----------
    seq : int
        1, 2, 3, …: also the number of the line.
    time : str
        What the writer's clock said, UTC. It informs; the order is that of `seq`.
    kind, subject : str
        What happened, and to which product.
    data : dict of str to object
        What belongs to this kind of entry; JSON. No personal data: an entry cannot be removed.
    previous : str
        Hash of the entry before.
    key : str
        Id of the key that signed.
    hash : str
        SHA-256 of the canonical JSON of all fields above.
    signature : str
        Ed25519 signature of `hash` in hex. (Hex has one spelling a value; base64 has several, so a
        changed byte could go unnoticed.)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seq: Annotated[int, Field(ge=1)]
    time: Time
    kind: str
    subject: str
    data: dict[str, Any]
    previous: Sha256
    key: KeyId
    hash: Sha256
    signature: Signature


def hash_of(fields: dict[str, Any]) -> str:
    """Return the hash of an entry's fields; `hash` and `signature` themselves are left out.

    Parameters
    ----------
    fields : dict of str to object
        The fields by name.

    Returns
    -------
    str
        SHA-256 of the canonical JSON, 64 hex digits.

    Raises
    ------
    ValueError
        If a field has no canonical form.
    """
    body = {name: value for name, value in fields.items() if name not in ("hash", "signature")}
    return hashlib.sha256(canonical(body)).hexdigest()


def signed_bytes(entry_hash: str) -> bytes:
    """Return what is signed: the hash, behind words that no other use of the key begins with.

    Parameters
    ----------
    entry_hash : str
        Hash of the entry, 64 hex digits.

    Returns
    -------
    bytes
    """
    return _DOMAIN + entry_hash.encode()


def line_of(entry: Entry) -> bytes:
    """Return the line of an entry in the file: canonical JSON and a newline.

    Parameters
    ----------
    entry : Entry
        The entry.

    Returns
    -------
    bytes
    """
    return canonical(dict(entry)) + b"\n"

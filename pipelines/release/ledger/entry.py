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
    seq
        1, 2, 3, …: also the number of the line.
    time
        What the writer's clock said, UTC. It informs; the order is that of `seq`.
    kind, subject
        What happened, and to which product.
    data
        What belongs to this kind of entry; JSON. No personal data: an entry cannot be removed.
    previous
        Hash of the entry before.
    key
        Id of the key that signed.
    hash
        SHA-256 of the canonical JSON of all fields above.
    signature
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
    """Hash of an entry's fields; `hash` and `signature` themselves are left out."""
    body = {name: value for name, value in fields.items() if name not in ("hash", "signature")}
    return hashlib.sha256(canonical(body)).hexdigest()


def signed_bytes(entry_hash: str) -> bytes:
    """Return what is signed: the hash, behind words that no other use of the key begins with."""
    return _DOMAIN + entry_hash.encode()


def line_of(entry: Entry) -> bytes:
    """Line of an entry in the file: canonical JSON and a newline."""
    return canonical(dict(entry)) + b"\n"

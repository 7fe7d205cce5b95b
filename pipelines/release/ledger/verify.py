"""Verify a chain from its bytes alone: no lock, no private key, no trust in what was read.

Every line must be JSON, an entry, in canonical form, in order, chained, hashed, and signed with the
key that was valid at that point. The first line that isn't so is named; what follows it isn't
looked at, because nothing after a break is proven.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from pipelines.release.ledger.canonical import canonical, parse
from pipelines.release.ledger.entry import GENESIS, Entry, hash_of, signed_bytes
from pipelines.release.ledger.keys import key_id


class Problem(BaseModel):
    """The first bad entry.

    Attributes
    ----------
    seq : int
        Number the entry at this place must have.
    line : int
        Line of the file, from 1.
    reason : str
        What is wrong, in words.
    torn : bool
        Whether it is only the rest of a write that was stopped, which the next append moves aside.
    """

    model_config = ConfigDict(frozen=True)

    seq: int
    line: int
    reason: str
    torn: bool = Field(default=False, exclude=True)


class KeyRecord(BaseModel):
    """A key of the chain and the entries it signed; `until` is None for the key in use.

    Attributes
    ----------
    id : str
        First 16 hex digits of the SHA-256 of the public key.
    public_key : str
        Ed25519, 64 hex digits.
    since : int
        Number of the entry that brought the key.
    until : int or None
        Number of the entry that replaced it; None for the key in use.
    reason : str
        Why it was made, as the entry says.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    public_key: str
    since: int
    until: int | None = None
    reason: str = ""


class Verification(BaseModel):
    """What `verify` found.

    Attributes
    ----------
    entries : int
        How many entries hold: all of them, or those before the first bad one.
    head : str
        Hash of the last entry that holds.
    problem : Problem or None
        None if the whole chain holds.
    notes : tuple of str
        What is no fault but worth knowing: a clock that ran backwards, a repaired tail.
    keys : tuple of KeyRecord
        The keys, oldest first.
    """

    model_config = ConfigDict(frozen=True)

    entries: int
    head: str
    problem: Problem | None
    notes: tuple[str, ...] = ()
    keys: tuple[KeyRecord, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.problem is None


class BrokenError(Exception):
    """A line doesn't hold; the message is the reason."""


@dataclass
class _Signer:
    """The key that must sign the next entry."""

    record: KeyRecord

    @cached_property
    def public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.record.public_key))

    def check(self, entry: Entry) -> None:
        try:
            self.public.verify(bytes.fromhex(entry.signature), signed_bytes(entry.hash))
        except InvalidSignature:
            raise BrokenError(
                f"the signature isn't that of key {entry.key} over this entry: it was changed, or "
                "written without the key"
            ) from None


class Chain:
    """Follows the entries one by one; keeps only what the next one is held against."""

    def __init__(self) -> None:
        self.head = GENESIS
        self.heads: set[str] = set()
        self.count = 0
        self.notes: list[str] = []
        self.keys: list[KeyRecord] = []
        self._time = ""
        self._signer: _Signer | None = None

    def follow(self, line: bytes) -> None:
        """Verify the next line and add it to the chain.

        Parameters
        ----------
        line : bytes
            The line's bytes without its newline.

        Raises
        ------
        BrokenError
            If it doesn't hold.
        """
        entry = read_entry(line)
        self._check_position(entry)
        if hash_of(dict(entry)) != entry.hash:
            raise BrokenError("the content doesn't match its hash: it was changed after signing")
        self._check_signature(entry)
        self._note(entry)
        self.head, self.count, self._time = entry.hash, self.count + 1, entry.time
        self.heads.add(entry.hash)

    def _check_position(self, entry: Entry) -> None:
        if entry.seq != self.count + 1:
            raise BrokenError(
                f"has number {entry.seq} where {self.count + 1} must stand: entries were removed, "
                "added, doubled or moved"
            )
        if entry.previous != self.head:
            raise BrokenError(
                f"doesn't follow {_name(self.count)}: names {entry.previous[:12]}… as the hash "
                f"before it, which is {self.head[:12]}…"
            )

    def _check_signature(self, entry: Entry) -> None:
        signer = self._signer
        if signer is None:
            signer = _Signer(new_key(entry))
            if entry.key != signer.record.id:
                raise BrokenError("the first key isn't signed by itself")
        elif entry.key != signer.record.id:
            raise BrokenError(self._wrong_key(entry.key))
        signer.check(entry)
        if self._signer is None:
            self._use(signer)
        elif entry.kind == "key":
            record = new_key(entry)
            self.keys[-1] = self.keys[-1].model_copy(update={"until": entry.seq})
            self._use(_Signer(record))

    def _use(self, signer: _Signer) -> None:
        self._signer = signer
        self.keys.append(signer.record)

    def _wrong_key(self, key: str) -> str:
        for record in self.keys:
            if record.id == key:
                return f"is signed with key {key}, which entry {record.until} replaced"
        return f"is signed with key {key}, which the ledger doesn't know"

    def _note(self, entry: Entry) -> None:
        if entry.time < self._time:
            self.notes.append(
                f"entry {entry.seq}: the clock said {entry.time}, earlier than {self._time} of the "
                "entry before; the order is that of the chain"
            )
        if entry.kind == "repair":
            self.notes.append(f"entry {entry.seq}: {entry.data.get('what', 'a repair')}")


def read_entry(line: bytes) -> Entry:
    """Read a line that must be an entry in canonical form.

    Parameters
    ----------
    line : bytes
        The line's bytes without its newline.

    Returns
    -------
    Entry

    Raises
    ------
    BrokenError
        If it isn't.
    """
    try:
        raw = parse(line)
    except ValueError as error:
        raise BrokenError(f"isn't readable as JSON: {error}") from None
    try:
        entry = Entry.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BrokenError(f"isn't an entry: {where}: {first['msg']}") from None
    try:
        same = canonical(raw) == line
    except ValueError as error:
        raise BrokenError(f"isn't an entry: {error}") from None
    if not same:
        raise BrokenError("isn't in canonical form: bytes were changed without changing the sense")
    return entry


def new_key(entry: Entry) -> KeyRecord:
    """Return the key that a `key` entry brings.

    Parameters
    ----------
    entry : Entry
        An entry of the chain.

    Returns
    -------
    KeyRecord

    Raises
    ------
    BrokenError
        If the entry isn't of that kind, or doesn't hold a public key.
    """
    if entry.kind != "key":
        raise BrokenError(f"a ledger must begin with a key, not with an entry {entry.kind!r}")
    public = entry.data.get("public_key")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))  # type: ignore[arg-type]
        record = key_id(str(public))
    except (TypeError, ValueError):
        raise BrokenError("holds no Ed25519 public key in hex") from None
    reason = str(entry.data.get("reason", ""))
    return KeyRecord(id=record, public_key=str(public), since=entry.seq, reason=reason)


def follow(lines: list[bytes]) -> tuple[Chain, Problem | None]:
    """Follow the lines up to the end or the first that doesn't hold.

    Parameters
    ----------
    lines : list of bytes
        Lines without their newlines.

    Returns
    -------
    tuple of (Chain, Problem or None)
        The chain as far as it holds, and what is wrong with the next line; None if nothing is.
    """
    chain = Chain()
    for number, line in enumerate(lines, start=1):
        try:
            chain.follow(line)
        except BrokenError as error:
            return chain, Problem(seq=number, line=number, reason=str(error))
    return chain, None


def verify_lines(
    lines: list[bytes],
    torn: bytes,
    expected: Iterable[str],
    before: Callable[[bytes], Collection[str]] = lambda first: (),
) -> Verification:
    """Verify the lines of a ledger.

    Parameters
    ----------
    lines : list of bytes
        Complete lines without their newlines.
    torn : bytes
        What stands after the last newline; must be empty.
    expected : iterable of str
        Hashes that must be in the chain, for example from the tags of releases.
    before : Callable[[bytes], Collection[str]], optional
        Gives the hashes of closed ledgers that the first line continues; raises `BrokenError` if
        they don't hold.

    Returns
    -------
    Verification
    """
    chain, problem = follow(lines)
    if problem is None and torn:
        number = chain.count + 1
        problem = Problem(seq=number, line=number, reason=_torn(torn), torn=True)
    if problem is None:
        try:
            heads = {GENESIS, *chain.heads, *(before(lines[0]) if lines else ())}
            problem = _missing(chain, [head for head in expected if head not in heads])
        except BrokenError as error:
            problem = Problem(seq=1, line=1, reason=str(error))
    return Verification(
        entries=chain.count,
        head=chain.head,
        problem=problem,
        notes=tuple(chain.notes),
        keys=tuple(chain.keys),
    )


def _torn(torn: bytes) -> str:
    return (
        f"ends in the middle of an entry ({len(torn)} bytes without a newline): the writer was "
        "stopped, or the end was cut off; the next append moves the bytes to ledger/torn/"
    )


def _missing(chain: Chain, absent: list[str]) -> Problem | None:
    if not absent:
        return None
    number = chain.count + 1
    return Problem(
        seq=number,
        line=number,
        reason=f"the chain ends at {_name(chain.count)} and holds no entry with the hash "
        f"{absent[0][:12]}… that was anchored outside: entries were cut off, or the ledger was "
        "rewritten",
    )


def _name(number: int) -> str:
    return f"entry {number}" if number else "the beginning"

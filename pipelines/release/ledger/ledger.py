"""Read and extend the ledger."""

import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import keys_folder
from pipelines.release.ledger.anchors import find_strays, require_no_loss
from pipelines.release.ledger.canonical import canonical, parse
from pipelines.release.ledger.entry import (
    GENESIS,
    KINDS,
    OWN_KINDS,
    Entry,
    hash_of,
    line_of,
    signed_bytes,
)
from pipelines.release.ledger.file import (
    LedgerFile,
    lines_before,
    proven_before,
    trace_of_ledger,
)
from pipelines.release.ledger.keys import Keys, id_of, public_hex
from pipelines.release.ledger.verify import (
    BrokenError,
    Problem,
    Verification,
    new_key,
    read_entry,
    verify_lines,
)

LEDGER_PATH = Path("ledger/ledger.jsonl")
_SUBJECT = "ledger"


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """The ledger of a project.

    Parameters
    ----------
    path : Path
        The JSON Lines file.
    keys : Keys
        Private keys of this machine.
    clock : Callable[[], datetime], default `_now`
        Gives the time now.
    project : Path, optional
        Root of the project whose tags name heads of this ledger; None = no tag does.

    Notes
    -----
    Reading needs no key and changes nothing. A write that was stopped half-way leaves bytes without
    a newline at the end: they are no entry for readers, `verify` names them, and the next `append`
    mends the file, before anything else, under the lock:

    - if only the newline is missing, it is added: the entry is whole and signed;
    - else the bytes move to ``ledger/torn/<hash>.<n>``, `hash` being that of the last whole entry,
      and a ``repair`` entry says so.

    The side file's name makes the repair itself safe against a kill: as long as the last entry is
    the one that ``torn/<hash>.*`` names, its ``repair`` entry is still owed.

    Where a tag names an entry that isn't there, the end wasn't torn while it was written: it was
    lost afterwards. Nothing is mended or begun anew then, because that would hide the loss.
    """

    def __init__(
        self,
        path: Path,
        keys: Keys,
        clock: Callable[[], datetime] = _now,
        project: Path | None = None,
    ) -> None:
        self._file = LedgerFile(path)
        self._keys = keys
        self._clock = clock
        self._project = project

    @classmethod
    def of(cls, project: Path) -> Self:
        """Return the ledger of a project; nothing is made on disk until the first entry.

        Parameters
        ----------
        project : Path
            Root of the project.

        Returns
        -------
        Self
        """
        return cls(project / LEDGER_PATH, Keys(keys_folder(), project), project=project)

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self._file.path

    def append(self, kind: str, subject: str, data: dict[str, Any]) -> Entry:
        """Add an entry; when this returns, it is signed and on the disk.

        The first entry of a ledger makes its key, which becomes entry 1; but not where there are
        signs that the project has a ledger, or had one, which isn't here.

        Parameters
        ----------
        kind : str
            One of `KINDS`, without those that the ledger itself writes.
        subject : str
            The product.
        data : dict of str to object
            What belongs to this kind of entry; JSON, no personal data.

        Returns
        -------
        Entry
            The entry as it was written.

        Raises
        ------
        SignalboxError
            If the data isn't JSON, the key isn't on this machine, the ledger isn't though there is
            one, the last entry is damaged, or the disk refuses. Nothing was added then.
        """
        if kind not in KINDS - OWN_KINDS:
            raise SignalboxError(
                f"ledger: no entry can be of kind {kind!r}; kinds are {sorted(KINDS - OWN_KINDS)}"
            )
        checked = _as_json({"subject": subject, "data": data})
        return self._append(kind, checked["subject"], checked["data"])

    def rotate(self, reason: str) -> Entry:
        """Replace the key: the old one signs the new one, and is not valid for later entries.

        Parameters
        ----------
        reason : str
            Why, in words; it stands in the entry.

        Returns
        -------
        Entry
            The entry of the new key.

        Raises
        ------
        SignalboxError
            If there is no key yet, the old one isn't on this machine, or the last entry is damaged.
        """
        with self._file.locked(write=True):
            if self._last(self._file.tail()[0]) is None:
                raise SignalboxError(f"{self.path}: there is no key yet; the first entry makes it")
            last = self._ready()
            new = self._keys.create()
            return self._add(last, "key", _SUBJECT, _key_data(new, reason=reason))

    def begin(self, reason: str) -> Entry:
        """Begin a new ledger; the one so far is kept in ``ledger/archive/`` and named in it.

        For a clone whose owner hasn't the key of the ledger that came with it.

        Parameters
        ----------
        reason : str
            Why, in words; it stands in the entry.

        Returns
        -------
        Entry
            The last entry of the new ledger: entry 1, unless a repair followed it.

        Raises
        ------
        SignalboxError
            If the ledger so far doesn't hold: a damaged one must not be put aside quietly.
        """
        with self._file.locked(write=True):
            lines, torn = self._file.read_unlocked()
            if not lines:
                return self._ready(reason)
            found = verify_lines(lines, b"", ())
            if found.problem is not None:
                raise SignalboxError(
                    f"{self.path}: line {found.problem.line} {found.problem.reason}; "
                    "restore the file before a new one begins"
                )
            archived = self._file.archive(found.head)
            continues = {
                "file": archived.relative_to(self.path.parent).as_posix(),
                "entries": found.entries,
                "head": found.head,
                "torn_bytes": len(torn),
            }
            entry = self._first({"reason": reason, "continues": continues})
            self._file.replace(line_of(entry))
            return entry

    def entries(self) -> list[Entry]:
        """Read all entries in order; they aren't verified.

        Returns
        -------
        list of Entry

        Raises
        ------
        SignalboxError
            If a line isn't an entry.
        """
        lines, _ = self._file.read()
        return [self._read(line, number) for number, line in enumerate(lines, start=1)]

    def history(self) -> list[Entry]:
        """Read all entries in order, first those of the ledgers that this one continues.

        Their numbers begin anew with each ledger; their hashes are unique.

        Returns
        -------
        list of Entry

        Raises
        ------
        SignalboxError
            If a line isn't an entry, or a ledger before this one doesn't hold.
        """
        lines, _ = self._file.read()
        mine = [self._read(line, number) for number, line in enumerate(lines, start=1)]
        try:
            before = lines_before(self.path.parent, lines[0]) if lines else []
        except BrokenError as error:
            raise SignalboxError(f"{self.path}: line 1 {error}") from None
        return [*map(read_entry, before), *mine]

    def verify(self, expect_head: str | Collection[str] = ()) -> Verification:
        """Verify the whole chain.

        Parameters
        ----------
        expect_head : str or collection of str, default ()
            Hash (or several) of entries that must be in the chain: what was anchored outside, for
            example in the tag of a release. It may be in a ledger that this one continues; those
            are verified too.

        Returns
        -------
        Verification
        """
        expected = [expect_head] if isinstance(expect_head, str) else expect_head
        lines, torn = self._file.read()
        return verify_lines(lines, torn, expected, partial(proven_before, self.path.parent))

    def verify_with_tags(self, expect_head: str | Collection[str] = ()) -> Verification:
        """Verify the whole chain, and that no entry is lost that a tag of the project names.

        Parameters
        ----------
        expect_head : str or collection of str, default ()
            As in `verify`.

        Returns
        -------
        Verification
            Tags whose entries the ledger of a branch has that isn't merged are a note.
        """
        found = self.verify(expect_head)
        lines, _ = self._file.read()
        if self._project is None or found.entries < len(lines):
            return found
        try:
            strays = find_strays(self._project, self._heads(lines))
        except SignalboxError:  # of a ledger that this one continues; `found` says so
            return found
        number = found.entries + 1
        lost = Problem(seq=number, line=number, reason=strays.words) if strays.words else None
        return found.model_copy(
            update={"problem": lost or found.problem, "notes": (*found.notes, *strays.notes)}
        )

    def heads(self) -> frozenset[str]:
        """Return the hashes of all entries, also of the ledgers that this one continues.

        Returns
        -------
        frozenset of str

        Raises
        ------
        SignalboxError
            If a line isn't an entry, or a ledger before this one doesn't hold.
        """
        return self._heads(self._file.read()[0])

    def _heads(self, lines: list[bytes]) -> frozenset[str]:
        entries = [self._read(line, number) for number, line in enumerate(lines, start=1)]
        try:
            before = proven_before(self.path.parent, lines[0]) if lines else frozenset()
        except BrokenError as error:
            raise SignalboxError(f"{self.path}: line 1 {error}") from None
        return before | {entry.hash for entry in entries}

    def _require_no_loss(self) -> None:
        """Stop before a write that would hide that entries are lost."""
        if self._project is not None:
            lines, _ = self._file.read_unlocked()
            require_no_loss(self._project, self._heads(lines))

    @property
    def head(self) -> str:
        """Hash of the last entry; 64 zeros if there is none."""
        last = self._last(self._file.tail()[0])
        return last.hash if last else GENESIS

    @property
    def can_append(self) -> bool:
        """Whether this machine has the key (or may make the first one)."""
        last = self._last(self._file.tail()[0])
        return last is None or self._keys.has(_signer_after(last))

    def _append(self, kind: str, subject: str, data: dict[str, Any]) -> Entry:
        with self._file.locked(write=True):
            return self._add(self._ready(kind=kind), kind, subject, data)

    def _ready(self, reason: str | None = None, kind: str = "key") -> Entry:
        """Last entry of a file that is whole, has a key, and owes no repair.

        Without a file, a `reason` begins a ledger in any case; else the entry's `kind` tells, and
        what is found of another ledger.
        """
        last = self._whole_tail()
        if last is None:
            if reason is None:
                self._require_no_loss()
                self._refuse_second(kind)
            last = self._first({"reason": reason or "first use"})
            self._file.add(line_of(last))
        owed = self._file.torn_after(last.hash)
        if last.seq == 1 and "continues" not in last.data:
            owed = [*self._file.torn_after(GENESIS), *owed]
        if not owed:
            return last
        return self._add(last, "repair", _SUBJECT, _repair_data(owed, self.path.parent))

    def _refuse_second(self, kind: str) -> None:
        """Refuse to begin a second chain beside one that is, or was, elsewhere."""
        found = trace_of_ledger(self.path, kind)
        if found is not None:
            raise SignalboxError(
                f"{self.path}: no such file, but {found}; nothing was written: a second ledger "
                "would stand beside the first. Bring the file (git, a backup, the machine that "
                "writes it) and its key here, let the machine that has them write, or begin a "
                "ledger of your own with 'signalbox ledger begin'"
            )

    def _whole_tail(self) -> Entry | None:
        """Last entry, after bytes of a torn write were completed or moved aside."""
        line, torn = self._file.tail()
        last = self._last(line)
        if not torn:
            return last
        whole = self._whole(torn, last)
        if whole is None:
            if last is not None:
                self._keys.load(_signer_after(last))  # who cannot tell of it must not touch it
            self._require_no_loss()
            self._file.cut(torn, last.hash if last else GENESIS)
            return last
        self._file.add(b"\n")
        return whole

    def _first(self, data: dict[str, Any]) -> Entry:
        key = self._keys.create()
        return self._signed_entry(None, "key", _SUBJECT, _key_data(key, **data), key)

    def _add(self, last: Entry, kind: str, subject: str, data: dict[str, Any]) -> Entry:
        key = self._keys.load(_signer_after(last))
        self._check_last(last, key)
        entry = self._signed_entry(last, kind, subject, data, key)
        self._file.add(line_of(entry))
        return entry

    def _signed_entry(
        self,
        last: Entry | None,
        kind: str,
        subject: str,
        data: dict[str, Any],
        key: Ed25519PrivateKey,
    ) -> Entry:
        fields: dict[str, Any] = {
            "seq": last.seq + 1 if last else 1,
            "time": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "kind": kind,
            "subject": subject,
            "data": data,
            "previous": last.hash if last else GENESIS,
            "key": id_of(key),
        }
        fields["hash"] = hash_of(fields)
        fields["signature"] = key.sign(signed_bytes(fields["hash"])).hex()
        return Entry.model_validate(fields)

    def _whole(self, torn: bytes, last: Entry | None) -> Entry | None:
        """Return the entry in `torn`, if it is one that the valid key signed."""
        try:
            entry = read_entry(torn)
        except BrokenError:
            return None
        if last is None:
            return entry if verify_lines([torn], b"", ()).ok else None
        key = _signer_after(last)
        fits = (
            entry.seq == last.seq + 1
            and entry.previous == last.hash
            and entry.key == key
            and entry.hash == hash_of(dict(entry))
        )
        return entry if fits and self._signed(entry, self._keys.load(key)) else None

    def _check_last(self, last: Entry, key: Ed25519PrivateKey) -> None:
        """Refuse to build on an entry that was changed."""
        sound = last.hash == hash_of(dict(last))
        if sound and last.key == id_of(key):
            sound = self._signed(last, key)
        if not sound:
            raise SignalboxError(
                f"{self.path}: the last entry ({last.seq}) was changed after signing; nothing is "
                "added to a broken chain: see 'signalbox ledger verify', restore the file from git"
            )

    @staticmethod
    def _signed(entry: Entry, key: Ed25519PrivateKey) -> bool:
        """Whether `key` signed the entry; Ed25519 signs the same bytes the same way every time."""
        return key.sign(signed_bytes(entry.hash)).hex() == entry.signature

    def _last(self, line: bytes) -> Entry | None:
        return self._read(line, None) if line else None

    def _read(self, line: bytes, number: int | None) -> Entry:
        try:
            return read_entry(line)
        except BrokenError as error:
            where = "the last line" if number is None else f"line {number}"
            raise SignalboxError(
                f"{self.path}: {where} {error}; see 'signalbox ledger verify', and restore the "
                "file from git"
            ) from None


def _signer_after(last: Entry) -> str:
    """Id of the key that must sign the entry after `last`."""
    if last.kind != "key":
        return last.key
    try:
        return new_key(last).id
    except BrokenError as error:
        raise SignalboxError(f"ledger: the last entry ({last.seq}) {error}") from None


def _key_data(key: Ed25519PrivateKey, **more: Any) -> dict[str, Any]:
    return {"algorithm": "Ed25519", "public_key": public_hex(key.public_key()), **more}


def _repair_data(files: list[Path], folder: Path) -> dict[str, Any]:
    moved = [
        {
            "file": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files
    ]
    what = "a write was stopped half-way; its bytes, no whole entry, were moved aside"
    return {"what": what, "moved": moved}


def _as_json(data: dict[str, Any]) -> dict[str, Any]:
    """Return `data` as it will be read back (tuples become lists)."""
    try:
        read: dict[str, Any] = parse(canonical(data))
    except ValueError as error:
        raise SignalboxError(f"ledger: data of an entry must be JSON: {error}") from error
    return read

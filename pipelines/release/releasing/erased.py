"""What erasures took from a release, as their proofs in the ledger say."""

from collections.abc import Iterable
from typing import Any

from pipelines.release.ledger import Entry

KIND = "erasure"


def erasures_of(entries: Iterable[Entry], commit: str) -> list[Entry]:
    """Return the proofs of erasures whose subject a release learned from, or may have."""
    return [e for e in entries if e.kind == KIND and _held(e, commit) is not None]


def took_data(entries: Iterable[Entry], commit: str) -> Entry | None:
    """Return the last proof of an erasure that took data of a release; None if there is none."""
    found = None
    for entry in erasures_of(entries, commit):
        if not entry.data.get("kept_on_request") and _held(entry, commit) is True:
            found = entry
    return found


def erased_hashes(entries: Iterable[Entry]) -> set[str]:
    """SHA-256 of every file and object that an erasure took away or rewrote."""
    return {
        str(removal.get("before"))
        for entry in entries
        if entry.kind == KIND
        for removal in entry.data.get("removed") or []
        if removal.get("action") in ("removed", "rewritten")
    }


def warnings(entries: Iterable[Entry], commit: str, name: str) -> list[str]:
    """Say of a release which erased subjects it learned from, and until when it was to go."""
    told = []
    for entry in erasures_of(entries, commit):
        learned = "learned" if _held(entry, commit) is True else "may have learned"
        until = _release(entry, commit).get("until")
        due = f"; it was to be replaced until {until}" if until else ""
        told.append(
            f"{name} {learned} from a subject that was erased since "
            f"(entry {entry.seq} of the ledger){due}"
        )
    return told


def _held(entry: Entry, commit: str) -> bool | str | None:
    """Whether the release held the subject: True, a word why nobody knows, or None = no."""
    contains = _release(entry, commit).get("contains")
    return contains or None


def _release(entry: Entry, commit: str) -> dict[str, Any]:
    listed = entry.data.get("releases") or []
    return next((dict(one) for one in listed if one.get("commit") == commit), {})

"""What the ledger tells of publications: the last one, and rules that were withdrawn."""

from collections.abc import Sequence
from typing import Any

from pipelines.aiops.noise.publish.released import PRODUCT
from pipelines.release.ledger import Entry


def mine(entries: Sequence[Entry], kind: str) -> list[Entry]:
    """Entries of a kind about noise rules, oldest first."""
    return [one for one in entries if one.kind == kind and one.subject == PRODUCT]


def last_publication(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Return data of the last publication; None if there was none."""
    found = mine(entries, "publication")
    return found[-1].data if found else None


def withdrawn(entries: Sequence[Entry]) -> dict[str, str]:
    """Rule → why it was withdrawn; without those that were admitted again."""
    found: dict[str, str] = {}
    for one in entries:
        if one.subject != PRODUCT:
            continue
        if one.kind == "withdrawal":
            found[str(one.data.get("rule"))] = str(one.data.get("reason", ""))
        elif one.kind == "publication":
            for rule in one.data.get("readmitted", []):
                found.pop(str(rule), None)
    return found

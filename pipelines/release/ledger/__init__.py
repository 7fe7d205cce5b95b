"""The ledger: an append-only, hash-chained, signed record of what happened on the release path.

What it proves, and what it doesn't, stands in ``ledger/README.md``.
"""

from pipelines.release.ledger.entry import GENESIS, KINDS, Entry
from pipelines.release.ledger.ledger import Ledger
from pipelines.release.ledger.verify import KeyRecord, Problem, Verification

__all__ = ["GENESIS", "KINDS", "Entry", "KeyRecord", "Ledger", "Problem", "Verification"]

"""Which versions of a product there are and which one is in which stage: git tags, as GTO's.

``<product>@v1.2.0`` registers a commit as a version; ``<product>#production#7`` puts it into a
stage, the highest number counts. Any GTO (https://mlem.ai/doc/gto) reads these tags; we read and
write them with git alone, because only git can create several of them in one transaction, which
is what decides between two releases at once. Each tag's message names the head of the ledger.
"""

from pipelines.release.registry.read import (
    Assignment,
    Version,
    assignments,
    current,
    find_version,
    versions,
)
from pipelines.release.registry.write import assign, register

__all__ = [
    "Assignment",
    "Version",
    "assign",
    "assignments",
    "current",
    "find_version",
    "register",
    "versions",
]

"""Release a commit, go back to an earlier version, and finish what a crash interrupted.

A release is three writes: an entry in the ledger, git tags that name that entry's hash, and the
pointer ``released/<product>.json``. The entry comes first and holds everything the other two need,
so they can be made from it again at any time. Killed between two of them, the next start of
anything here (or ``signalbox registry repair``) makes the rest and logs that it did.
"""

from pipelines.release.releasing.products import production, released_versions
from pipelines.release.releasing.record import record_gate, record_outcome, record_run
from pipelines.release.releasing.release import release, require_ready
from pipelines.release.releasing.repair import problems, repair
from pipelines.release.releasing.rollback import rollback
from pipelines.release.releasing.step import Done

__all__ = [
    "Done",
    "problems",
    "production",
    "record_gate",
    "record_outcome",
    "record_run",
    "release",
    "released_versions",
    "repair",
    "require_ready",
    "rollback",
]

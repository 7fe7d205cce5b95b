"""Release a commit, go back to an earlier version, and finish what a crash interrupted.

A release is three writes: an entry in the ledger, git tags that name that entry's hash, and the
pointer ``released/<product>.json``. The entry comes first and holds everything the other two need,
so they can be made from it again at any time. Killed between two of them, the next start of
anything here (or ``signalbox registry repair``) makes the rest and logs that it did.
"""

from pipelines.release.lifecycle.apply import problems, repair
from pipelines.release.lifecycle.candidate import (
    CODE,
    Candidate,
    ChangedError,
    changed_params,
    is_demo_data,
    last_run,
    read_candidate,
    recorded_candidate,
    require_unchanged,
    saved_commit,
)
from pipelines.release.lifecycle.compare import (
    Choice,
    Comparison,
    ReportFile,
    choices,
    compare_versions,
    reports_of,
)
from pipelines.release.lifecycle.consent import (
    Asked,
    answer_entry,
    asked_about_another,
    last_outcome,
    last_run_outcome,
    open_question,
    read_answer,
    record_answer,
    record_gate,
    record_outcome,
    record_question,
    record_refusal,
    record_run,
)
from pipelines.release.lifecycle.production import (
    Done,
    production,
    released_versions,
    same_artifacts,
)
from pipelines.release.lifecycle.release import release, require_ready
from pipelines.release.lifecycle.rollback import rollback
from pipelines.release.lifecycle.view import (
    Standing,
    Waiting,
    standing,
    title_of,
    waiting,
)

__all__ = [
    "CODE",
    "Asked",
    "Candidate",
    "ChangedError",
    "Choice",
    "Comparison",
    "Done",
    "ReportFile",
    "Standing",
    "Waiting",
    "answer_entry",
    "asked_about_another",
    "changed_params",
    "choices",
    "compare_versions",
    "is_demo_data",
    "last_outcome",
    "last_run",
    "last_run_outcome",
    "open_question",
    "problems",
    "production",
    "read_answer",
    "read_candidate",
    "record_answer",
    "record_gate",
    "record_outcome",
    "record_question",
    "record_refusal",
    "record_run",
    "recorded_candidate",
    "release",
    "released_versions",
    "repair",
    "reports_of",
    "require_ready",
    "require_unchanged",
    "rollback",
    "same_artifacts",
    "saved_commit",
    "standing",
    "title_of",
    "waiting",
]

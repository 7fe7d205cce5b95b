"""Who may release what: pure policy; Airflow asks the question, the command line may too.

Nothing here writes or waits. `question_needed` says whether a person has to be asked, `outcome`
what the answers come to. Both know verdicts and names, no models.
"""

from pipelines.release.approval.answers import Answer, Outcome
from pipelines.release.approval.params import ApprovalParams
from pipelines.release.approval.policy import (
    AUTO_APPROVE_DEMO,
    headless_outcome,
    outcome,
    question_needed,
)

__all__ = [
    "AUTO_APPROVE_DEMO",
    "Answer",
    "ApprovalParams",
    "Outcome",
    "headless_outcome",
    "outcome",
    "question_needed",
]

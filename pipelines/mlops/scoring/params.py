"""Section ``scoring`` of ``release.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import Section


class ScoringParams(Section):
    """How batches are scored."""

    reasons: Annotated[int, Field(ge=0, le=20)] = 3
    """Reason codes a row; 0 = none, and the release's training data isn't needed."""
    chunk_rows: Annotated[int, Field(ge=1000)] = 50_000
    """Rows held in memory at once."""

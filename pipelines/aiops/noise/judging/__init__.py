"""What a rule set does to a window of history, compared with today's configuration."""

from pipelines.aiops.noise.judging.effect import Effect, Incident, judge
from pipelines.aiops.noise.judging.window import Span, span_rows

__all__ = ["Effect", "Incident", "Span", "judge", "span_rows"]

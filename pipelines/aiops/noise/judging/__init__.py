"""What a rule set does to a window of history, compared with today's configuration."""

from pipelines.aiops.noise.judging.effect import Effect, Incident, judge
from pipelines.aiops.noise.judging.measure import Measurer, closing_times
from pipelines.aiops.noise.judging.window import rows_of

__all__ = ["Effect", "Incident", "Measurer", "closing_times", "judge", "rows_of"]

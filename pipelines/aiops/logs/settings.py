"""Settings of log anomalies; the defaults are meant for every system."""

from dataclasses import dataclass

from pipelines.core.time import SECOND_US


@dataclass(frozen=True)
class LogAnomalySettings:
    """What is looked at, and how rare something must be.

    Attributes
    ----------
    bin_seconds : int
        Width of the bins that lines are counted in, seconds; divides an hour.
    history_days : int
        Days before the window that a template is compared with.
    fdr_limit : float
        Of bursts, silences and changed mixes of a run, the share that may be false alarms
        (Benjamini and Hochberg's false discovery rate), between 0 and 1.
    new_fdr_limit : float
        The same of new templates and new values.
    min_ratio : float
        A burst has at least so many times the lines expected; a silence lasts at least so many
        times the longest usual gap.
    min_burst : int
        Lines of a burst at least.
    max_values : int
        A variable with more distinct values has no new ones.
    max_findings : int
        Of each kind, the rarest are kept.
    sample : int
        Lines of a template from which is judged whether a variable has few values.
    """

    bin_seconds: int = 300
    history_days: int = 14
    fdr_limit: float = 0.05
    new_fdr_limit: float = 0.2
    min_ratio: float = 2.0
    min_burst: int = 5
    max_values: int = 20
    max_findings: int = 200
    sample: int = 400

    @property
    def bin_us(self) -> int:
        """Width of a bin in microseconds."""
        return self.bin_seconds * SECOND_US


DEFAULT = LogAnomalySettings()

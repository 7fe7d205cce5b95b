"""Log anomalies: what templates, counted over time a service, do that they didn't do before.

1. ``counts``: lines of a day become counts a service, template and bin, and values of variables.
2. ``state``: counts and the template store of each day, as files; a day rests on the days before.
3. ``novelty``, ``bursts``, ``silences``, ``mix``: each gives every subject a chance.
4. ``find``: of all chances of a run those are findings that keep false ones rare.
"""

from pipelines.aiops.logs.anomalies.find import LogAnomalySettings, find
from pipelines.aiops.logs.anomalies.state import Outcome, anomalies_between
from pipelines.aiops.logs.counts import Counted, count_lines

__all__ = [
    "Counted",
    "LogAnomalySettings",
    "Outcome",
    "anomalies_between",
    "count_lines",
    "find",
]

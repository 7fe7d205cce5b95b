"""Evidence from resources: a service's processor, memory or queue beyond anything it showed."""

import numpy as np

from pipelines.aiops.incidents.budgets import CAP, ENOUGH, Evidence
from pipelines.aiops.incidents.signals import Series, Signals, Window, inside

PER_FOLD = 15.0
"""Nats for each factor e beyond the past's own extreme."""
EXTREME = 0.995


def saturation_evidence(window: Window, signals: Signals) -> list[Evidence]:
    """Compare each resource with the most extreme it ordinarily shows, not with its noise."""
    best: dict[str, Evidence] = {}
    for series in sorted(signals.series, key=lambda s: (s.service, s.metric)):
        found = _beyond(window, series) if series.role == "saturation" else None
        if found and found.points > best.get(series.service, Evidence("", "", 0, "")).points:
            best[series.service] = found
    return [best[name] for name in sorted(best)]


def _beyond(window: Window, series: Series) -> Evidence | None:
    known = np.isfinite(series.values)
    times, values = series.times[known], series.values[known]
    past = values[inside(times, window.metric_reference or window.reference)]
    now = values[(times >= window.start) & (times < window.end)]
    if len(past) < ENOUGH or not len(now):
        return None
    level, high = (float(x) for x in np.quantile(past, (0.5, EXTREME)))
    reach = max(high - level, 0.05 * abs(level), 1e-12)
    times_over = (float(now.max()) - level) / reach
    if times_over <= 1:
        return None
    points = min(CAP, PER_FOLD * float(np.log(times_over)))
    sentence = (
        f"{series.metric}: {float(now.max()):.3g}, usually {level:.3g} and hardly ever above "
        f"{high:.3g}"
    )
    return Evidence(series.service, series.metric, points, sentence)

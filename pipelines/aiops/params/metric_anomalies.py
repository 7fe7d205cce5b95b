"""Section ``aiops.metric_anomalies`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.base.params.model import PositiveInt, Section


class MetricAnomaliesParams(Section):
    """Settings of ``metric_anomalies``.

    Attributes
    ----------
    lookback_days
        Days before the window that teach; two weeks and a day hold two weekly seasons.
    false_share
        Share of the findings that may be false, over all series of the window; 1 = all alarms.
    most_series
        Series that are judged; of more, those with the most points. The rest is counted.
    most_plots
        Findings, the rarest first, whose values are kept for a plot.
    """

    lookback_days: Annotated[int, Field(ge=1, le=400)] = 15
    false_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    most_series: PositiveInt = 20_000
    most_plots: Annotated[int, Field(ge=0)] = 100

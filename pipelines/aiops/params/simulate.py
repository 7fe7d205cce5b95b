"""Section ``aiops.simulate`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from pipelines.core.settings import PositiveInt, Section


class SignalsParams(Section):
    """Metrics, logs and spans of the simulated world.

    Attributes
    ----------
    days
        Of metrics and logs at the end of the history; 0: none, and no spans either.
    span_days
        Of spans, at the end as well.
    step_seconds
        Between two values of a metric.
    instances
        Instances of each service that are scraped.
    lines_per_day, spans_per_day
        About how many.
    """

    days: Annotated[int, Field(ge=0, le=1000)] = 0
    span_days: Annotated[int, Field(ge=0, le=1000)] = 3
    step_seconds: Annotated[int, Field(ge=15, le=3600)] = 300
    instances: Annotated[int, Field(ge=1, le=100)] = 2
    lines_per_day: PositiveInt = 25_000
    spans_per_day: PositiveInt = 80_000


class SimulateParams(Section):
    """Settings of ``simulate``.

    Attributes
    ----------
    alerts
        About how many alerts; more than 100,000 also means more services.
    services, incidents_per_day
        None: drawn from the seed, like everything else about the world.
    """

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 7
    start: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = "2026-03-02"
    days: Annotated[int, Field(ge=1, le=1000)] = 42
    alerts: PositiveInt = 100_000
    services: Annotated[int, Field(ge=5, le=5000)] | None = None
    incidents_per_day: Annotated[float, Field(ge=0, le=1000)] | None = None
    signals: SignalsParams = Field(default_factory=SignalsParams)

"""Section ``aiops.log_anomalies`` of ``params.yaml``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import PositiveInt, Section


class LogAnomaliesParams(Section):
    """Settings of ``log_anomalies``; see `pipelines.aiops.logs.anomalies.settings`.

    Attributes
    ----------
    bin_seconds
        Width of the bins that lines are counted in; divides an hour.
    most_plots
        Findings, the rarest first, whose lines a bin and first lines are kept.
    """

    history_days: Annotated[int, Field(ge=1, le=400)] = 14
    bin_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    false_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    false_share_new: Annotated[float, Field(gt=0, le=1)] = 0.2
    max_findings: PositiveInt = 200
    most_plots: Annotated[int, Field(ge=0)] = 100

    @model_validator(mode="after")
    def _divides_an_hour(self) -> Self:
        if 3600 % self.bin_seconds:
            raise ValueError(f"bin_seconds must divide 3600, {self.bin_seconds} doesn't")
        return self

"""Section ``aiops.map_services`` of ``params.yaml``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import PositiveInt, Section


class MapServicesParams(Section):
    """Settings of ``map_services``.

    Attributes
    ----------
    window_seconds
        Length of the windows that rates and quantiles are counted in; divides an hour.
    compare_days
        The map is compared with the same hours so many days earlier; 0 = with nothing.
    max_virtual_nodes
        Databases, queues and external peers beyond the busiest of this many count as one of each.
    max_shapes
        Shapes of traces that are kept, the most frequent ones.
    """

    window_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    compare_days: Annotated[int, Field(ge=0, le=400)] = 1
    max_virtual_nodes: PositiveInt = 500
    max_shapes: PositiveInt = 5000

    @model_validator(mode="after")
    def _divides_an_hour(self) -> Self:
        if 3600 % self.window_seconds:
            raise ValueError(f"window_seconds must divide 3600, {self.window_seconds} doesn't")
        return self

"""What all sections of ``params.yaml`` share: unknown keys are errors, values don't change."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
_T = TypeVar("_T")
Unset = Annotated[_T | None, BeforeValidator(lambda value: None if value == "" else value)]
"""What may be left out: ``null`` is "not set", and so is an empty text, as forms send it."""
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class Section(BaseModel):
    """Base of every section: strict about keys and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

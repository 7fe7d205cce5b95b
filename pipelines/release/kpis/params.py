"""Section ``kpis`` of ``release.yaml``."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.core.evidence import refuse_old
from pipelines.core.settings import Name, Section, Slug
from pipelines.release.kpis.formula import FormulaError, figures_in, parse
from pipelines.release.products import DEFAULT

LIVE = "live"
"""Figures ``live.…`` are measured by monitoring on what was scored, not by a stage."""


class Kpi(Section):
    """One KPI."""

    id: Slug
    owner: Name
    """Who answers for it."""
    measures: Name
    """What it says, in words its owner would use."""
    formula: Name
    """Over ids of figures, see `formula`."""
    target: float
    """Number that the KPI's value is compared with."""
    direction: Literal["at_least", "at_most"]
    """On which side of the target the KPI is met."""
    unit: str = ""
    product: Slug = DEFAULT
    """Whose releases it follows: its trend is over this product's entries in the ledger."""

    @field_validator("formula")
    @classmethod
    def _can_be_parsed(cls, formula: str) -> str:
        try:
            parsed = parse(formula)
        except FormulaError as error:
            raise ValueError(str(error)) from error
        for name in figures_in(parsed):
            refuse_old(name)
        return formula


class KpisParams(Section):
    """The list of KPIs, in the order in which they are shown."""

    definitions: list[Kpi] = Field(default_factory=list, max_length=100)

    def of(self, product: str) -> list[Kpi]:
        """KPIs of a product."""
        return [kpi for kpi in self.definitions if kpi.product == product]

    def products(self) -> list[str]:
        """Products with KPIs, in the order in which they first stand in the file."""
        return list(dict.fromkeys(kpi.product for kpi in self.definitions))

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [kpi.id for kpi in self.definitions]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"KPI ids must differ; used twice: {twice}")
        return self

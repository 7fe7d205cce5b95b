"""Section ``registry`` of ``release.yaml``: what is released, and where tags go."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipelines.core.errors import SignalboxError
from pipelines.core.settings import Name, Section, Slug, Unset
from pipelines.release.config import load_section
from pipelines.release.products import registered


class ProductParams(Section):
    """What belongs to one product."""

    artifacts: Annotated[list[Name], Field(min_length=1)]
    """Files whose hashes the release pointer holds."""
    gate: Slug = "gate"
    """The gate's stage: its decision is in ``evidence/<gate>.json`` and ``metrics/<gate>.json``."""
    pointer: Name
    """File that names the version in production."""
    report: Unset[Name] = None
    """The report to read before a decision; null = none."""


def _registered() -> dict[str, dict[str, Any]]:
    """Return what products have where ``release.yaml`` says nothing else."""
    return {
        product.name: {
            "artifacts": list(product.artifacts),
            "gate": product.gate,
            "pointer": product.pointer,
            "report": product.report,
        }
        for product in registered().values()
    }


def _all_registered() -> dict[str, ProductParams]:
    return {name: ProductParams(**own) for name, own in _registered().items()}


class RegistryParams(Section):
    """Section ``registry``."""

    bump: Literal["major", "minor", "patch"] = "minor"
    """Part of the version that a release counts up."""
    push_to: Unset[Name] = None
    """Git remote that release tags are pushed to; null = they stay here until someone pushes."""
    products: dict[Slug, ProductParams] = Field(default_factory=_all_registered)
    """Products that are released; by default all that are registered.

    What a product leaves out (``model_release: {}``) is as it was registered.
    """

    @field_validator("products", mode="before")
    @classmethod
    def _as_registered(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = _registered()
        return {
            name: {**known.get(name, {}), **said} if isinstance(said, dict) else said
            for name, said in given.items()
        }


def load_product(project: Path, product: str) -> ProductParams:
    """Read what belongs to a product.

    Raises
    ------
    SignalboxError
        If ``release.yaml`` doesn't name it.
    """
    known = load_section(project, "registry", RegistryParams).products
    if product not in known:
        raise SignalboxError(
            f"release.yaml: registry.products has no {product!r}; it has {sorted(known)}"
        )
    return known[product]

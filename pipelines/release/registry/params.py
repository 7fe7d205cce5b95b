"""Section ``registry`` of ``release.yaml``: what is released, and where tags go."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipelines.core.artifacts import MODEL, MODEL_INFO, RELEASED, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.settings import Name, Section, Slug
from pipelines.release.config import load_section


class ProductParams(Section):
    """What belongs to one product."""

    artifacts: Annotated[list[Name], Field(min_length=1)]
    """Files whose hashes the release pointer holds."""
    gate: Slug = "gate"
    """The gate's stage: its decision is in ``evidence/<gate>.json`` and ``metrics/<gate>.json``."""
    pointer: Name
    """File that names the version in production."""
    report: str = ""
    """The report to read before a decision; empty = none."""


_MODEL = ProductParams(
    artifacts=[MODEL.as_posix(), MODEL_INFO.as_posix(), TRAIN.as_posix()],
    pointer=RELEASED.as_posix(),
    report="reports/model_release.html",
)


class RegistryParams(Section):
    """Section ``registry``."""

    bump: Literal["major", "minor", "patch"] = "minor"
    """Part of the version that a release counts up."""
    push_to: str = ""
    """Git remote that release tags are pushed to; empty = they stay here until someone pushes."""
    products: dict[Slug, ProductParams] = {"model_release": _MODEL}  # noqa: RUF012
    """Product → what belongs to it."""


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

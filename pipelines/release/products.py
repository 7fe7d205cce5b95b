"""Products: what is released. Each domain registers its own; the release path lists none.

A product is an object of type `Product` behind an entry point of the group ``signalbox.products``,
in this project's ``pyproject.toml`` or in that of any distribution that is installed beside it.
``release.yaml`` (``registry.products``) says which of them are released here.
"""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pipelines.core.errors import SignalboxError

GROUP = "signalbox.products"
DEFAULT = "model_release"
"""What a KPI means that names no product."""
_OURS = "signalbox"
_TREE = Path(__file__).resolve().parents[2] / "pyproject.toml"
"""Of the tree that this code runs from; not there if it runs from a wheel."""


@dataclass(frozen=True)
class DemoData:
    """How to tell the bundled demo's data from everybody else's.

    Attributes
    ----------
    evidence : str
        Evidence file whose ``inputs`` name the product's data by hash.
    sha256 : frozenset of str
        The demo's hashes: this data and no other.
    """

    evidence: str
    sha256: frozenset[str]


@dataclass(frozen=True)
class Product:
    """What the release path, the command line and the pages must know of a product.

    Attributes
    ----------
    name : str
        Also that of its DAG, of its versions' tags, and of its entry point.
    title : str
        What readers call its report.
    artifacts : tuple of str
        Files whose hashes the release pointer holds.
    gate : str
        The gate's stage.
    pointer : str
        File that names the version in production.
    report : str
        The report to read before a decision; empty = none.
    section : str
        Section of ``params.yaml`` with its stages' parameters; empty = all sections that are no
        other product's. `pipelines.core.params.Params` refuses a section that it doesn't have, so
        a new one gets its line there, as ``aiops`` has.
    demo : DemoData, optional
        None = there is no demo of it, so nothing of it is ever approved as one.
    """

    name: str
    title: str
    artifacts: tuple[str, ...]
    gate: str
    pointer: str
    report: str = ""
    section: str = ""
    demo: DemoData | None = None


@cache
def registered() -> dict[str, Product]:
    """Return every registered product by name.

    Raises
    ------
    SignalboxError
        See `load_products`.
    """
    return load_products(declared())


def declared() -> Iterator[EntryPoint]:
    """Find the entry points of the group.

    Our own come from ``pyproject.toml`` where the code runs from a tree: an editable installation
    has the metadata of the day on which it was installed, so that it would miss a newer product.
    """
    ours = _of_tree(_TREE)
    yield from ours
    for entry in entry_points(group=GROUP):
        if not (ours and entry.dist is not None and entry.dist.name == _OURS):
            yield entry


def _of_tree(file: Path) -> list[EntryPoint]:
    if not file.is_file():
        return []
    project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != _OURS:
        return []
    ours = project["entry-points"][GROUP]
    return [EntryPoint(name, value, GROUP) for name, value in ours.items()]


def load_products(entries: Iterable[EntryPoint]) -> dict[str, Product]:
    """Load products by name.

    Parameters
    ----------
    entries : iterable of EntryPoint
        Entry points of the group `GROUP`.

    Returns
    -------
    dict of str to Product
        Name → product.

    Raises
    ------
    SignalboxError
        If one cannot be loaded, isn't a `Product` of its entry point's name, or is there twice.
    """
    products: dict[str, Product] = {}
    for entry in entries:
        where = f"entry point {entry.name} = {entry.value!r} of group {GROUP}"
        try:
            product = entry.load()
        except (ImportError, AttributeError) as error:
            raise SignalboxError(
                f"{where}: {error}; correct it, or uninstall the package that declares it"
            ) from error
        if not isinstance(product, Product) or product.name != entry.name:
            raise SignalboxError(f"{where}: is no Product of the name {entry.name!r}")
        if entry.name in products:
            raise SignalboxError(f"{where}: a product of this name is registered already")
        products[entry.name] = product
    return products


def section_of(key: str) -> str:
    """Return the section under which a parameter belongs to one product alone.

    Parameters
    ----------
    key : str
        Dotted key in ``params.yaml``, for example ``aiops.mine_rules.seed``.

    Returns
    -------
    str
        `Product.section` of the product it belongs to; empty if no product claims its section.
    """
    root = key.partition(".")[0]
    return root if root in {product.section for product in registered().values()} else ""

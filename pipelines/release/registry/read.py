"""Read the registry: GTO's tag names, versions and stages, with one git command.

Section ``registry`` of ``release.yaml``: what is released, and where tags go.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipelines.core.errors import SignalboxError
from pipelines.core.settings import Name, Section, Slug, Unset
from pipelines.release.config import load_section
from pipelines.release.ledger.anchors import TagObject, read_tags
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


def product_names(project: Path) -> list[str]:
    """Return the names of the products that ``release.yaml`` says are released, in its order."""
    return list(load_section(project, "registry", RegistryParams).products)


def reports(project: Path) -> dict[str, str]:
    """Return product → path of its report; empty where it has none."""
    known = load_section(project, "registry", RegistryParams).products
    return {name: product.report or "" for name, product in known.items()}


Bump = Literal["major", "minor", "patch"]
FIRST = "v1.0.0"
"""Version of the first release."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_NUMBER = r"(?:0|[1-9]\d*)"
_VERSION = rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
_TAG = re.compile(
    rf"^(?P<product>{_NAME})(?:@(?P<version>{_VERSION})|#(?P<stage>{_NAME}))(?P<cancel>!?)"
    r"(?:#(?P<number>\d+))?$"
)
_HEADERS = re.compile(
    r"object (?P<object>[0-9a-f]+)\ntype \S+\ntag (?P<tag>[^\n]*)\n"
    r"(?:tagger (?P<who>[^\n]*?) ?<[^\n]*> (?P<time>\d+) [^\n]*\n)?"
)
"""What an annotated tag's content begins with (git's documentation, ``git mktag``)."""


@dataclass(frozen=True)
class TagName:
    """A tag's name, taken apart; either `version` or `stage` is given.

    Attributes
    ----------
    product : str
        Name of the product.
    version : str or None
        For example ``v1.0.0``; None in a tag of a stage.
    stage : str or None
        For example ``production``; None in a tag of a version.
    number : int
        GTO's counter over all numbered tags of a product; 0 if the tag has none.
    cancels : bool
        Whether the tag takes back a version or an assignment (``!``).
    """

    product: str
    version: str | None
    stage: str | None
    number: int
    cancels: bool


def parse_tag(tag: str) -> TagName | None:
    """Parse a tag's name; return None if it isn't of GTO's form.

    Parameters
    ----------
    tag : str
        Name of a tag, without ``refs/tags/``.

    Returns
    -------
    TagName or None
    """
    found = _TAG.match(tag)
    if found is None:
        return None
    return TagName(
        product=found["product"],
        version=found["version"],
        stage=found["stage"],
        number=int(found["number"] or 0),
        cancels=found["cancel"] == "!",
    )


def check_name(what: str, name: str) -> str:
    """Return a product's or stage's name if GTO allows it.

    Parameters
    ----------
    what : str
        What the name is of, ``product`` or ``stage``; for the message.
    name : str
        The name.

    Returns
    -------
    str
        The same name.

    Raises
    ------
    SignalboxError
        If GTO doesn't allow it.
    """
    if not re.fullmatch(_NAME, name):
        raise SignalboxError(
            f"{what} {name!r}: only letters, digits, '_' and '-' are allowed, and it must start "
            "and end with a letter or digit"
        )
    return name


def check_version(version: str) -> str:
    """Return a version's name if it is of the form v1.2.3.

    Parameters
    ----------
    version : str
        The version's name.

    Returns
    -------
    str
        The same name.

    Raises
    ------
    SignalboxError
        If it is of another form.
    """
    if not re.fullmatch(_VERSION, version):
        raise SignalboxError(f"version {version!r}: must look like v1.2.3")
    return version


def version_tag(product: str, version: str) -> str:
    """Return the name of the tag that registers a version.

    Parameters
    ----------
    product : str
        Name of the product, as it is registered.
    version : str
        Of the form v1.2.3.

    Returns
    -------
    str
        ``<product>@<version>``.

    Raises
    ------
    SignalboxError
        If one of the names isn't allowed.
    """
    return f"{check_name('product', product)}@{check_version(version)}"


def stage_tag(product: str, stage: str, number: int) -> str:
    """Return the name of the tag that assigns a version to a stage.

    Parameters
    ----------
    product : str
        Name of the product, as it is registered.
    stage : str
        For example ``production``.
    number : int
        GTO's counter.

    Returns
    -------
    str
        ``<product>#<stage>#<number>``.

    Raises
    ------
    SignalboxError
        If one of the names isn't allowed.
    """
    return f"{check_name('product', product)}#{check_name('stage', stage)}#{number}"


def order(version: str) -> tuple[int, int, int]:
    """Return the sort key of a version.

    Parameters
    ----------
    version : str
        Of the form v1.2.3.

    Returns
    -------
    tuple of (int, int, int)
        Major, minor and patch number.
    """
    major, minor, patch = (int(part) for part in version.removeprefix("v").split("."))
    return major, minor, patch


def bumped(version: str, bump: Bump) -> str:
    """Return the version after this one.

    Parameters
    ----------
    version : str
        Of the form v1.2.3.
    bump : {'major', 'minor', 'patch'}
        Part to count up; those after it become 0.

    Returns
    -------
    str
    """
    major, minor, patch = order(version)
    after = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
    }[bump]
    return "v" + ".".join(map(str, after))


def message(title: str, anchor: str) -> str:
    """Write a tag's message: what it does, and the head of the ledger at that moment.

    Whoever holds the signing key can write a new ledger, but not without leaving the tags that
    others have fetched already.

    Parameters
    ----------
    title : str
        What the tag does, on one line.
    anchor : str
        Hash of the ledger's last entry, 64 hex digits.

    Returns
    -------
    str
    """
    return f"{title}\n\nLedger-Head: {anchor}\n"


@dataclass(frozen=True)
class Tag:
    """An annotated tag of a product.

    Attributes
    ----------
    tag : str
        Its name, without ``refs/tags/``.
    name : TagName
        The name, taken apart.
    commit : str
        Hash of the object that it points to.
    time : int
        Seconds since 1970 in the tag; 0 if it has none.
    tagger : str
        Name of who made it.
    anchor : str or None
        Head of the ledger that it names; None if it names none.
    id : str
        Hash of the tag's own object.
    made_as : str
        Name that the object itself holds.
    """

    tag: str
    name: TagName
    commit: str
    time: int
    tagger: str
    anchor: str | None
    id: str
    made_as: str


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes
    ----------
    product : str
        Name of the product.
    version : str
        Of the form v1.2.3.
    commit : str
        Hash of the commit that is registered.
    tag : str
        Name of the tag.
    time : int
        Seconds since 1970 in the tag.
    anchor : str or None
        Head of the ledger that the tag names; None for a tag made by another program.
    stages : tuple of str
        Stages whose current version this is.
    """

    product: str
    version: str
    commit: str
    tag: str
    time: int
    anchor: str | None
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """A version that was put into a stage; `version` is None if its commit isn't registered.

    Attributes
    ----------
    product : str
        Name of the product.
    stage : str
        For example ``production``.
    number : int
        GTO's counter in the tag.
    version : str or None
        Of the form v1.2.3; None if its commit isn't registered.
    commit : str
        Hash of the commit.
    tag : str
        Name of the tag.
    time : int
        Seconds since 1970 in the tag.
    anchor : str or None
        Head of the ledger that the tag names; None if it names none.
    """

    product: str
    stage: str
    number: int
    version: str | None
    commit: str
    tag: str
    time: int
    anchor: str | None


def product_tags(project: Path, product: str) -> list[Tag]:
    """List all annotated GTO tags of a product.

    Lightweight tags say nothing; GTO ignores them too.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of Tag
        In git's order of ref names.
    """
    found = [parse_object(tag) for tag in product_refs(project, product)]
    return [tag for tag in found if tag is not None]


def product_refs(project: Path, product: str) -> list[TagObject]:
    """List all tags of a product: lightweight and damaged ones too.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of TagObject
        In git's order of ref names.
    """
    check_name("product", product)
    return read_tags(project, f"refs/tags/{product}@*", f"refs/tags/{product}#*")


def parse_object(found: TagObject) -> Tag | None:
    """Parse an annotated GTO tag; return None if it is another sort of tag.

    Parameters
    ----------
    found : TagObject
        What the tag's name stands for.

    Returns
    -------
    Tag or None
    """
    parsed, headers = parse_tag(found.tag), _HEADERS.match(found.content)
    if found.kind != "tag" or parsed is None or headers is None:
        return None
    time, who = int(headers["time"] or 0), headers["who"] or ""
    return Tag(
        found.tag, parsed, headers["object"], time, who, found.head, found.id, headers["tag"]
    )


def versions(project: Path, product: str) -> list[Version]:
    """Return registered versions, oldest first; what was taken back isn't among them.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of Version
    """
    tags = product_tags(project, product)
    gone = {tag.name.version for tag in tags if tag.name.version and tag.name.cancels}
    active = _active(tags)
    found = [
        Version(
            product=product,
            version=tag.name.version,
            commit=tag.commit,
            tag=tag.tag,
            time=tag.time,
            anchor=tag.anchor,
            stages=tuple(
                sorted(s for s, active_tag in active.items() if active_tag.commit == tag.commit)
            ),
        )
        for tag in tags
        if tag.name.version and not tag.name.cancels and tag.name.version not in gone
    ]
    return sorted(found, key=lambda version: order(version.version))


def assignments(project: Path, product: str, stage: str) -> list[Assignment]:
    """List everything that was ever put into a stage, oldest first.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    stage : str
        For example ``production``.

    Returns
    -------
    list of Assignment
    """
    named = {version.commit: version.version for version in versions(project, product)}
    return [
        _assignment(tag, named)
        for tag in _by_number(product_tags(project, product))
        if tag.name.stage == check_name("stage", stage) and not tag.name.cancels
    ]


def current(project: Path, product: str, stage: str) -> Assignment | None:
    """Return the version that is in a stage now; None if there is none.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    stage : str
        For example ``production``.

    Returns
    -------
    Assignment or None
    """
    tag = _active(product_tags(project, product)).get(check_name("stage", stage))
    if tag is None:
        return None
    return _assignment(
        tag, {version.commit: version.version for version in versions(project, product)}
    )


def find_version(project: Path, product: str, version: str) -> Version:
    """Find a version by its name.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    version : str
        Of the form v1.2.3.

    Returns
    -------
    Version

    Raises
    ------
    SignalboxError
        If there is none; the message lists what there is.
    """
    check_version(version)
    known = versions(project, product)
    for release in known:
        if release.version == version:
            return release
    names = ", ".join(release.version for release in known[-10:]) or "none yet"
    raise SignalboxError(f"{product} has no version {version}; versions are: {names}")


def _by_number(tags: list[Tag]) -> list[Tag]:
    """Order by GTO's counter and not by time: clocks go backwards, the counter doesn't."""
    return sorted(tags, key=lambda tag: (tag.name.number, tag.time))


def _active(tags: list[Tag]) -> dict[str, Tag]:
    """Stage → tag of what is in it now."""
    active: dict[str, list[Tag]] = {}
    for tag in _by_number([tag for tag in tags if tag.name.stage]):
        stack = active.setdefault(str(tag.name.stage), [])
        stack[:] = [assigned for assigned in stack if assigned.commit != tag.commit]
        if not tag.name.cancels:
            stack.append(tag)
    return {stage: stack[-1] for stage, stack in active.items() if stack}


def _assignment(tag: Tag, named: dict[str, str]) -> Assignment:
    return Assignment(
        product=tag.name.product,
        stage=str(tag.name.stage),
        number=tag.name.number,
        version=named.get(tag.commit),
        commit=tag.commit,
        tag=tag.tag,
        time=tag.time,
        anchor=tag.anchor,
    )

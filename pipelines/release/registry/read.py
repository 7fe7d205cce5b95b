"""Read the registry: one git command, whatever the number of tags."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.base.errors import SignalboxError
from pipelines.release.registry.git import git
from pipelines.release.registry.tags import (
    TagName,
    anchor_of,
    check_name,
    check_version,
    order,
    parse_tag,
)

_FORMAT = "%00".join(
    [
        "%(refname:strip=2)",
        "%(objecttype)",
        "%(*objectname)",
        "%(taggerdate:unix)",
        "%(taggername)",
        "%(contents)%1e",
    ]
)


@dataclass(frozen=True)
class Tag:
    """An annotated tag of a product."""

    tag: str
    name: TagName
    commit: str
    time: int
    tagger: str
    anchor: str | None


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes
    ----------
    time
        Seconds since 1970 in the tag.
    anchor
        Head of the ledger that the tag names; None for a tag made by another program.
    stages
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
    """A version that was put into a stage; `version` is None if its commit isn't registered."""

    product: str
    stage: str
    number: int
    version: str | None
    commit: str
    tag: str
    time: int
    anchor: str | None


def product_tags(project: Path, product: str) -> list[Tag]:
    """All annotated GTO tags of a product; lightweight tags say nothing, GTO ignores them too."""
    check_name("product", product)
    patterns = [f"refs/tags/{product}@*", f"refs/tags/{product}#*"]
    text = git(project, "for-each-ref", f"--format={_FORMAT}", *patterns)
    return [
        tag for record in text.split("\x1e") if (tag := _parse(record.lstrip("\n"))) is not None
    ]


def _parse(record: str) -> Tag | None:
    if not record:
        return None
    name, kind, commit, time, tagger, contents = record.split("\0", 5)
    parsed = parse_tag(name)
    if kind != "tag" or parsed is None:
        return None
    return Tag(name, parsed, commit, int(time or 0), tagger, anchor_of(contents))


def versions(project: Path, product: str) -> list[Version]:
    """Return registered versions, oldest first; what was taken back isn't among them."""
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
            stages=tuple(sorted(s for s, one in active.items() if one.commit == tag.commit)),
        )
        for tag in tags
        if tag.name.version and not tag.name.cancels and tag.name.version not in gone
    ]
    return sorted(found, key=lambda one: order(one.version))


def assignments(project: Path, product: str, stage: str) -> list[Assignment]:
    """Everything that was ever put into a stage, oldest first."""
    named = {one.commit: one.version for one in versions(project, product)}
    return [
        _assignment(tag, named)
        for tag in _by_number(product_tags(project, product))
        if tag.name.stage == check_name("stage", stage) and not tag.name.cancels
    ]


def current(project: Path, product: str, stage: str) -> Assignment | None:
    """Return the version that is in a stage now; None if there is none."""
    tag = _active(product_tags(project, product)).get(check_name("stage", stage))
    if tag is None:
        return None
    return _assignment(tag, {one.commit: one.version for one in versions(project, product)})


def find_version(project: Path, product: str, version: str) -> Version:
    """Find a version by its name.

    Raises
    ------
    SignalboxError
        If there is none; the message lists what there is.
    """
    check_version(version)
    known = versions(project, product)
    for one in known:
        if one.version == version:
            return one
    names = ", ".join(one.version for one in known[-10:]) or "none yet"
    raise SignalboxError(f"{product} has no version {version}; versions are: {names}")


def _by_number(tags: list[Tag]) -> list[Tag]:
    """Order by GTO's counter and not by time: clocks go backwards, the counter doesn't."""
    return sorted(tags, key=lambda tag: (tag.name.number, tag.time))


def _active(tags: list[Tag]) -> dict[str, Tag]:
    """Stage → tag of what is in it now."""
    active: dict[str, list[Tag]] = {}
    for tag in _by_number([tag for tag in tags if tag.name.stage]):
        stack = active.setdefault(str(tag.name.stage), [])
        stack[:] = [one for one in stack if one.commit != tag.commit]
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

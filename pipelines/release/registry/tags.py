"""GTO's tag names, and what our tags' messages say."""

import re
from dataclasses import dataclass
from typing import Literal

from pipelines.base.errors import SignalboxError

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
_ANCHOR = re.compile(r"^Ledger-Head: ([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True)
class TagName:
    """A tag's name, taken apart; either `version` or `stage` is given.

    Attributes
    ----------
    number
        GTO's counter over all numbered tags of a product; 0 if the tag has none.
    cancels
        Whether the tag takes back a version or an assignment (``!``).
    """

    product: str
    version: str | None
    stage: str | None
    number: int
    cancels: bool


def parse_tag(tag: str) -> TagName | None:
    """Take a tag's name apart; None if it isn't of GTO's form."""
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
    """Return a product's or stage's name if GTO allows it."""
    if not re.fullmatch(_NAME, name):
        raise SignalboxError(
            f"{what} {name!r}: only letters, digits, '_' and '-' are allowed, and it must start "
            "and end with a letter or digit"
        )
    return name


def check_version(version: str) -> str:
    """Return a version's name if it is of the form v1.2.3."""
    if not re.fullmatch(_VERSION, version):
        raise SignalboxError(f"version {version!r}: must look like v1.2.3")
    return version


def version_tag(product: str, version: str) -> str:
    """Name of the tag that registers a version."""
    return f"{check_name('product', product)}@{check_version(version)}"


def stage_tag(product: str, stage: str, number: int) -> str:
    """Name of the tag that assigns a version to a stage."""
    return f"{check_name('product', product)}#{check_name('stage', stage)}#{number}"


def order(version: str) -> tuple[int, int, int]:
    """Sort key of a version."""
    major, minor, patch = (int(part) for part in version.removeprefix("v").split("."))
    return major, minor, patch


def bumped(version: str, bump: Bump) -> str:
    """Return the version after this one."""
    major, minor, patch = order(version)
    after = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
    }[bump]
    return "v" + ".".join(map(str, after))


def message(title: str, anchor: str) -> str:
    """Message of a tag: what it does, and the head of the ledger at that moment.

    Whoever holds the signing key can write a new ledger, but not without leaving the tags that
    others have fetched already.
    """
    return f"{title}\n\nLedger-Head: {anchor}\n"


def anchor_of(text: str) -> str | None:
    """Ledger head that a tag's message names; None if it names none."""
    found = _ANCHOR.search(text)
    return found[1] if found else None

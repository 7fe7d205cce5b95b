"""A release or rollback as its ledger entry tells it: everything that tags and pointer need."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.release.ledger import Entry

STEP_KINDS = ("release", "rollback")


class Step(BaseModel):
    """Data of a ledger entry ``release`` or ``rollback`` whose ``step`` is ``made``.

    Attributes
    ----------
    replaces
        Version that was in the stage until then; None if there was none.
    tags
        Tag → title; created together.
    tag_time
        Time written into the tags, seconds since 1970.
    pointer
        File that is made to name this version; empty where the stage has none.
    gate, approval
        What it rests on: the gate's decision, and number and hash of the approval's entry.
    warnings
        What whoever decided was warned of.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Literal["made"] = "made"
    version: str
    stage: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    artifacts: dict[str, str]
    replaces: str | None
    tags: dict[str, str]
    tag_time: int
    pointer: str
    gate: dict[str, Any]
    approval: dict[str, Any]
    who: str = ""
    reason: str = ""
    warnings: list[str] = Field(default_factory=list)

    def name(self, product: str) -> str:
        """Name of the release, for example ``model_release@v1.0.0``."""
        return f"{product}@{self.version}"


class Done(BaseModel):
    """A release or rollback that took place."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["release", "rollback"]
    product: str
    version: str
    stage: str
    commit: str
    replaces: str | None
    tags: list[str]
    entry: int
    entry_hash: str
    pointer: str
    warnings: list[str] = Field(default_factory=list)


def steps(entries: list[Entry], product: str) -> list[tuple[Entry, Step]]:
    """Releases and rollbacks of a product, oldest first, without those that were withdrawn.

    Raises
    ------
    SignalboxError
        If an entry doesn't have the form of a step.
    """
    mine = [one for one in entries if one.kind in STEP_KINDS and one.subject == product]
    withdrawn = {one.data.get("of") for one in mine if one.data.get("step") == "withdrawn"}
    return [
        (one, _step(one))
        for one in mine
        if one.data.get("step") == "made" and one.seq not in withdrawn
    ]


def _step(entry: Entry) -> Step:
    try:
        return Step.model_validate(entry.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(
            f"ledger entry {entry.seq} ({entry.kind}): {where}: {first['msg']}"
        ) from error


def done(entry: Entry, step: Step) -> Done:
    """Return what a caller is told."""
    return Done(
        kind="rollback" if entry.kind == "rollback" else "release",
        product=entry.subject,
        version=step.version,
        stage=step.stage,
        commit=step.commit,
        replaces=step.replaces,
        tags=list(step.tags),
        entry=entry.seq,
        entry_hash=entry.hash,
        pointer=step.pointer,
        warnings=step.warnings,
    )

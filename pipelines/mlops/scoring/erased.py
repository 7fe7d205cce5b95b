"""Whether a release's training data was erased: then scoring goes on without what needs it."""

from collections.abc import Iterable
from pathlib import Path

from pipelines.base.artifacts import RELEASED, TRAIN
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.released import Released, read_released

KIND = "erasure"


def why_no_train(released: Released, project: Path) -> str:
    """Return why a release's training data is gone for good; empty if it should be there.

    Data that is gone for another reason (an emptied cache, a remote that doesn't answer) is no
    erasure: whoever asks for it gets the error.
    """
    number = _erasure_of(released, Ledger.of(project).entries())
    if number is not None:
        return f"the training data of {released.name} was erased (entry {number} of the ledger)"
    if _is_shortened(released, project / RELEASED):
        return f"{RELEASED} no longer lists the training data of {released.name}: it was erased"
    return ""


def _erasure_of(released: Released, entries: Iterable[Entry]) -> int | None:
    """Last erasure that took the release's train split, by its proof in the ledger."""
    found = None
    for entry in entries:
        if entry.kind != KIND or entry.data.get("kept_on_request"):
            continue
        for one in entry.data.get("releases") or []:
            if one.get("commit") == released.commit and one.get("contains") is True:
                found = entry.seq
    return found


def _is_shortened(released: Released, path: Path) -> bool:
    pointer = read_released(path) if path.exists() else None
    return (
        pointer is not None
        and (pointer.name, pointer.commit) == (released.name, released.commit)
        and TRAIN.as_posix() in released.artifacts
        and TRAIN.as_posix() not in pointer.artifacts
    )

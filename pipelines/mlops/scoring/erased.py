"""Whether a release's training data was erased: then scoring goes on without what needs it."""

from pathlib import Path

from pipelines.base.artifacts import RELEASED, TRAIN
from pipelines.release.ledger import Ledger
from pipelines.release.released import Released, read_released
from pipelines.release.releasing.erased import took_data


def why_no_train(released: Released, project: Path) -> str:
    """Return why a release's training data is gone for good; empty if it should be there.

    Data that is gone for another reason (an emptied cache, a remote that doesn't answer) is no
    erasure: whoever asks for it gets the error.
    """
    proof = took_data(Ledger.of(project).entries(), released.commit)
    if proof is not None:
        return f"the training data of {released.name} was erased (entry {proof.seq} of the ledger)"
    if _is_shortened(released, project / RELEASED):
        return f"{RELEASED} no longer lists the training data of {released.name}: it was erased"
    return ""


def _is_shortened(released: Released, path: Path) -> bool:
    pointer = read_released(path) if path.exists() else None
    return (
        pointer is not None
        and (pointer.name, pointer.commit) == (released.name, released.commit)
        and TRAIN.as_posix() in released.artifacts
        and TRAIN.as_posix() not in pointer.artifacts
    )

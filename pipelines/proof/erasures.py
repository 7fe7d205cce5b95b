"""What the ledger says about erased subjects: commits with their data are never run again."""

from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.proof.ledger import read_entries
from pipelines.proof.project import Project
from pipelines.proof.results import Check, Status

KIND = "erasure"
_SHOWN = 3


def check_erased(project: Project, history: Project) -> Check | None:
    """Say whether a commit's files hold somebody who was erased; None if they don't.

    Parameters
    ----------
    project
        Where the commit is checked out.
    history
        Has the ledger of today.
    """
    erased = _objects(history)
    if not erased:
        return None
    try:
        files = project.git.blobs(project.git.commit())
    except SignalboxError:
        return None  # without a commit there is nothing to run, and another check says so
    held = {path: erased[blob] for path, blob in files.items() if blob in erased}
    if not held:
        return None
    paths = sorted(held)
    more = f" and {len(paths) - _SHOWN} more" if paths[_SHOWN:] else ""
    shown = ", ".join(paths[:_SHOWN]) + more
    return Check(
        "erased",
        "data of erased subjects",
        Status.MISSING,
        f"the commit's {shown} still hold(s) a subject that was erased (erasure "
        f"{', '.join(sorted(set(held.values())))}): nothing of it is computed or trained again",
    )


def explain_missing(rev: str, history: Project) -> str:
    """Why there is no such commit, if an erasure gave up the run that it belongs to; or nothing."""
    for proof in _proofs(history):
        for name, commit in (proof.get("runs") or {}).items():
            if rev in {name, name.removeprefix("refs/runs/")} or (
                len(rev) >= 7 and str(commit).startswith(rev)
            ):
                return (
                    f"the run {name} was given up by erasure {proof['erasure']}, because its "
                    "snapshot held the erased subject"
                )
    return ""


def _objects(history: Project) -> dict[str, str]:
    """Git's objects that hold an erased subject → the erasure that says so."""
    return {
        str(blob): str(proof["erasure"])
        for proof in _proofs(history)
        for key in ("objects", "pruned")
        for blob in proof.get(key) or []
    }


def _proofs(history: Project) -> list[dict[str, Any]]:
    """Part ``git`` of every erasure's proof, with the erasure's name."""
    found = []
    for entry in read_entries(history):
        part = entry.data.get("git") if entry.kind == KIND else None
        if isinstance(part, dict):
            found.append({**part, "erasure": entry.data.get("erasure", "?")})
    return found

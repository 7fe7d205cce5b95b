"""Subjects that must stay out: keyed hashes in ``privacy/erased.txt``.

A source that delivers an erased subject again (a database, a remote file, a fresh export) must not
bring it back. The stage that asks calls `drop_erased` right after subjects are named, and depends
on the list in ``dvc.yaml``; `is_honoured` says whether there is such a stage.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.base.files import write_text
from pipelines.base.tables import SUBJECT
from pipelines.mlops.privacy.subject import PREFIX, secret, token_of

if TYPE_CHECKING:
    import pandas as pd

ERASED = Path("privacy/erased.txt")
_HEAD = "# Keyed hashes of erased subjects; their rows are left out. No personal data.\n"


def read(project: Path) -> list[str]:
    """Keyed hashes of erased subjects.

    Raises
    ------
    SignalboxError
        If a line is no keyed hash: a list that can't be understood must not pass for empty.
    """
    path = project / ERASED
    if not path.is_file():
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    tokens = [line for line in lines if line and not line.startswith("#")]
    for token in tokens:
        if not token.startswith(PREFIX) or len(token) != len(PREFIX) + 64:
            raise SignalboxError(f"{path}: {token[:20]!r} is no keyed hash; restore it from git")
    return tokens


def add(project: Path, token: str) -> None:
    """Add a keyed hash; sorted, so that the order says nothing about when."""
    tokens = sorted({*read(project), token})
    write_text(project / ERASED, _HEAD + "".join(f"{one}\n" for one in tokens))


def is_honoured(project: Path) -> bool:
    """Whether a stage of ``dvc.yaml`` depends on the list."""
    import yaml

    path = project / "dvc.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    stages = (raw or {}).get("stages") or {}
    return any(ERASED.as_posix() in (stage.get("deps") or []) for stage in stages.values())


def drop_erased(frame: "pd.DataFrame", project: Path = Path()) -> "pd.DataFrame":
    """Rows of `frame` whose subject isn't on the list.

    Raises
    ------
    SignalboxError
        If there is a list but the secret of its hashes isn't on this machine.
    """
    tokens = set(read(project))
    if not tokens:
        return frame
    key = secret(create=False)
    erased = {s for s in frame[SUBJECT].dropna().unique() if token_of(s, key) in tokens}
    return frame[~frame[SUBJECT].isin(erased)].reset_index(drop=True)

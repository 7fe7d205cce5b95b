"""Wherever an erasure breaks off, the next one finishes it and proves it once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file
from pipelines.mlops.privacy import erase, journal, stores
from pipelines.mlops.privacy import erase as erasing
from pipelines.mlops.privacy import stores as tree
from tests.support.small_project import commit
from tests.unit.mlops.privacy.conftest import KEY, LINES, Book, Entry, left, sha


class Crash(BaseException):
    """Like a kill: nothing may catch it."""


def crash(*_: Any, **__: Any) -> Any:
    raise Crash


def crash_on_proof(self: Book, kind: str, subject: str, data: dict[str, Any]) -> Entry:
    if data["stage"] == "done":
        raise Crash
    self.kept.append(Entry(kind, subject, data))
    return self.kept[-1]


def crash_after_append(self: Book, kind: str, subject: str, data: dict[str, Any]) -> Entry:
    self.kept.append(Entry(kind, subject, data))
    raise Crash


POINTS: list[tuple[Any, str, Callable[..., Any]]] = [
    (Book, "append", crash),
    (Book, "append", crash_after_append),
    (erasing.exclusion, "add", crash),
    (stores.Store, "remove", crash),
    (tree, "remove_subject", crash),
    (erasing, "write_bytes", crash),
    (erase, "update", crash),
    (erase, "update_recorded_hashes", crash),
    (Book, "append", crash_on_proof),
    (journal, "forget", crash),
]


@pytest.mark.parametrize(
    ("where", "name", "how"), POINTS, ids=[f"{n}-{h.__name__}" for _, n, h in POINTS]
)
def test_a_retry_finishes(project: Path, where: Any, name: str, how: Callable[..., Any]) -> None:
    book = Book()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, how)
        with pytest.raises(Crash):
            erasing.erase(project, KEY, book)
    done = erasing.erase(project, KEY, book)
    assert done.complete
    assert left(project) == []
    stages = [entry.data["stage"] for entry in book.kept]
    assert stages == ["intent", "done"]
    text = (project / "raw.csv").read_text()
    assert text.count("\n") == len(LINES)
    assert sha(text) in (project / "params.yaml").read_text()
    assert len(pd.read_parquet(project / "data/ingested.parquet")) == len(LINES) - 1
    assert not list((project / journal.FOLDER).glob("*.json"))
    outputs = read_json(project / "predictions/new.json")["outputs"]
    assert outputs == {"new.parquet": sha256_file(project / "predictions/new.parquet")}


def test_the_cache_stays_on_request_and_the_proof_says_so(project: Path) -> None:
    book = Book()
    kept = erasing.erase(project, KEY, book, keep_cache=True)
    assert len(kept.proof["kept_on_request"]) == 2
    assert len(left(project)) == 2
    again = erasing.erase(project, KEY, book)
    assert again.proof["kept_on_request"] == []
    assert left(project) == []


def test_a_tracked_file_that_names_the_person_is_left_and_reported(project: Path) -> None:
    (project / "notes.md").write_text(f"ask {KEY}\n")
    commit(project, "notes")
    done = erasing.erase(project, KEY, Book())
    assert not done.complete
    assert done.proof["remaining"] == ["notes.md"]
    (project / "notes.md").unlink()
    assert erasing.erase(project, KEY, Book()).complete


def test_a_word_that_is_no_subject_erases_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    with pytest.raises(SignalboxError, match="the subject is nowhere"):
        erasing.erase(project, "innocent", Book())
    assert [path for path in before if not path.exists()] == []


def test_the_keyed_hash_alone_is_enough(project: Path) -> None:
    from pipelines.core.keyed_hash import secret, token_of

    done = erasing.erase(project, token_of(KEY, secret(create=True)), Book())
    assert done.complete
    assert left(project) == []


def test_two_at_once_are_refused(project: Path) -> None:
    with journal.exclusive_lock(project), pytest.raises(SignalboxError, match="another erasure"):
        erasing.erase(project, KEY, Book())


def test_the_secret_must_lie_outside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(project / "keys"))
    with pytest.raises(SignalboxError, match="outside"):
        erasing.erase(project, KEY, Book())
    assert not (project / "keys").exists()

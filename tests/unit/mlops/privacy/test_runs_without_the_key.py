"""After an erasure, a machine without ``erasure.key`` goes on with cleared sources, else stops."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import SECRET, keys_folder, secret, token_of
from pipelines.mlops.privacy import journal, subject
from pipelines.mlops.privacy.erase import clear, erase, preview
from pipelines.mlops.privacy.subject import drop_erased
from pipelines.release.ledger import Ledger
from tests.unit.mlops.privacy.conftest import KEY, Book, Entry, left

FRAME = pd.DataFrame({"subject_id": [KEY, "person-1"], "x": [1, 2]})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def erased(project: Path) -> Path:
    """A project whose subject is erased, on a machine that then loses the key of the hashes."""
    erase(project, KEY, Ledger.of(project))
    (keys_folder() / SECRET).rename(keys_folder() / "elsewhere")
    return project


def bring_key_back() -> None:
    (keys_folder() / "elsewhere").rename(keys_folder() / SECRET)


def test_a_source_that_the_erasure_searched_needs_no_key(erased: Path) -> None:
    sources = [digest(erased / "raw.csv")]
    assert drop_erased(FRAME, erased, sources) is FRAME
    workspace = erased / "runs/model_release/manual__1"
    (workspace / "privacy").mkdir(parents=True)
    (workspace / subject.ERASED).write_text((erased / subject.ERASED).read_text())
    assert drop_erased(FRAME, workspace, sources) is FRAME


def test_any_other_source_stops_and_names_the_key(erased: Path) -> None:
    good = digest(erased / "raw.csv")
    for sources in ([], [""], ["0" * 64], [good, "0" * 64]):
        with pytest.raises(SignalboxError, match=r"erasure\.key.*signalbox erase --clear"):
            drop_erased(FRAME, erased, sources)


def test_an_erasure_that_was_begun_since_clears_nothing(erased: Path) -> None:
    sources = [digest(erased / "raw.csv")]
    Ledger.of(erased).append("erasure", "model_release", {"stage": "intent", "erasure": "e2"})
    with pytest.raises(SignalboxError, match=r"erasure\.key"):
        drop_erased(FRAME, erased, sources)


def test_a_hash_on_the_list_without_a_proof_clears_nothing(erased: Path) -> None:
    subject.add(erased, token_of("somebody else", b"k"))
    with pytest.raises(SignalboxError, match=r"erasure\.key"):
        drop_erased(FRAME, erased, [digest(erased / "raw.csv")])


def test_a_later_delivery_is_cleared_by_who_has_the_key(erased: Path) -> None:
    more = (erased / "raw.csv").read_text() + "person-99,red,99,no\n"
    (erased / "raw.csv").write_text(more)
    bring_key_back()
    assert clear(erased, Ledger.of(erased)) == [digest(erased / "raw.csv")]
    (keys_folder() / SECRET).unlink()
    assert drop_erased(FRAME, erased, [digest(erased / "raw.csv")]) is FRAME


def test_a_delivery_that_brings_the_subject_back_is_never_cleared(erased: Path) -> None:
    (erased / "raw.csv").write_text((erased / "raw.csv").read_text() + f"{KEY},red,17,yes\n")
    bring_key_back()
    with pytest.raises(SignalboxError, match="no local file without a subject"):
        clear(erased, Ledger.of(erased))
    assert list(drop_erased(FRAME, erased)["x"]) == [2]


def test_no_second_key_is_made_where_somebody_was_erased(erased: Path) -> None:
    with pytest.raises(SignalboxError, match=r"erasure\.key: no such file"):
        preview(erased, "person-1", Ledger.of(erased))
    assert not (keys_folder() / SECRET).exists()


def test_a_proof_has_no_plain_hash_of_what_was_one_persons_alone(project: Path) -> None:
    alone = project / "predictions/one.parquet"
    pd.DataFrame({"subject_id": [KEY], "size": [17]}).to_parquet(alone)
    oid = hashlib.md5(alone.read_bytes()).hexdigest()
    cached = project / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(alone.read_bytes())
    plain = digest(alone)
    others = digest(project / "predictions/new.parquet")
    proof = json.dumps(erase(project, KEY, Book()).proof)
    assert plain not in proof
    assert oid[2:] not in proof
    assert token_of(plain, secret(create=False)) in proof
    assert others in proof, "a file with others in it is named by its hash, for whoever verifies"


def test_a_retry_by_the_keyed_hash_ends_what_was_killed_at_the_end(project: Path) -> None:
    class Killed(Book):
        def append(self, kind: str, subject: str, data: dict[str, Any]) -> Entry:
            if data["stage"] == "done":
                raise KeyboardInterrupt
            return super().append(kind, subject, data)

    token = token_of(KEY, secret(create=True))
    with pytest.raises(KeyboardInterrupt):
        erase(project, token, Killed())
    assert left(project) == []
    state = journal.load(project, token)
    assert state is not None
    assert KEY not in state.model_dump_json()
    book = Book()
    assert erase(project, token, book).complete
    assert erase(project, token, book).repeated

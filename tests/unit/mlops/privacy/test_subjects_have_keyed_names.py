import stat
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import PREFIX, SECRET, secret, token_of
from pipelines.mlops.privacy import subject
from pipelines.mlops.privacy.subject import named


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_the_secret_is_made_once_and_for_the_owner_only(keys: Path) -> None:
    assert secret(create=True) == secret(create=False)
    assert stat.S_IMODE((keys / SECRET).stat().st_mode) == 0o600


def test_without_the_secret_there_is_a_clear_error() -> None:
    with pytest.raises(SignalboxError, match=r"erasure\.key: no such file"):
        secret(create=False)


def test_a_damaged_secret_is_refused(keys: Path) -> None:
    keys.mkdir()
    (keys / SECRET).write_text("abcd")
    with pytest.raises(SignalboxError, match="must hold 32 bytes"):
        secret(create=True)


def test_another_secret_gives_another_name() -> None:
    assert token_of("ann", b"1") != token_of("ann", b"2")
    assert token_of("ann", b"1").startswith(PREFIX)


def test_a_keyed_hash_finds_its_subject_and_no_trace_shows_the_key() -> None:
    token = token_of("ann", b"1")
    found = named(token, b"1", ["bob", "ann"])
    assert found.id == "ann"
    assert "ann" not in repr(found)
    with pytest.raises(SignalboxError, match="no subject"):
        named(token, b"1", ["bob"])


def test_erased_subjects_stay_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"subject_id": ["ann", "bob", "ann", None], "x": [1, 2, 3, 4]})
    assert subject.drop_erased(frame, tmp_path) is frame
    subject.add(tmp_path, token_of("ann", secret(create=True)))
    subject.add(tmp_path, token_of("ann", secret(create=True)))
    assert list(subject.drop_erased(frame, tmp_path)["x"]) == [2, 4]
    assert len(subject.read(tmp_path)) == 1
    assert "ann" not in (tmp_path / subject.ERASED).read_text()


def test_a_list_that_cannot_be_understood_is_refused(tmp_path: Path) -> None:
    (tmp_path / "privacy").mkdir()
    (tmp_path / subject.ERASED).write_text("ann\n")
    with pytest.raises(SignalboxError, match="no keyed hash"):
        subject.read(tmp_path)


@pytest.mark.parametrize(("deps", "honoured"), [("[a, privacy/erased.txt]", True), ("[a]", False)])
def test_the_list_is_honoured_only_if_a_stage_depends_on_it(
    tmp_path: Path, deps: str, honoured: bool
) -> None:
    assert not subject.is_honoured(tmp_path)
    text = f"stages:\n  ingest:\n    cmd: x\n    deps: {deps}\n  other:\n    cmd: y\n"
    (tmp_path / "dvc.yaml").write_text(text)
    assert subject.is_honoured(tmp_path) is honoured

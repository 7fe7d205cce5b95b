"""Going back: only to what was released and still is what it was, by someone on the list."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production, release, released_versions, rollback
from pipelines.release.lifecycle.files import CommitFiles, GoneError
from pipelines.release.registry import current, register
from pipelines.release.released import read_released
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    git,
    make_run,
    release_run,
)


@pytest.fixture
def three(project: Path) -> Path:
    for n in (1, 2, 3):
        release_run(project, n)
    return project


def back(project: Path, to: str | None = None, who: str = "alice") -> str:
    reason = "Complaints about declined applicants."
    return rollback(project, PRODUCT, to=to, reason=reason, who=who).version


def test_back_goes_to_what_was_replaced_and_twice_goes_two_back(three: Path) -> None:
    assert back(three) == "v1.1.0"
    assert back(three) == "v1.0.0"
    with pytest.raises(SignalboxError, match=r"v1.0.0 is the first version in production"):
        back(three)
    assert back(three, "v1.2.0") == "v1.2.0"
    assert back(three) == "v1.1.0"


def test_tags_pointer_and_ledger_say_so(three: Path) -> None:
    first = released_versions(three, PRODUCT)[0]
    back(three, "v1.0.0", who="bob")
    entry = Ledger.of(three).entries()[-1]
    assert entry.kind == "rollback"
    assert (entry.data["version"], entry.data["replaces"]) == ("v1.0.0", "v1.2.0")
    assert (entry.data["who"], entry.data["reason"]) == (
        "bob", "Complaints about declined applicants.",
    )  # fmt: skip
    now = current(three, PRODUCT, "production")
    assert now is not None
    assert (now.version, now.anchor) == ("v1.0.0", entry.hash)
    pointer = read_released(three / "released/model_release.json")
    assert pointer == production(three, PRODUCT)
    assert pointer is not None
    assert pointer.artifacts == first.artifacts
    assert problems(three, PRODUCT) == []


def test_a_new_release_after_a_rollback_is_judged_against_what_is_there_now(three: Path) -> None:
    late = make_run(three, 4)  # judged against v1.2.0
    consent(three, late)
    back(three)
    with pytest.raises(SignalboxError, match=r"in production is model_release@v1.1.0"):
        release(three, PRODUCT, late)
    commit(three, "rolled back")
    assert release_run(three, 5).version == "v1.3.0"
    assert back(three) == "v1.1.0"


@pytest.mark.parametrize(
    ("to", "who", "reason", "match"),
    [
        (None, "mallory", "because", "'mallory' is not on the list of approvers"),
        (None, "Alice", "because", "'Alice' is not on the list of approvers"),
        (None, "alice", "  ", "needs a reason"),
        ("v1.2.0", "alice", "because", r"v1.2.0 is in production already"),
        ("v9.0.0", "alice", "because", r"no version v9.0.0; versions are: v1.0.0, v1.1.0, v1.2.0"),
    ],
)
def test_refused(three: Path, to: str | None, who: str, reason: str, match: str) -> None:
    before = Ledger.of(three).head
    with pytest.raises(SignalboxError, match=match):
        rollback(three, PRODUCT, to=to, reason=reason, who=who)
    assert Ledger.of(three).head == before


def test_a_version_that_never_was_in_production_is_refused(three: Path) -> None:
    made = make_run(three, 9)
    register(three, PRODUCT, made, "major")
    with pytest.raises(SignalboxError, match=r"v2.0.0 never was released to production"):
        back(three, "v2.0.0")


def test_an_empty_stage_has_nothing_to_go_back_from(project: Path) -> None:
    with pytest.raises(SignalboxError, match="nothing of model_release is in production"):
        back(project)


def test_a_moved_tag_is_noticed(three: Path) -> None:
    git(three, "tag", "--force", "--annotate", "--message", "x", "model_release@v1.0.0", "HEAD")
    with pytest.raises(SignalboxError, match="the tag was moved"):
        back(three, "v1.0.0")


def test_a_tag_made_by_hand_is_noticed(three: Path) -> None:
    target = git(three, "rev-parse", "model_release@v1.0.0^{commit}")
    git(three, "tag", "--annotate", "--message", "x", "model_release#production#4", target)
    assert any("in no entry of the ledger" in one for one in problems(three, PRODUCT))
    with pytest.raises(SignalboxError, match="in no entry of the ledger"):
        production(three, PRODUCT)
    with pytest.raises(SignalboxError, match="in no entry of the ledger"):
        back(three)


def test_artifacts_are_hashed_again(three: Path) -> None:
    """The commit's bytes are other ones than the ledger wrote down, as after a broken disk."""
    made = git(three, "rev-parse", "model_release@v1.0.0^{commit}")
    real = CommitFiles.sha256
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            CommitFiles,
            "sha256",
            lambda files, path: "0" * 64 if path == "models/model.json" else real(files, path),
        )
        with pytest.raises(
            SignalboxError, match=r"models/model.json of .* isn't what was released"
        ):
            back(three, "v1.0.0")
    assert back(three, "v1.0.0") == "v1.0.0"
    assert current(three, PRODUCT, "production").commit == made  # type: ignore[union-attr]


@pytest.mark.parametrize("what", ["models/model.json", "dvc.lock", ""])
def test_what_git_replace_shows_is_not_what_comes_back(three: Path, what: str) -> None:
    made = git(three, "rev-parse", "model_release@v1.0.0^{commit}")
    other = git(three, "rev-parse", "model_release@v1.1.0^{commit}")
    git(three, "replace", f"{made}:{what}" if what else made, f"{other}:{what}" if what else other)
    assert back(three, "v1.0.0") == "v1.0.0"
    pointer = json.loads((three / "released/model_release.json").read_text())["released"]
    assert pointer["commit"] == made
    said = hashlib.sha256(b"info 1").hexdigest()
    assert pointer["artifacts"]["models/model.json"] == said


def test_artifacts_that_are_gone_are_named(three: Path) -> None:
    config = yaml.safe_load((three / "release.yaml").read_text())
    config["registry"] = {
        "products": {
            PRODUCT: {
                "artifacts": ["models/model.skops", "models/extra.json"],
                "pointer": "released/model_release.json",
            }
        }
    }
    (three / "release.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(SignalboxError, match=r"was released without \['models/extra.json'\]"):
        back(three)


TRAIN = "data/split/train.parquet"


@pytest.fixture
def erased(three: Path) -> Path:
    """Return a project where an erasure took the training data of v1.0.0."""
    first = released_versions(three, PRODUCT)[0]
    proof = {
        "stage": "done",
        "removed": [{"before": first.artifacts[TRAIN], "action": "removed"}],
        "releases": [{"commit": first.commit, "contains": True, "until": "2026-12-24"}],
    }
    Ledger.of(three).append("erasure", PRODUCT, proof)
    return three


def gone(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Let a file be in neither git nor DVC."""
    real = CommitFiles.sha256

    def sha256(files: CommitFiles, asked: str) -> str:
        if asked == path:
            raise GoneError(f"{asked} is neither in git nor in DVC's cache")
        return real(files, asked)

    monkeypatch.setattr(CommitFiles, "sha256", sha256)


def test_back_to_a_model_that_learned_from_an_erased_subject_warns(
    erased: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(monkeypatch, TRAIN)
    done = rollback(erased, PRODUCT, to="v1.0.0", reason="Worse since.", who="alice")
    [warning] = done.warnings
    assert "v1.0.0 learned from a subject that was erased since" in warning
    assert "until 2026-12-24" in warning
    assert Ledger.of(erased).entries()[-1].data["warnings"] == done.warnings
    pointer = production(erased, PRODUCT)
    assert pointer is not None
    assert TRAIN not in pointer.artifacts
    assert len(pointer.artifacts) == 2
    assert problems(erased, PRODUCT) == []


def test_back_to_another_version_warns_of_nothing(erased: Path) -> None:
    assert rollback(erased, PRODUCT, reason="Worse since.", who="alice").warnings == []


@pytest.mark.parametrize("path", ["models/model.skops", TRAIN])
def test_what_is_gone_without_an_erasure_cannot_come_back(
    three: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    gone(monkeypatch, path)
    with pytest.raises(SignalboxError, match="neither in git nor in DVC"):
        rollback(three, PRODUCT, to="v1.0.0", reason="Worse since.", who="alice")

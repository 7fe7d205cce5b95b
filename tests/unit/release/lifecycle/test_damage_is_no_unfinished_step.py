"""What was damaged after a release took place is told and mended, never written off as not done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production, release, repair, rollback
from pipelines.release.registry.write import tag_object
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    git,
    make_run,
    release_run,
)

POINTER = "released/model_release.json"
VERSION, STAGE = "model_release@v1.0.0", "model_release#production#1"


@pytest.fixture
def released(project: Path) -> Path:
    release_run(project, 1)
    return project


def steps_told(project: Path) -> list[object]:
    return [entry.data["step"] for entry in Ledger.of(project).entries() if "step" in entry.data]


def moved(project: Path, tag: str) -> None:
    """Move a tag as ``git fetch --tags --force`` does: another object of the same name."""
    text = git(project, "cat-file", "tag", tag)
    old, new = git(project, "rev-parse", f"{tag}^{{commit}}"), git(project, "rev-parse", "HEAD")
    (project / ".git/text").write_text(text.replace(old, new) + "\n")
    made = git(project, "hash-object", "-t", "tag", "-w", ".git/text")
    git(project, "update-ref", f"refs/tags/{tag}", made)


def deleted(project: Path, tag: str) -> None:
    git(project, "tag", "--delete", tag)


def lightweight(project: Path, tag: str) -> None:
    git(project, "tag", "--force", tag, f"{tag}^{{commit}}")


def made_by_hand(project: Path, tag: str) -> None:
    target = f"{tag}^{{commit}}"
    git(project, "tag", "--force", "--annotate", "--message", "by hand", tag, target)


def without_object(project: Path, tag: str) -> None:
    found = tag_object(project, tag)
    (project / ".git/objects" / found[:2] / found[2:]).unlink()


DAMAGES: list[Callable[[Path, str], None]] = [
    moved, deleted, lightweight, made_by_hand, without_object
]  # fmt: skip


def damage_of(name: Callable[[Path, str], None]) -> str:
    return name.__name__


@pytest.mark.parametrize("tag", [VERSION, STAGE])
@pytest.mark.parametrize("damage", DAMAGES, ids=damage_of)
def test_damage_of_a_tag_is_told_and_gone_without_a_trace_when_it_is_gone(
    released: Path, tag: str, damage: Callable[[Path, str], None]
) -> None:
    before = production(released, PRODUCT)
    good, ledger = tag_object(released, tag), Ledger.of(released).path.read_bytes()
    kept = released / ".git/objects" / good[:2] / good[2:]
    content = kept.read_bytes()
    damage(released, tag)
    found = problems(released, PRODUCT)
    assert tag in found[0]
    assert "registry repair" in found[0]
    kept.unlink(missing_ok=True)
    kept.write_bytes(content)
    git(released, "update-ref", f"refs/tags/{tag}", good)
    assert problems(released, PRODUCT) == []
    assert production(released, PRODUCT) == before
    assert Ledger.of(released).path.read_bytes() == ledger
    assert release_run(released, 2).version == "v1.1.0"
    assert rollback(released, PRODUCT, reason="complaints", who="bob").version == "v1.0.0"


@pytest.mark.parametrize("tag", [VERSION, STAGE])
@pytest.mark.parametrize("damage", DAMAGES, ids=damage_of)
def test_repair_puts_the_tag_back_as_the_ledger_knows_it(
    released: Path, tag: str, damage: Callable[[Path, str], None]
) -> None:
    before, good = production(released, PRODUCT), tag_object(released, tag)
    damage(released, tag)
    (told,) = repair(released, PRODUCT)
    assert tag in told
    assert "was damaged" in told
    if damage is not without_object:
        assert tag_object(released, tag) == good  # what other clones have, bit for bit
    assert problems(released, PRODUCT) == []
    assert production(released, PRODUCT) == before
    assert steps_told(released) == ["made", "restored"]
    assert repair(released, PRODUCT) == []


@pytest.mark.parametrize("tag", [VERSION, STAGE])
@pytest.mark.parametrize(
    "damage", [moved, lightweight, made_by_hand, without_object], ids=damage_of
)
def test_no_release_and_no_rollback_is_built_on_a_damaged_tag(
    released: Path, tag: str, damage: Callable[[Path, str], None]
) -> None:
    late = make_run(released, 2)
    consent(released, late)
    damage(released, tag)
    with pytest.raises(SignalboxError, match="'signalbox registry repair' puts it back"):
        release(released, PRODUCT, late)
    with pytest.raises(SignalboxError, match="'signalbox registry repair' puts it back"):
        rollback(released, PRODUCT, reason="complaints", who="bob")
    assert steps_told(released) == ["made"]


def test_all_tags_moved_at_once_withdraw_nothing_either(released: Path) -> None:
    before = production(released, PRODUCT)
    for tag in (VERSION, STAGE):
        moved(released, tag)
    assert len(problems(released, PRODUCT)) == 2
    repair(released, PRODUCT)
    assert production(released, PRODUCT) == before
    assert steps_told(released) == ["made", "restored"]


def test_a_deleted_tag_of_the_newer_version_does_not_bring_the_older_one_back(
    released: Path,
) -> None:
    newer = release_run(released, 2)
    deleted(released, "model_release#production#2")
    with pytest.raises(SignalboxError, match=r"put model_release@v1.1.0 into production, but"):
        production(released, PRODUCT)
    assert "production#2" in repair(released, PRODUCT)[0]
    now = production(released, PRODUCT)
    assert now is not None
    assert now.commit == newer.commit


def test_a_number_whose_tag_was_deleted_is_not_given_again(released: Path) -> None:
    release_run(released, 2)
    deleted(released, "model_release@v1.1.0")
    assert release_run(released, 3).version == "v1.2.0"
    assert tag_object(released, "model_release@v1.1.0")


def test_a_withdrawal_that_older_code_wrote_of_a_moved_tag_is_taken_back(released: Path) -> None:
    made = next(entry for entry in Ledger.of(released).entries() if entry.kind == "release")
    data = {"step": "withdrawn", "of": made.seq, "hash": made.hash, "why": "tag is another one"}
    Ledger.of(released).append("release", PRODUCT, data)
    with pytest.raises(SignalboxError, match="in no entry of the ledger"):
        production(released, PRODUCT)
    assert "so it took place" in repair(released, PRODUCT)[0]
    now = production(released, PRODUCT)
    assert now is not None
    assert now.name == VERSION
    assert repair(released, PRODUCT) == []


@pytest.mark.parametrize("content", [None, '{"released": null}'])
def test_a_pointer_that_is_gone_is_told_and_made_again(released: Path, content: str | None) -> None:
    pointer = released / POINTER
    before = pointer.read_bytes()
    pointer.unlink()
    if content is not None:
        pointer.write_text(content)
    (told,) = problems(released, PRODUCT)
    assert POINTER in told
    assert "registry repair" in told
    assert "made now: pointer" in repair(released, PRODUCT)[0]
    assert pointer.read_bytes() == before
    assert problems(released, PRODUCT) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ('{"released": {}}', "not a release pointer"),
    ],
)
def test_a_pointer_that_cannot_be_read_is_named_and_not_overwritten(
    released: Path, content: str, says: str
) -> None:
    pointer = released / POINTER
    pointer.write_text(content)
    (told,) = problems(released, PRODUCT)
    assert POINTER in told
    assert says in told
    with pytest.raises(SignalboxError, match=POINTER):
        repair(released, PRODUCT)
    assert pointer.read_text() == content
    git(released, "restore", POINTER)
    assert problems(released, PRODUCT) == []


def test_repair_gives_erased_artifacts_no_place_in_the_pointer_again(released: Path) -> None:
    pointer = released / POINTER
    content = json.loads(pointer.read_text())
    del content["released"]["artifacts"]["data/split/train.parquet"]
    pointer.write_text(json.dumps(content))
    assert repair(released, PRODUCT) == []
    assert json.loads(pointer.read_text()) == content
    assert problems(released, PRODUCT) == []


def test_a_rewritten_branch_and_a_collected_store_lose_no_release(released: Path) -> None:
    before = production(released, PRODUCT)
    kept = {name: (released / name).read_bytes() for name in ("ledger/ledger.jsonl", POINTER)}
    git(released, "checkout", "--quiet", "--orphan", "anew")
    git(released, "rm", "-r", "--quiet", "--cached", "models", "data", "evidence", "metrics")
    commit(released, "history begins here")
    git(released, "branch", "--force", "main", "anew")
    git(released, "checkout", "--quiet", "main")
    git(released, "branch", "--delete", "--force", "anew")
    git(released, "reflog", "expire", "--expire=now", "--all")
    git(released, "gc", "--quiet", "--prune=now")
    for name, content in kept.items():
        assert (released / name).read_bytes() == content
    assert problems(released, PRODUCT) == []
    assert production(released, PRODUCT) == before
    moved(released, VERSION)
    git(released, "gc", "--quiet", "--prune=now")  # the tag's own object is gone for good
    repair(released, PRODUCT)
    assert problems(released, PRODUCT) == []
    assert production(released, PRODUCT) == before


def test_a_clone_mends_its_tags_with_the_remotes_own_objects(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", "--no-tags", f"file://{released}", "clone")
    clone = tmp_path / "clone"
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "nobody's"))
    git(clone, "config", "user.name", "Other")
    git(clone, "config", "user.email", "other@example.org")
    with pytest.raises(SignalboxError, match="registry repair"):
        production(clone, PRODUCT)
    ledger = Ledger.of(clone).path.read_bytes()
    assert "not logged, because the ledger's key isn't on this machine" in repair(clone, PRODUCT)[0]
    assert tag_object(clone, VERSION) == tag_object(released, VERSION)
    assert production(clone, PRODUCT) == production(released, PRODUCT)
    assert Ledger.of(clone).path.read_bytes() == ledger


def test_a_shallow_clone_without_tags_says_what_to_fetch(released: Path, tmp_path: Path) -> None:
    commit(released, "later")
    url = f"file://{released}"
    git(tmp_path, "clone", "--quiet", "--no-tags", "--depth=1", url, "clone")
    clone = tmp_path / "clone"
    assert "git fetch --tags" in problems(clone, PRODUCT)[0]
    for ask in (repair, production):
        with pytest.raises(SignalboxError, match="git fetch --tags"):
            ask(clone, PRODUCT)
    git(clone, "fetch", "--quiet", "--tags")
    assert problems(clone, PRODUCT) == []
    assert production(clone, PRODUCT) == production(released, PRODUCT)


def test_a_clone_with_everything_has_nothing_to_mend(released: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", f"file://{released}", "clone")
    clone = tmp_path / "clone"
    before = Ledger.of(clone).path.read_bytes()
    assert problems(clone, PRODUCT) == []
    assert repair(clone, PRODUCT) == []
    assert Ledger.of(clone).path.read_bytes() == before


def test_releases_go_on_after_a_ledger_was_begun_anew(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without the key of the ledger that came with the clone."""
    before = production(released, PRODUCT)
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "other-keys"))
    Ledger.of(released).begin("another machine")
    commit(released, "a ledger of our own")
    assert problems(released, PRODUCT) == []
    assert production(released, PRODUCT) == before
    assert release_run(released, 2).replaces == "v1.0.0"
    assert rollback(released, PRODUCT, reason="complaints", who="bob").version == "v1.0.0"
    assert problems(released, PRODUCT) == []


def test_a_lost_journal_only_means_that_nothing_is_under_way(released: Path) -> None:
    journal = released / ".git/signalbox-release-model_release.json"
    for content in ("", "{", '{"unfinished": 3}'):
        journal.write_text(content)
        assert problems(released, PRODUCT) == []
        assert repair(released, PRODUCT) == []
    journal.unlink()
    assert release_run(released, 2).version == "v1.1.0"


def test_a_copy_of_the_project_without_its_journal_keeps_the_release(
    released: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(released, tmp_path / "copy", symlinks=True))
    (copy / ".git/signalbox-release-model_release.json").unlink()
    moved(copy, VERSION)
    repair(copy, PRODUCT)
    assert steps_told(copy) == ["made", "restored"]

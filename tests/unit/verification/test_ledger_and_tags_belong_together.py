"""A flipped byte in the ledger, a cut end, a moved or missing tag: all are found and named."""

import random
from pathlib import Path

import pytest

from pipelines.release.ledger import Ledger
from pipelines.verification.chain import LEDGER, check_commit
from pipelines.verification.ledger import check_ledger
from pipelines.verification.project import Project
from pipelines.verification.results import Check, Status
from tests.unit.release.lifecycle.product import commit, git, make_project, release_run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two releases, committed."""
    place = make_project(tmp_path / "project")
    release_run(place, 1)
    release_run(place, 2)
    return place


def look(project: Path) -> dict[str, Check]:
    return {check.id: check for check in check_ledger(Project(project))}


def named(project: Path) -> set[str]:
    return {finding.path for check in look(project).values() for finding in check.findings}


def tag(project: Path) -> str:
    return next(name for name in git(project, "tag").split() if name.endswith("@v1.0.0"))


def test_an_honest_ledger_and_its_tags_hold(project: Path) -> None:
    found = look(project)
    assert found["ledger"].status is Status.OK
    assert found["tags"].status is Status.OK
    assert "4 tags" in found["tags"].sentence


@pytest.mark.slow
def test_one_flipped_byte_anywhere_in_the_ledger_is_found(project: Path) -> None:
    path, chance = project / LEDGER, random.Random("ledger")
    before = path.read_bytes()
    for _ in range(200):
        content = bytearray(before)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(content))
        found = look(project)["ledger"]
        assert found.status is Status.DIFFERS
        assert found.findings[0].path == LEDGER


def test_an_end_that_was_cut_off_is_seen_by_the_tags_and_by_git(project: Path) -> None:
    path = project / LEDGER
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    found = look(project)
    assert found["ledger"].status is Status.OK
    assert found["tags"].status is Status.DIFFERS
    assert [f.path for f in check_commit(Project(project)).findings] == [LEDGER]


def test_a_ledger_that_was_taken_away_is_missed_by_the_tags(project: Path) -> None:
    (project / LEDGER).unlink()
    found = look(project)
    assert found["ledger"].status is Status.SKIPPED
    assert found["tags"].status is Status.DIFFERS


def test_a_ledger_that_grew_since_the_commit_is_no_difference(project: Path) -> None:
    Ledger.of(project).append("alarm", "model_release", {"what": "drift"})
    assert check_commit(Project(project)).status is Status.OK
    assert look(project)["ledger"].status is Status.OK


def test_a_moved_tag_is_named(project: Path) -> None:
    name = tag(project)
    message = git(project, "for-each-ref", "--format=%(contents)", f"refs/tags/{name}")
    git(project, "tag", "--force", "--annotate", "--message", message, name, "HEAD")
    check = look(project)["tags"]
    assert check.status is Status.DIFFERS
    assert [finding.path for finding in check.findings] == [f"refs/tags/{name}"]


def test_a_tag_that_the_ledger_does_not_know_is_named(project: Path) -> None:
    head = Ledger.of(project).head
    message = f"by hand\n\nLedger-Head: {head}"
    git(project, "tag", "--annotate", "--message", message, "model_release@v9.0.0")
    assert named(project) == {"refs/tags/model_release@v9.0.0"}


def test_a_clone_without_tags_cannot_vouch_for_releases(project: Path) -> None:
    name = tag(project)
    git(project, "tag", "--delete", name)
    check = look(project)["tags"]
    assert check.status is Status.MISSING
    assert "git fetch --tags" in check.sentence


def test_a_continued_ledger_is_followed_to_its_beginning(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "other-keys"))
    Ledger.of(project).begin("another machine")
    assert check_commit(Project(project)).status is Status.OK
    commit(project, "a ledger of our own")
    found = look(project)
    assert found["ledger"].status is found["tags"].status is Status.OK
    assert "2 ledgers" in found["ledger"].sentence
    (archive,) = (project / "ledger/archive").iterdir()
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(bytes(content))
    assert archive.relative_to(project).as_posix() in named(project)


def test_a_ledger_cannot_lead_out_of_the_project(project: Path) -> None:
    """What a first entry continues is a path: only inside the project is it opened."""
    from pipelines.verification import ledger as module

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(module, "_continued", lambda _: ("ledger/../../secret", "0" * 64))
    try:
        check = look(project)["ledger"]
    finally:
        monkeypatch.undo()
    assert check.status is Status.DIFFERS
    assert "inside the project" in check.sentence

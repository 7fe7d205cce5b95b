"""A push that a remote refused undoes no release, is told until it went through, and retried."""

from pathlib import Path

import pytest
import yaml

from pipelines.release.lifecycle import (
    Done,
    problems,
    production,
    record_gate,
    release,
    repair,
    rollback,
)
from tests.unit.release.lifecycle.product import PRODUCT, commit, consent, git, make_run
from tests.unit.release.lifecycle.test_crash_between_steps import die

TAGS = ["model_release#production#1", "model_release@v1.0.0"]


@pytest.fixture
def remote(project: Path, tmp_path: Path) -> Path:
    """A remote that refuses every push until its hook is taken away."""
    place = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(place))
    git(project, "remote", "add", "origin", str(place))
    config = yaml.safe_load((project / "release.yaml").read_text())
    config["registry"] = {"push_to": "origin"}
    (project / "release.yaml").write_text(yaml.safe_dump(config))
    hook = place / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'tags are closed on Fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    return place


def released(project: Path, n: int) -> Done:
    made = make_run(project, n)
    record_gate(project, PRODUCT, made)
    consent(project, made)
    done = release(project, PRODUCT, made)
    commit(project, f"release {done.version}")
    return done


def opened(remote: Path) -> None:
    (remote / "hooks/pre-receive").unlink()


def test_the_release_takes_place_and_says_what_is_left_to_push(project: Path, remote: Path) -> None:
    done = released(project, 1)
    now = production(project, PRODUCT)
    assert now is not None
    assert now.commit == done.commit
    (told,) = done.warnings
    assert "isn't on the remote 'origin'" in told
    assert "tags are closed on Fridays" in told
    assert "git push origin" in told
    assert problems(project, PRODUCT) == [told]
    assert git(remote, "tag") == ""


def test_repair_tries_again_and_says_whether_it_went_through(project: Path, remote: Path) -> None:
    released(project, 1)
    assert "isn't on the remote" in repair(project, PRODUCT)[0]
    opened(remote)
    assert "went through now" in repair(project, PRODUCT)[0]
    assert git(remote, "tag").splitlines() == TAGS
    assert problems(project, PRODUCT) == []
    assert repair(project, PRODUCT) == []


def test_the_next_release_and_a_rollback_push_what_was_refused_before(
    project: Path, remote: Path
) -> None:
    released(project, 1)
    second = released(project, 2)
    assert len(second.warnings) == 2
    opened(remote)
    back = rollback(project, PRODUCT, reason="complaints", who="bob")
    assert back.warnings == []
    assert set(git(remote, "tag").splitlines()) == {*TAGS, *second.tags, *back.tags}
    assert problems(project, PRODUCT) == []


def test_tags_that_somebody_pushed_by_hand_are_no_longer_told(project: Path, remote: Path) -> None:
    released(project, 1)
    opened(remote)
    git(project, "push", "--quiet", "origin", *TAGS)
    assert problems(project, PRODUCT) == []


def test_a_remote_that_does_not_answer_is_told_as_well(project: Path, remote: Path) -> None:
    released(project, 1)
    remote.rename(remote.with_name("away"))
    assert "isn't on the remote 'origin'" in problems(project, PRODUCT)[0]


def test_another_tag_of_the_name_on_the_remote_is_somebody_elses_release(
    project: Path, remote: Path
) -> None:
    opened(remote)
    git(project, "tag", "--annotate", "--message", "theirs", TAGS[1])
    git(project, "push", "--quiet", "origin", TAGS[1])
    git(project, "tag", "--delete", TAGS[1])
    (told,) = released(project, 1).warnings
    assert "another one on the remote" in told
    assert problems(project, PRODUCT) == [told]


def test_a_remote_that_was_removed_is_owed_nothing(project: Path, remote: Path) -> None:
    released(project, 1)
    git(project, "remote", "remove", "origin")
    assert problems(project, PRODUCT) == []


def test_what_a_killed_release_had_not_pushed_is_told_and_pushed(
    project: Path, remote: Path
) -> None:
    opened(remote)
    made = make_run(project, 1)
    record_gate(project, PRODUCT, made)
    consent(project, made)
    die(project, "before the push", made)
    assert "isn't on the remote 'origin'" in problems(project, PRODUCT)[0]
    assert "went through now" in repair(project, PRODUCT)[0]
    assert git(remote, "tag").splitlines() == TAGS

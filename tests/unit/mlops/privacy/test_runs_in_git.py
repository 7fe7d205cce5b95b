"""Saved runs that hold an erased subject are given up, and their data leaves git."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.privacy import erase as erasing
from pipelines.mlops.privacy import run_refs
from tests.support.small_project import call, commit
from tests.unit.mlops.privacy.conftest import KEY, LINES, Book, left

RUN = "refs/runs/model_release/manual__1"
TABLE = "\n".join(["name,colour,size,label", *LINES, "person-99,blue,9,no", ""])
"""Another version of the source, as somebody exported it into the project."""


def git(project: Path, *arguments: str) -> str:
    return call(project, "git", *arguments).strip()


def exists(project: Path, blob: str) -> bool:
    done = subprocess.run(["git", "cat-file", "-e", blob], cwd=project, check=False)
    return done.returncode == 0


def save_run(
    project: Path, ref: str = RUN, text: str = TABLE, name: str = "export.csv"
) -> tuple[str, str]:
    """Save a run on a snapshot that took a file; return its commit and the file's object."""
    (project / name).write_text(text)
    git(project, "add", name)
    blob = git(project, "rev-parse", f":{name}")
    tree = git(project, "write-tree")
    git(project, "rm", "-q", "-f", "--cached", name)
    (project / name).unlink()
    snapshot = git(project, "commit-tree", tree, "-p", "HEAD", "-m", f"snapshot {ref}")
    made = git(project, "commit-tree", tree, "-p", snapshot, "-m", f"run {ref}")
    git(project, "update-ref", ref, made)
    return made, blob


def refs(project: Path) -> list[str]:
    listed = git(project, "for-each-ref", "--format=%(refname)").split()
    return [ref for ref in listed if not ref.startswith("refs/heads/")]


@pytest.mark.parametrize("packed", [False, True])
def test_runs_with_the_subject_are_given_up_and_others_stay(project: Path, packed: bool) -> None:
    made, blob = save_run(project)
    save_run(project, "refs/failed-runs/model_release/manual__2")
    save_run(project, "refs/open-runs/model_release/manual__3")
    other = TABLE.replace(LINES[17] + "\n", "")
    _, innocent = save_run(project, "refs/runs/model_release/manual__4", other)
    if packed:
        git(project, "gc", "--quiet")
    book = Book()

    done = erasing.erase(project, KEY, book)

    assert done.complete
    assert refs(project) == ["refs/runs/model_release/manual__4"]
    assert not exists(project, blob)
    assert exists(project, innocent)
    proof = done.proof["git"]
    assert proof["runs"][RUN] == made
    assert len(proof["runs"]) == 3
    assert proof["pruned"] == [blob]
    assert book.kept[0].data["found_in"]["git"] == 3
    removed = {item["path"]: item["action"] for item in done.proof["removed"]
               if item["place"] == "git"}  # fmt: skip
    assert set(removed.values()) == {"removed"}
    assert any(RUN in note for note in done.notes)
    assert KEY not in str(done.proof)


def test_a_run_alone_is_enough_to_be_found(project: Path) -> None:
    erasing.erase(project, KEY, Book())
    _, blob = save_run(project)
    again = erasing.erase(project, KEY, Book())
    assert again.complete
    assert not exists(project, blob)


def test_what_the_user_may_want_back_stays_in_git(project: Path) -> None:
    """A dropped stash is out of every ref's reach, and only git's grace period keeps it."""
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# mine\n")
    git(project, "stash")
    stash = git(project, "rev-parse", "stash@{0}")
    git(project, "stash", "drop", "-q")
    save_run(project)
    git(project, "repack", "-q", "-a", "-d", "--keep-unreachable")
    assert erasing.erase(project, KEY, Book()).complete
    assert "# mine" in git(project, "show", f"{stash}:params.yaml")


def test_the_workspace_of_a_run_goes_with_it(project: Path) -> None:
    save_run(project)
    place = project / "runs/model_release/manual__1"
    (project / ".gitignore").write_text("/reports/\n/predictions/\n/runs/\n")
    git(project, "clone", "-q", "--shared", "--no-checkout", ".", str(place))
    git(place, "fetch", "-q", "origin", RUN)
    git(place, "checkout", "-q", "FETCH_HEAD")
    assert (place / "export.csv").is_file()
    done = erasing.erase(project, KEY, Book())
    assert done.complete
    assert list(place.parent.iterdir()) == []
    assert left(project) == []
    below = [item for item in done.proof["removed"] if item["path"].startswith("runs/")]
    assert below
    assert {(item["action"], item["after"]) for item in below} == {("removed", "")}


def test_history_is_named_and_neither_changed_nor_a_reason_to_give_up_a_run(project: Path) -> None:
    (project / "export.csv").write_text(TABLE)
    commit(project, "a table that the user tracks")
    git(project, "tag", "-a", "-m", "v", "model_release@v1.0.0")
    made = git(project, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "run")
    git(project, "update-ref", RUN, made)
    blob = git(project, "rev-parse", "HEAD:export.csv")
    done = erasing.erase(project, KEY, Book())
    assert done.complete
    assert refs(project) == [RUN, "refs/tags/model_release@v1.0.0"]
    branch = git(project, "symbolic-ref", "HEAD")
    assert {"HEAD", branch, "refs/tags/model_release@v1.0.0"} == set(done.proof["git"]["history"])
    assert blob in done.proof["git"]["objects"]
    assert any("model_release@v1.0.0" in note for note in done.notes)


def test_a_released_run_is_named_by_its_tag(project: Path) -> None:
    made, blob = save_run(project)
    git(project, "tag", "-a", "-m", "v", "model_release@v1.0.0", made)
    done = erasing.erase(project, KEY, Book())
    assert done.complete
    assert "refs/tags/model_release@v1.0.0" in done.proof["git"]["history"]
    assert blob in done.proof["git"]["objects"]


def test_a_reflog_that_keeps_the_data_is_a_remainder(project: Path) -> None:
    made, blob = save_run(project)
    branch = git(project, "symbolic-ref", "--short", "HEAD")
    git(project, "checkout", "-q", made)
    git(project, "checkout", "-q", branch)
    done = erasing.erase(project, KEY, Book())
    assert not done.complete
    assert refs(project) == []
    (remaining,) = done.proof["remaining"]
    assert blob in remaining
    command = remaining[remaining.index("git reflog") : -1]
    call(project, "sh", "-c", command)
    assert erasing.erase(project, KEY, Book()).complete
    assert not exists(project, blob)


def test_a_key_that_is_only_a_word_in_a_run_is_for_a_person_to_judge(project: Path) -> None:
    save_run(project, text=f"ask {KEY} about it\n", name="notes.md")
    done = erasing.erase(project, KEY, Book())
    assert not done.complete
    assert refs(project) == [RUN]
    (remaining,) = done.proof["remaining"]
    call(project, "sh", "-c", remaining[remaining.index("git update-ref") :])
    assert erasing.erase(project, KEY, Book()).complete


class Crash(BaseException):
    """Like a kill: nothing may catch it."""


@pytest.mark.parametrize("name", ["act", "_remove_workspace", "_forget", "settle"])
def test_a_crash_on_the_way_is_finished_by_the_next_attempt(project: Path, name: str) -> None:
    def crash(*_: Any) -> None:
        raise Crash

    _, blob = save_run(project)
    book = Book()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_refs, name, crash)
        with pytest.raises(Crash):
            erasing.erase(project, KEY, book)
    done = erasing.erase(project, KEY, book)
    assert done.complete
    assert [entry.data["stage"] for entry in book.kept] == ["intent", "done"]
    assert RUN in done.proof["git"]["runs"]
    assert not exists(project, blob)


def test_a_subject_that_only_history_has_is_nowhere_else_and_that_is_said(project: Path) -> None:
    (project / "export.csv").write_text(TABLE.replace(KEY, "person-77"))
    commit(project, "before")
    (project / "export.csv").unlink()
    commit(project, "after")
    with pytest.raises(SignalboxError, match=r"nowhere.*git's history has it: .*HEAD"):
        erasing.erase(project, "person-77", Book())

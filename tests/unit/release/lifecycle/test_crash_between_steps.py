"""Killed between two writes of a release or rollback: the next start finishes it and says so."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production, release, repair, rollback
from pipelines.release.registry import current
from pipelines.release.released import read_released
from tests.conftest import ROOT
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    git,
    make_run,
    release_run,
)

STEPS = {
    "before the tags": "pipelines.release.lifecycle.apply.make_tags",
    "in git, before it tags": "pipelines.release.registry.write.git",
    "before the pointer": "pipelines.release.lifecycle.apply.make_pointer",
    "while the pointer is written": "pipelines.release.released.write_json",
}
PUSH = {"before the push": "pipelines.release.lifecycle.apply.push_owed"}
PROGRAM = """
    import importlib, json, os, signal, sys
    from pathlib import Path
    place, function = sys.argv[1].rsplit(".", 1)
    module = importlib.import_module(place)
    real = getattr(module, function)
    def die(*arguments, **named):
        last = json.loads(Path("ledger/ledger.jsonl").read_text().splitlines()[-1])
        kind = "rollback" if sys.argv[2] == "rollback" else "release"
        begun = last["kind"] == kind and last["data"]["step"] == "made"
        if not begun or (function == "git" and "update-ref" not in arguments):
            return real(*arguments, **named)  # looks at the release before, which is whole
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, function, die)
    from pipelines.release.lifecycle import release, rollback
    if sys.argv[2] == "rollback":
        rollback(Path("."), "model_release", reason="too many complaints", who="alice")
    else:
        release(Path("."), "model_release", sys.argv[2])
"""


def die(project: Path, where: str, what: str) -> None:
    program = textwrap.dedent(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-c", program, {**STEPS, **PUSH}[where], what],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def is_whole(project: Path, version: str) -> None:
    now = current(project, PRODUCT, "production")
    assert now is not None
    assert now.version == version
    pointer = read_released(project / "released/model_release.json")
    assert pointer == production(project, PRODUCT)
    assert pointer is not None
    assert pointer.name == f"{PRODUCT}@{version}"
    assert problems(project, PRODUCT) == []
    assert Ledger.of(project).verify().ok


@pytest.mark.parametrize("where", STEPS)
def test_a_release_is_finished_by_the_next_start(project: Path, where: str) -> None:
    release_run(project, 1)
    made = make_run(project, 2)
    consent(project, made)
    die(project, where, made)
    assert Ledger.of(project).entries()[-1].data["version"] == "v1.1.0"
    said = repair(project, PRODUCT)
    assert len(said) == 1
    assert "release of model_release@v1.1.0 to production" in said[0]
    is_whole(project, "v1.1.0")
    last = Ledger.of(project).entries()[-1]
    assert last.data["step"] == "completed"
    assert repair(project, PRODUCT) == []
    with pytest.raises(SignalboxError, match="is in production already"):
        release(project, PRODUCT, made)


@pytest.mark.parametrize("where", STEPS)
def test_a_rollback_is_finished_by_the_next_release_too(project: Path, where: str) -> None:
    for n in (1, 2):
        release_run(project, n)
    die(project, where, "rollback")
    late = make_run(project, 3)
    consent(project, late)
    # The next release first finishes the rollback, and then is judged against what is there.
    with pytest.raises(SignalboxError, match=r"in production is model_release@v1.0.0"):
        release(project, PRODUCT, late)
    is_whole(project, "v1.0.0")
    commit(project, "rolled back")
    assert release_run(project, 4).version == "v1.2.0"


def test_before_it_is_finished_it_is_reported(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    die(project, "before the tags", made)
    found = problems(project, PRODUCT)
    assert len(found) == 2
    assert any("has no tag model_release@v1.0.0;" in one for one in found)
    assert "registry repair" in found[0]


def test_a_tag_someone_made_meanwhile_withdraws_the_release(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    die(project, "before the tags", made)
    git(project, "tag", "--annotate", "--message", "by hand", "model_release@v1.0.0", "HEAD~1")
    with pytest.raises(SignalboxError, match="the release did not take place"):
        repair(project, PRODUCT)
    last = Ledger.of(project).entries()[-1]
    assert (last.data["step"], "isn't the one of ledger entry" in last.data["why"]) == (
        "withdrawn", True,
    )  # fmt: skip
    assert repair(project, PRODUCT) == []
    assert current(project, PRODUCT, "production") is None


def test_a_lock_of_a_killed_process_is_free_again(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    die(project, "before the pointer", made)
    assert repair(project, PRODUCT) != []
    commit(project, "released")
    release_run(project, 2)
    assert rollback(project, PRODUCT, reason="because", who="bob").version == "v1.0.0"


def test_a_clone_without_tags_and_runs_says_what_to_fetch(project: Path, tmp_path: Path) -> None:
    made = make_run(project, 1)
    git(project, "update-ref", "refs/runs/model_release/manual__1", made)
    consent(project, made)
    git(project, "reset", "--quiet", "--hard", "HEAD~1")  # the run is on no branch, as in Airflow
    release(project, PRODUCT, made)
    commit(project, "released")
    git(tmp_path, "clone", "--quiet", "--no-tags", f"file://{project}", "clone")
    clone = tmp_path / "clone"
    assert "has no tag" in problems(clone, PRODUCT)[0]
    with pytest.raises(SignalboxError, match="git fetch --tags"):
        repair(clone, PRODUCT)
    git(clone, "fetch", "--quiet", "--tags")
    assert problems(clone, PRODUCT) == []
    assert production(clone, PRODUCT) == production(project, PRODUCT)
    assert repair(clone, PRODUCT) == []

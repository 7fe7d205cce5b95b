"""Two releases, or a release and a rollback, at the same moment: one wins, the other is refused."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production
from pipelines.release.lifecycle.files import UnderWayError, exclusive_lock
from pipelines.release.registry import current, versions
from pipelines.release.registry.write import NewTag, TagExistsError, write_tags
from tests.conftest import ROOT
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    git,
    make_run,
    release_run,
)

RACER = """
    import os, sys, time
    from pathlib import Path
    from pipelines.core.errors import SignalboxError
    from pipelines.release.lifecycle import release, rollback
    Path(f"ready.{os.getpid()}").touch()
    while not Path("go").exists():
        time.sleep(0.001)
    try:
        if sys.argv[1] == "rollback":
            print(rollback(Path("."), "model_release", reason="because", who="bob").version)
        else:
            print(release(Path("."), "model_release", sys.argv[1]).version)
    except SignalboxError as error:
        print("refused:", error)
"""


def race(project: Path, *what: str) -> list[str]:
    (project / ".git/info/exclude").write_text("ready.*\ngo\n")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RACER), one],
            cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for one in what
    ]  # fmt: skip
    while len(list(project.glob("ready.*"))) < len(what):
        assert all(racer.poll() is None for racer in racers)
    (project / "go").touch()
    return [racer.communicate()[0].strip() for racer in racers]


def test_of_four_releases_one_wins(project: Path) -> None:
    made = [make_run(project, n) for n in range(4)]
    for one in made:
        consent(project, one)
    said = race(project, *made)
    assert sorted(one.split(":")[0] for one in said) == ["refused"] * 3 + ["v1.0.0"]
    for one in said:
        assert "under way" in one or "run the pipeline again" in one or one == "v1.0.0"
    assert [one.version for one in versions(project, PRODUCT)] == ["v1.0.0"]
    released = [one for one in Ledger.of(project).entries() if one.kind == "release"]
    assert len(released) == 1
    assert made[said.index("v1.0.0")] == released[0].data["commit"]
    assert problems(project, PRODUCT) == []
    assert Ledger.of(project).verify().ok


def test_a_release_and_a_rollback_dont_mix(project: Path) -> None:
    for n in (1, 2):
        release_run(project, n)
    made = make_run(project, 3)
    consent(project, made)
    said = race(project, made, "rollback")
    # The rollback may come after the release (it goes one back from whatever is there).
    assert said[0] == "v1.2.0" or said[0].startswith("refused")
    assert said[1] in ("v1.0.0", "v1.1.0") or said[1].startswith("refused")
    assert not all(one.startswith("refused") for one in said)
    assert problems(project, PRODUCT) == []
    now, pointer = current(project, PRODUCT, "production"), production(project, PRODUCT)
    assert now is not None
    assert pointer is not None
    assert pointer.name == f"{PRODUCT}@{now.version}"


def test_the_second_is_refused_at_once_and_told_why(project: Path) -> None:
    with (
        exclusive_lock(project, PRODUCT),
        pytest.raises(UnderWayError, match=rf"under way \(process {os.getpid()}\)"),
        exclusive_lock(project, PRODUCT),
    ):
        pass
    with exclusive_lock(project, PRODUCT), exclusive_lock(project, "rules"):
        pass


def test_git_lets_one_transaction_pass_and_none_by_half(project: Path) -> None:
    """What decides between machines, where no lock file is shared."""
    made = commit(project, "1")
    one, two = NewTag("p@v1.0.0", made, "t"), NewTag("p#production#1", made, "t")
    write_tags(project, [two], "0" * 64, 1_700_000_000)
    with pytest.raises(TagExistsError, match=r"p#production#1 was made by someone else"):
        write_tags(project, [one, two], "0" * 64, 1_700_000_000)
    assert git(project, "tag") == "p#production#1"


def test_a_lock_that_git_left_is_named(project: Path) -> None:
    made = commit(project, "1")
    place = project / ".git/refs/tags/p@v1.0.0.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    with pytest.raises(SignalboxError, match=r"p@v1\.0\.0\.lock.*remove the \.lock file"):
        write_tags(project, [NewTag("p@v1.0.0", made, "t")], "0" * 64, 1_700_000_000)

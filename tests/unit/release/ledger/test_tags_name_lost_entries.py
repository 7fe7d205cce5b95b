"""A ledger that lost entries holds by itself; the tags of releases tell, and where to find them."""

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli.ledger_commands import app
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production, release, repair
from pipelines.verification.ledger import check_ledger
from pipelines.verification.project import Project
from pipelines.verification.results import Status
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    git,
    make_project,
    make_run,
    release_run,
)

LEDGER = "ledger/ledger.jsonl"
CLI = typer.Typer()
CLI.add_typer(app, name="ledger")


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = make_project(tmp_path / "project")
    release_run(place, 1)
    return place


def verify(project: Path) -> Result:
    return CliRunner().invoke(CLI, ["ledger", "verify", "--project", str(project)])


def cut(project: Path, entries: int, torn: int = 0) -> None:
    """Leave so many entries, and so many bytes of the next one."""
    lines = (project / LEDGER).read_bytes().splitlines(keepends=True)
    (project / LEDGER).write_bytes(b"".join(lines[:entries]) + (lines[entries][:torn]))


def delete(project: Path) -> None:
    (project / LEDGER).unlink()


def replace(project: Path) -> None:
    """Another chain, which holds by itself."""
    delete(project)
    other = make_project(project.parent / "other")
    Ledger.of(other).append("alarm", PRODUCT, {})
    (project / LEDGER).write_bytes((other / LEDGER).read_bytes())


LOSSES = {
    "deleted": delete,
    "emptied": lambda project: cut(project, 0),
    "cut to an earlier entry": lambda project: cut(project, 2),
    "cut within the release's entry": lambda project: cut(project, 5, torn=40),
    "replaced by another chain": replace,
}


@pytest.fixture(params=LOSSES)
def lossy(released: Path, request: pytest.FixtureRequest) -> Path:
    LOSSES[request.param](released)
    return released


def test_verify_fails_and_names_tags_head_and_the_way_back(lossy: Path) -> None:
    head = json.loads(git(lossy, "show", f"HEAD:{LEDGER}").splitlines()[-1])["hash"]
    found = verify(lossy)
    assert found.exit_code == 1
    told = " ".join(found.stdout.split())
    assert head[:12] in told
    assert "model_release#production#1, model_release@v1.0.0" in told
    assert "git restore --source=HEAD -- ledger" in told
    git(lossy, "restore", "--source=HEAD", "--", "ledger")
    assert verify(lossy).exit_code == 0


def test_a_loss_that_was_committed_leads_to_the_commit_before_it(lossy: Path) -> None:
    commit(lossy, "nothing to see here")
    source = verify(lossy).stdout.split("--source=")[1].split()[0]
    git(lossy, "restore", f"--source={source}", "--", "ledger")
    assert verify(lossy).exit_code == 0


def test_no_release_and_no_repair_goes_on_and_nothing_is_added(lossy: Path) -> None:
    before = (lossy / LEDGER).read_bytes() if (lossy / LEDGER).exists() else None
    for act in (
        lambda: repair(lossy, PRODUCT),
        lambda: release(lossy, PRODUCT, "HEAD"),
        lambda: production(lossy, PRODUCT),
    ):
        with pytest.raises(SignalboxError, match="restore"):
            act()
    assert ((lossy / LEDGER).read_bytes() if before is not None else None) == before


@pytest.mark.parametrize("loss", ["deleted", "emptied", "cut within the release's entry"])
def test_an_append_does_not_hide_the_loss(released: Path, loss: str) -> None:
    LOSSES[loss](released)
    with pytest.raises(SignalboxError, match="git restore --source=HEAD -- ledger"):
        Ledger.of(released).append("alarm", PRODUCT, {})
    assert not (released / "ledger/torn").exists()
    git(released, "restore", "--source=HEAD", "--", "ledger")
    Ledger.of(released).append("alarm", PRODUCT, {})
    assert verify(released).exit_code == 0


def test_an_end_that_was_torn_after_the_release_is_mended(released: Path) -> None:
    Ledger.of(released).append("alarm", PRODUCT, {})
    path = released / LEDGER
    path.write_bytes(path.read_bytes()[:-30])
    assert "ends in the middle of an entry" in verify(released).stdout
    late = make_run(released, 2)
    consent(released, late)
    assert release(released, PRODUCT, late).version == "v1.1.0"
    assert verify(released).exit_code == 0


def test_a_loss_that_no_branch_makes_good_says_so(released: Path) -> None:
    git(released, "reset", "--quiet", "--hard", "HEAD~1")  # the ledger's commit, as if it never was
    found = verify(released)
    assert found.exit_code == 1
    assert "no branch here has them" in " ".join(found.stdout.split())


def test_a_release_on_a_branch_that_is_not_merged_is_no_loss(released: Path) -> None:
    git(released, "checkout", "--quiet", "-b", "feature")
    release_run(released, 2)
    git(released, "checkout", "--quiet", "main")
    found = verify(released)
    assert found.exit_code == 0
    told = " ".join(found.stdout.split())
    assert "the ledger of branch feature has" in told
    assert "isn't merged here" in told
    tags = {check.id: check for check in check_ledger(Project(released))}["tags"]
    assert tags.status is Status.OK
    assert "branch feature" in tags.sentence
    with pytest.raises(SignalboxError, match="branch feature"):
        production(released, PRODUCT)
    git(released, "merge", "--quiet", "feature")
    assert "feature" not in verify(released).stdout
    assert production(released, PRODUCT) is not None


def test_an_entry_the_branch_had_once_is_a_loss_though_another_branch_has_it(
    released: Path,
) -> None:
    git(released, "branch", "other")
    cut(released, 2)
    commit(released, "nothing to see here")
    assert verify(released).exit_code == 1


def test_tags_of_a_ledger_that_was_continued_are_found_in_it(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "others"))
    Ledger.of(released).begin("another machine")
    assert verify(released).exit_code == 0
    next((released / "ledger/archive").iterdir()).unlink()
    assert verify(released).exit_code == 1


def test_a_project_without_git_or_tags_is_verified_as_before(tmp_path: Path) -> None:
    assert verify(tmp_path).exit_code == 0

"""A commit that holds an erased subject is neither reproduced nor computed again."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.verification import verify as verifying
from pipelines.verification.ledger import check_cause, check_erased
from pipelines.verification.pipeline import read_lock
from pipelines.verification.results import Status
from pipelines.verification.verify import Depth, open_project, verify_report
from tests.support.small_project import call, commit

GIVEN_UP = "1234567890" * 4


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit with a person, one without, and a ledger that says the person was erased."""
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = tmp_path / "project"
    place.mkdir()
    call(place, "git", "init", "--quiet")
    call(place, "git", "config", "user.email", "test@example.org")
    call(place, "git", "config", "user.name", "Test")
    (place / "people.csv").write_text("Ada\nBo\n")
    (place / "dvc.lock").write_text("schema: '2.0'\n")
    (place / "dvc.yaml").write_text("stages: {}\n")
    (place / "params.yaml").write_text("{}\n")
    (place / "reports").mkdir()
    (place / "reports/model_release.json").write_text("{}")
    commit(place, "with Ada")
    blob = call(place, "git", "rev-parse", "HEAD:people.csv").strip()
    (place / "people.csv").write_text("Bo\n")
    commit(place, "without Ada")
    runs = {"refs/runs/model_release/manual__1": GIVEN_UP}
    found = {"runs": runs, "pruned": [], "history": ["HEAD"], "objects": [blob]}
    data = {"stage": "done", "erasure": "e1", "git": found}
    Ledger.of(place).append("erasure", "model_release", data)
    return place


def test_the_commit_without_the_subject_is_free(project: Path) -> None:
    place = open_project(project)
    assert check_erased(place, place) is None


def test_the_commit_with_the_subject_is_named_with_its_file(project: Path) -> None:
    call(project, "git", "checkout", "-q", "HEAD~1")
    place = open_project(project)
    check = check_erased(place, place)
    assert check is not None
    assert check.status is Status.MISSING
    assert "people.csv" in check.sentence
    assert "e1" in check.sentence


def test_nothing_is_run_at_such_a_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        pytest.fail("something was computed")

    monkeypatch.setattr(verifying, "reproduced", run)
    monkeypatch.setattr(verifying, "rederive", run)
    report = project / "reports/model_release.json"
    depth = Depth(reproduce=True, rev="HEAD~1")
    result = verify_report(report, open_project(project), depth)
    assert result.checks[-1].id == "erased"


@pytest.mark.parametrize(
    "rev", [GIVEN_UP, GIVEN_UP[:12], "refs/runs/model_release/manual__1", "model_release/manual__1"]
)
def test_a_run_that_was_given_up_is_missed_with_the_reason(project: Path, rev: str) -> None:
    report = project / "reports/model_release.json"
    with pytest.raises(SignalboxError, match="given up by erasure e1"):
        verify_report(report, open_project(project), Depth(rev=rev))


def test_another_missing_commit_has_no_reason(project: Path) -> None:
    report = project / "reports/model_release.json"
    with pytest.raises(SignalboxError, match=r"no such commit in this repository$"):
        verify_report(report, open_project(project), Depth(rev="v9"))


LOCK = """schema: '2.0'
stages:
  ingest:
    cmd: x
    deps:
    - path: raw
      md5: {source}
    outs:
    - path: data/ingested.parquet
      md5: {table}
    - path: evidence/ingest.json
      md5: {other}
"""


def removed(place: str, path: str, action: str) -> dict[str, object]:
    return {"place": place, "path": path, "kind": "table", "rows": 1, "before": "0" * 64,
            "after": "", "action": action}  # fmt: skip


def test_what_an_erasure_took_is_named_as_the_cause(project: Path) -> None:
    table, other = "ab" + "1" * 30, "cd" + "2" * 30
    lock = read_lock(LOCK.format(source="e" * 32, table=table, other=other).encode())
    place = open_project(project)
    assert check_cause(place, place, lock) is None
    took = [
        removed("cache", f"files/md5/{table[:2]}/{table[2:]}", "removed"),
        removed("source", "raw/people.csv", "rewritten"),
    ]
    data = {"stage": "done", "erasure": "e2", "removed": took}
    Ledger.of(project).append("erasure", "model_release", data)
    check = check_cause(place, place, lock)
    assert check is not None
    assert check.status is Status.MISSING
    assert "data/ingested.parquet, raw held a subject that was erased since" in check.sentence
    assert "e2" in check.sentence
    assert "evidence/ingest.json" not in check.sentence


def test_a_source_that_is_still_as_it_was_is_not_blamed(project: Path) -> None:
    place = open_project(project)
    now = place.hashed("people.csv")
    assert now is not None
    text = LOCK.format(source=now.md5, table="ab" + "1" * 30, other="cd" + "2" * 30)
    lock = read_lock(text.replace("path: raw", "path: people.csv").encode())
    took = [removed("source", "people.csv", "rewritten")]
    data = {"stage": "done", "erasure": "e2", "removed": took}
    Ledger.of(project).append("erasure", "model_release", data)
    assert check_cause(place, place, lock) is None

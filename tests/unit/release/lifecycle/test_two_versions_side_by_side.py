"""Versions, and runs that were never released, are compared figure by figure."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.lifecycle import choices, compare_versions, reports_of
from pipelines.release.lifecycle.compare import FigureChange
from tests.support.judged_runs import figure, judged_run, release_candidate
from tests.unit.release.lifecycle.product import PRODUCT, REPORT, git, make_run

OLD = (figure("evaluate.roc_auc", 0.8, 0.78, 0.82), figure("evaluate.gone", 0.1, 0.0, 0.2))
NEW = (figure("evaluate.roc_auc", 0.9, 0.88, 0.92), figure("evaluate.new", None, 0.0, 0.0))


@pytest.fixture
def two(project: Path) -> Path:
    """Return a project with v1.0.0 and a newer run that was rejected."""
    release_candidate(project, judged_run(project, 1, figures=OLD))
    judged_run(project, 2, "reject", figures=NEW, seed=7, threshold=0.95, code="b" * 32)
    return project


def test_figures_stand_beside_one_another_with_their_intervals(two: Path) -> None:
    found = compare_versions(two, PRODUCT, "v1.0.0", f"{PRODUCT}/run_2")
    by_id = {change.id: change for change in found.figures}
    assert list(by_id) == ["evaluate.roc_auc", "evaluate.gone", "evaluate.new"]
    both = by_id["evaluate.roc_auc"]
    assert both.difference == pytest.approx(0.1)
    assert both.apart is True
    assert (by_id["evaluate.gone"].b, by_id["evaluate.new"].a) == (None, None)
    assert by_id["evaluate.new"].difference is None
    assert by_id["evaluate.new"].apart is None


def test_intervals_that_share_a_value_are_not_apart() -> None:
    first, second = figure("e.x", 1.0, 0.5, 2.0), figure("e.x", 2.5, 2.0, 3.0)
    change = FigureChange(id="e.x", label="x", unit="", a=first, b=second)
    assert change.apart is False
    assert change.difference == 1.5
    point = first.model_copy(update={"low": None, "high": None})
    assert change.model_copy(update={"a": point}).apart is None


def test_what_a_run_was_made_from_is_compared_too(two: Path) -> None:
    found = compare_versions(two, PRODUCT, "v1.0.0", f"{PRODUCT}/run_2")
    assert [(c.name, c.a, c.b) for c in found.params] == [
        ("gate.checks.ranking.threshold", 0.7, 0.95),
        ("train.seed", 1, 7),
    ]
    assert [(c.name, c.same) for c in found.data] == [("data/samples/toy", True)]
    assert [c.name for c in found.code] == ["pipelines/mlops/evaluate.py"]
    assert {c.name: c.same for c in found.artifacts}["models/model.skops"] is False
    assert [(c.name, c.a, c.b) for c in found.checks] == [
        ("ranking", "pass", "fail"), ("leakage", "pass", "pass"),
    ]  # fmt: skip
    assert (found.a.version, found.a.verdict) == ("v1.0.0", "approve")
    assert (found.b.version, found.b.verdict) == ("", "reject")


def test_a_version_has_several_names(two: Path) -> None:
    commit = git(two, "rev-parse", f"refs/runs/{PRODUCT}/run_1")
    names = ("v1.0.0", f"{PRODUCT}@v1.0.0", f"{PRODUCT}/run_1", commit, commit[:8])
    sides = [compare_versions(two, PRODUCT, name, "HEAD").a for name in names]
    assert {side.commit for side in sides} == {commit}
    assert {side.version for side in sides} == {"v1.0.0"}


@pytest.mark.parametrize(
    "name", ["v9.9.9", "v1", f"{PRODUCT}/run_9", "../x", "--all", "main", "abc", "0" * 40, ""]
)
def test_what_is_no_version_and_no_run_is_refused(two: Path, name: str) -> None:
    with pytest.raises(SignalboxError, match=r"no version|there is no|must look like"):
        compare_versions(two, PRODUCT, "v1.0.0", name)


def test_a_run_that_was_changed_after_its_stage_made_it_is_refused(project: Path) -> None:
    judged_run(project, 1)
    (project / "evidence/evaluate.json").write_text("{}")
    git(project, "commit", "-qam", "changed")
    with pytest.raises(SignalboxError, match="was changed after its stage made it"):
        compare_versions(project, PRODUCT, f"{PRODUCT}/run_1", "HEAD")


def test_evidence_that_is_none_is_named(project: Path) -> None:
    made = make_run(project, 1)
    with pytest.raises(SignalboxError, match=r"evidence/gate\.json of commit .*not an evidence"):
        compare_versions(project, PRODUCT, made, made)


def test_versions_come_before_runs_and_each_commit_is_there_once(two: Path) -> None:
    found = choices(two, PRODUCT)
    assert [(c.name, c.version, c.verdict) for c in found] == [
        ("v1.0.0", "v1.0.0", "approve"), (f"{PRODUCT}/run_2", "", "reject"),
    ]  # fmt: skip
    judged_run(two, 3)
    assert [c.name for c in choices(two, PRODUCT, limit=1)] == ["v1.0.0", f"{PRODUCT}/run_3"]


def test_pages_of_a_run_begin_with_its_report(two: Path) -> None:
    commit = choices(two, PRODUCT)[0].commit
    assert [page.path for page in reports_of(two, PRODUCT, commit)] == [
        REPORT, "reports/drift.html",
    ]  # fmt: skip
    assert reports_of(two, PRODUCT, commit)[0].bytes == len("<title>run 1</title>")

"""A forger who mends every hash, commits, and would pass any check of hashes alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.tables import read_table, write_table
from pipelines.verification.pipeline import load_yaml, read_stages
from pipelines.verification.rederive import rederive
from pipelines.verification.results import Check, Status
from pipelines.verification.verify import open_project, verify_hashes, verify_report
from tests.support.small_project import call, commit

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

REPORT = "reports/model_release.json"
GATE, PAGE = "pipelines.mlops.gate", "pipelines.mlops.report"


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.unlink()  # it may be a link into the cache
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def cover_up(project: Path, *modules: str) -> None:
    """Make what follows from the forgery, write all hashes anew, commit."""
    for module in modules:
        call(project, "python", "-m", module)
    call(project, "dvc", "commit", "--force")
    commit(project, "nothing to see here")
    assert verify_hashes(project / REPORT, open_project(project)).verdict == "verified"


def again(project: Path, *names: str) -> dict[str, Check]:
    params = load_yaml((project / "params.yaml").read_bytes(), "params.yaml")
    stages = read_stages((project / "dvc.yaml").read_bytes(), params)
    checks = rederive(open_project(project), stages, list(names), lambda _: None)
    return {check.id: check for check in checks}


def test_a_forged_figure_is_found_though_all_hashes_agree(copy: Path) -> None:
    def better(evidence: Any) -> None:
        figure = next(f for f in evidence["figures"] if f["id"] == "evaluate.roc_auc")
        figure["value"] = round(figure["value"] + 0.01, 10)

    edit_json(copy / "evidence/evaluate.json", better)
    cover_up(copy, GATE, PAGE)
    result = verify_report(copy / REPORT, open_project(copy))
    assert result.exit_code == 1
    (finding,) = result.findings
    assert finding.path == "evidence/evaluate.json#evaluate.roc_auc"
    assert finding.what == "value differs by 0.01 from what computing again gives"
    assert float(finding.found) == pytest.approx(float(finding.expected) + 0.01)
    bad = [check.id for check in result.checks if check.status is Status.DIFFERS]
    assert bad == ["again:evaluate"]


def test_a_verdict_and_a_page_that_say_otherwise_are_found(copy: Path) -> None:
    def approve(evidence: Any) -> None:
        evidence["details"]["decision"] = "approve"

    edit_json(copy / "evidence/gate.json", approve)
    page = copy / "reports/model_release.html"
    text = page.read_text()
    page.unlink()
    page.write_text(text.replace("Impact", "Improvement"))
    edit_json(copy / REPORT, lambda report: None)
    # The report's own copy of the gate's hash is mended by hand.
    from pipelines.core.files import sha256_file

    now = sha256_file(copy / "evidence/gate.json")
    before = json.loads((copy / REPORT).read_text())["artifacts"]["evidence/gate.json"]["sha256"]
    mended = (copy / REPORT).read_text().replace(before, now)
    (copy / REPORT).write_text(mended)
    cover_up(copy)
    checks = again(copy, "gate", "report")
    assert checks["again:gate"].status is Status.DIFFERS
    assert "decision" in checks["again:gate"].findings[0].what
    assert "reports/model_release.html" in [f.path for f in checks["again:report"].findings]


def test_rows_taken_out_of_the_test_data_are_found(copy: Path) -> None:
    path = copy / "data/split/test.parquet"
    table = read_table(path)
    path.unlink()
    write_table(path, table.iloc[5:].reset_index(drop=True))
    modules = [f"pipelines.mlops.{name}" for name in ("evaluate", "bias_audit", "drift")]
    cover_up(copy, *modules, GATE, PAGE)
    checks = again(copy, "split", "gate")
    assert [f.path for f in checks["again:split"].findings] == ["data/split/test.parquet"]
    assert checks["again:gate"].status is Status.OK


def test_a_moved_threshold_is_found_without_training(copy: Path) -> None:
    def lower(info: Any) -> None:
        info["threshold"]["value"] -= 0.05

    edit_json(copy / "models/model.json", lower)
    modules = [f"pipelines.mlops.{name}" for name in ("evaluate", "bias_audit")]
    cover_up(copy, *modules, GATE, PAGE)
    checks = again(copy, "train")
    named = [finding.path for finding in checks["again:train"].findings]
    assert named == ["models/model.json"]
    assert "by 0.05" in checks["again:train"].findings[0].what
    assert checks["again:search"].status is Status.SKIPPED
    assert "train.cv_roc_auc" in checks["again:search"].sentence

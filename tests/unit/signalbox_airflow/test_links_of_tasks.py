"""A task's links lead to what its run's commit holds, and to nothing else."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure
from pipelines.reporting import numbers
from signalbox_airflow import links, report_page, run_pages
from tests.unit.release.lifecycle.product import (
    REPORT,
    commit,
    git,
    make_project,
    make_run,
    write_lock,
)

RUN = "manual__1"
OTHER = "<script>alert(1)</script>"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a saved run of model_release that the gate rejected."""
    project = make_project(tmp_path / "project")
    make_run(project, 1, "reject")
    (project / "evidence/train.json").write_text(evidence().model_dump_json())
    paths = [
        "evidence/gate.json", "metrics/gate.json", "evidence/train.json", REPORT,
    ]  # fmt: skip
    write_lock(project, paths)
    made = commit(project, f"run of {OTHER}")
    git(project, "update-ref", f"refs/runs/model_release/{RUN}", made)
    monkeypatch.setattr("pipelines.core.project.find_project", lambda file: project)
    return project


def evidence() -> Evidence:
    figures = [
        Figure(
            id=f"train.loss_{number}", label=OTHER, value=0.5, low=0.4, high=0.6, level=0.95,
            method="bootstrap", n=100, unit="share",
        )
        for number in range(70)
    ]  # fmt: skip
    long = {"long": [OTHER] * 900, "short": OTHER}
    return Evidence(stage="train", inputs={OTHER: "a" * 64}, figures=figures, details=long)


def shown(task: str, dag: str = "model_release", run: str = RUN) -> dict[str, str]:
    """Return every link's address for a task, as Airflow asks for them."""
    key = SimpleNamespace(dag_id=dag, run_id=run, task_id=task)
    return {link.name: link.get_link(None, ti_key=key) for link in links.LINKS}


def test_a_stage_leads_to_its_evidence_to_the_report_and_to_the_commit(project: Path) -> None:
    assert shown("train") == {
        "Report": "/signalbox/reports/model_release/manual__1",
        "Evidence": "/signalbox/evidence/model_release/manual__1/train",
        "Evidence of the gate": "/signalbox/evidence/model_release/manual__1/gate",
        "Run and commit": "/signalbox/commits/model_release/manual__1",
    }


def test_a_stage_without_evidence_has_no_link_to_it(project: Path) -> None:
    assert shown("split")["Evidence"] == ""
    assert shown("split")["Report"]


def test_before_a_run_is_saved_there_are_no_links(project: Path) -> None:
    assert set(shown("train", run="manual__2").values()) == {""}


def test_a_dag_that_releases_nothing_has_no_report(project: Path) -> None:
    git(project, "update-ref", f"refs/runs/other/{RUN}", "HEAD")
    found = shown("train", dag="other")
    assert (found["Report"], found["Evidence of the gate"]) == ("", "")
    assert found["Evidence"] == "/signalbox/evidence/other/manual__1/train"


def test_the_links_are_on_classes_that_exist() -> None:
    from dvc_airflow.operators import DvcStageOperator, SaveRunOperator
    from dvc_airflow.operators.watch import WatchedStageOperator
    from signalbox_airflow.approve import ApproveOperator
    from signalbox_airflow.release_path import ReleaseStep, VerdictBranch, VerdictEnd

    ours = [
        DvcStageOperator, WatchedStageOperator, SaveRunOperator, ApproveOperator, ReleaseStep,
        VerdictBranch, VerdictEnd,
    ]  # fmt: skip
    meant = {(kind.__module__, kind.__name__) for kind in ours}
    found = {(kind.__module__, kind.__name__) for link in links.LINKS for kind in link.operators}
    assert found == meant


def test_evidence_shows_figures_with_intervals_and_folds_what_is_long(project: Path) -> None:
    html = run_pages.evidence_page(project, "model_release", RUN, "train")
    assert html.count(numbers.interval(0.4, 0.6, "share")) == 70
    assert "10 more figures" in html
    assert "long (902 lines)" in html
    assert "train.loss_69" in html


def test_nothing_on_the_pages_is_markup_of_the_data(project: Path) -> None:
    pages = [
        run_pages.evidence_page(project, "model_release", RUN, "train"),
        run_pages.run_page(project, "model_release", RUN),
    ]
    for page in pages:
        assert "&lt;script&gt;alert(1)" in page
        assert "<script" not in page


def test_the_page_of_a_run_says_what_the_gate_says_and_leads_on(project: Path) -> None:
    html = run_pages.run_page(project, "model_release", RUN)
    assert "The gate says reject" in html
    assert "Ranking: fail." in html
    for target in ("reports/model_release/manual__1", "evidence/model_release/manual__1/train"):
        assert f'href="/signalbox/{target}"' in html


@pytest.mark.parametrize(
    ("run", "stage", "told"),
    [
        (RUN, "ingest", "it has gate, train"),  # the file is there, dvc.lock doesn't name it
        (RUN, "../params", "it has gate, train"),
        ("manual__2", "train", "no saved run"),
        ("../../heads/main", "train", "no saved run"),
    ],
)
def test_only_names_that_exist_are_read(project: Path, run: str, stage: str, told: str) -> None:
    with pytest.raises(SignalboxError, match=told):
        run_pages.evidence_page(project, "model_release", run, stage)


def test_evidence_that_was_changed_after_its_stage_made_it_is_not_shown(project: Path) -> None:
    changed = json.loads((project / "evidence/train.json").read_text())
    changed["figures"][0]["value"] = 0.9
    (project / "evidence/train.json").write_text(json.dumps(changed))
    git(project, "update-ref", f"refs/runs/model_release/{RUN}", commit(project, "changed"))
    with pytest.raises(SignalboxError, match="was changed after its stage made it"):
        run_pages.evidence_page(project, "model_release", RUN, "train")


def answered(project: Path, path: str, allowed: Any) -> Any:
    from airflow.api_fastapi.core_api import security
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    asked: list[str] = []

    def requires_access_dag(method: str) -> Any:
        def check(dag_id: str) -> None:
            asked.append(dag_id)
            allowed(dag_id)

        return check

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "requires_access_dag", requires_access_dag)
        app = FastAPI()
        report_page.add_routes(app, project)
    reply = TestClient(app).get(path)
    assert asked == ["model_release"]
    return reply


@pytest.mark.parametrize("page", ["reports/{}", "evidence/{}/train", "commits/{}"])
def test_every_page_asks_whether_the_dag_may_be_seen_and_lets_no_script_near(
    project: Path, page: str
) -> None:
    from fastapi import HTTPException

    def refuse(dag_id: str) -> None:
        raise HTTPException(403)

    path = "/" + page.format(f"model_release/{RUN}")
    assert answered(project, path, refuse).status_code == 403
    reply = answered(project, path, lambda dag_id: None)
    assert reply.status_code == 200
    policy = reply.headers["content-security-policy"]
    # Scripts and Airflow's own origin never go together.
    assert ("allow-scripts" in policy) != ("allow-same-origin" in policy)
    assert "form-action 'none'" in policy


def test_a_page_that_is_not_there_says_so(project: Path) -> None:
    reply = answered(project, f"/evidence/model_release/{RUN}/none", lambda dag_id: None)
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert "it has gate, train" in reply.text

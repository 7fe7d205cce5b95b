"""Who may start a run may write its XComs: nothing in them becomes a path or an option of git."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dvc_airflow.operators.context import pull_results, workspace_of
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.workspace import Workspace

OURS: dict[str, Any] = {
    "root": "/w/d/r", "path": "/w/d/r", "commit": "a" * 40, "dag_id": "d", "run_id": "r",
    "token": "t",
}  # fmt: skip
STAGE = {"stage": "train", "lock_file": "sub/dvc.lock", "lock_name": "train", "lock": "cmd: x"}


def context(value: Any) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="d", run_id="r", xcom_pull=lambda task_ids: value)
    return {"ti": ti, "run_id": "r"}


def test_what_the_first_task_returned_is_read() -> None:
    found = workspace_of(context({**OURS, "overrides": {"sub/params.yaml:a": 1}}), "open")
    assert (found.commit, found.overrides) == ("a" * 40, {"sub/params.yaml:a": 1})
    assert workspace_of(context(Workspace(**OURS).to_json()), "open") == Workspace(**OURS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"commit": "--upload-pack=touch /tmp/x"}, "its commit is no hash"),
        ({"commit": "HEAD"}, "its commit is no hash"),
        ({"run_id": "another"}, "it names another run"),
        ({"dag_id": "another"}, "it names another run"),
        ({"overrides": {"../release.yaml:approval.approvers": ["me"]}}, "outside the project"),
        ({"overrides": {"/etc/x.yaml:a": 1}}, "outside the project"),
        ({"overrides": {".git/config.json:a": 1}}, "outside the project"),
        ({"unheard": "of"}, "unheard"),
    ],
)
def test_a_workspace_that_no_first_task_returns_is_refused(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(WorkspaceError, match=says):
        workspace_of(context({**OURS, **change}), "open")


def test_results_of_stages_are_read() -> None:
    value = {"status": "ran", "stages": [STAGE]}
    assert pull_results(context(value), ["train"]) == {"train": value}
    assert pull_results(context(None), ["train"]) == {}


@pytest.mark.parametrize(
    "lock_file",
    ["../project/dvc.lock", "/project/dvc.lock", "dvc.yaml", "sub/../../dvc.lock", ".git/dvc.lock",
     "params.yaml", ".github/workflows/x.yml"],
)  # fmt: skip
def test_no_result_names_another_file_than_a_dvc_lock_of_the_project(lock_file: str) -> None:
    value = {"stages": [{**STAGE, "lock_file": lock_file}]}
    with pytest.raises(WorkspaceError, match=r"is no dvc\.lock of the project"):
        pull_results(context(value), ["train"])


@pytest.mark.parametrize(
    "value", ["text", {"commit": "x"}, {"stages": ["train"]}, {"stages": [{**STAGE, "lock": 3}]}]
)
def test_what_isnt_the_result_of_a_stage_is_refused(value: Any) -> None:
    with pytest.raises(WorkspaceError, match="somebody wrote it; clear the task"):
        pull_results(context(value), ["train"])

"""What a person fills in reaches the task that it is for; a mistake ends it for good."""

import runpy
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, DagRunTriggerException

from tests.conftest import ROOT


def callable_of(dag: str, task: str) -> Callable[..., Any]:
    read = runpy.run_path(str(ROOT / f"dags/{dag}.py"))["dag"]
    function: Callable[..., Any] = read.get_task(task).python_callable
    return function


def test_the_sources_that_are_named_are_read_and_else_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = callable_of("collect_telemetry", "sources")
    assert sources(params={"sources": None}) == sources(params={"sources": ["airflow"]})
    left: dict[str, str] = {}

    class Task:
        def xcom_push(self, key: str, value: str) -> None:
            left[key] = value

    monkeypatch.setattr("airflow.sdk.get_current_context", lambda: {"ti": Task()})
    with pytest.raises(AirflowFailException, match="nope"):
        sources(params={"sources": ["nope"]})
    [line] = left.values()  # for the run's note
    assert line.startswith("failed: ")
    assert "nope" in line


def test_the_window_that_is_named_is_the_only_one() -> None:
    window = "20260412T100000Z_20260412T110000Z"
    assert callable_of("incidents", "pending")(params={"window": window}) == [window]


def test_an_erasure_starts_one_training_however_often_its_task_is_repeated() -> None:
    retrain = callable_of("erase_subject", "retrain")
    started = []
    for _ in range(2):
        with pytest.raises(DagRunTriggerException) as asked:
            retrain(run_id="manual__2026-03-02T10:00:00+00:00")
        started.append(asked.value)
    assert {(run.trigger_dag_id, run.dag_run_id) for run in started} == {
        ("model_release", "erased__manual__2026-03-02T10:00:00+00:00")
    }
    assert all(run.skip_when_already_exists and not run.reset_dag_run for run in started)

"""A run's note says in one line what was released, or why nothing was done."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipelines.release.lifecycle.candidate import GateDecision
from signalbox_airflow import notes


def decision(**checks: str) -> GateDecision:
    return GateDecision("reject", checks, {}, "a" * 64)


def test_a_rejection_names_the_checks_that_failed() -> None:
    told = notes.rejected(decision(accuracy="pass", ranking="fail", ratio="inconclusive"))
    assert told == ("rejected by the gate: of 3 checks 1 failed (ranking); 1 inconclusive (ratio)")


def test_many_checks_are_counted() -> None:
    told = notes.rejected(decision(**{f"check_{number}": "fail" for number in range(8)}))
    assert told == (
        "rejected by the gate: of 8 checks 8 failed "
        "(check_0, check_1, check_2, check_3, check_4 and 3 more)"
    )


def test_a_line_is_one_line_of_bounded_length() -> None:
    line = notes.one_line("a\nb " * 1000)
    assert "\n" not in line
    assert len(line) == 401


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "Signalbox: new"),
        ("Look here", "Look here\nSignalbox: new"),
        ("Look here\nSignalbox: old", "Look here\nSignalbox: new"),
    ],
)
def test_what_people_wrote_stays_and_an_old_line_goes(before: str | None, after: str) -> None:
    assert notes.with_line(before, "new") == after


def ended(value: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the note of a run whose XCom has a value, after its end."""

    def scalar(statement: object) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    session = SimpleNamespace(no_autoflush=nullcontext(), scalar=scalar)
    monkeypatch.setattr("sqlalchemy.orm.object_session", lambda run: session)
    run = SimpleNamespace(dag_id="model_release", run_id="manual__1", note="")
    notes.RunNoteListener().on_dag_run_success(run)
    return run.note


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("released as v1", "Signalbox: released as v1"),
        (json.dumps("released as v1"), "Signalbox: released as v1"),
        (None, ""),
        (json.dumps({"forged": 1}), ""),
        (RuntimeError("database is away"), ""),
    ],
)
def test_the_end_of_a_run_writes_what_its_tasks_left_and_disturbs_nothing(
    value: object, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(value, monkeypatch) == note


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """XComs of the task that runs."""
    xcoms: dict[str, str] = {}
    task = SimpleNamespace(xcom_push=lambda key, value: xcoms.update({key: value}))
    monkeypatch.setattr("airflow.sdk.get_current_context", lambda: {"ti": task})
    return xcoms


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (AirflowSkipException("no such lake"), "nothing to do: no such lake"),
        (AirflowFailException("no column\nage"), "failed: no column age"),
    ],
)
def test_a_task_that_ends_for_good_leaves_its_reason(
    reason: Exception, line: str, left: dict[str, str]
) -> None:
    with pytest.raises(type(reason)) as raised, notes.ending_noted():
        raise reason
    assert raised.value is reason
    assert left == {notes.KEY: line}


def test_a_task_that_may_try_again_leaves_nothing(left: dict[str, str]) -> None:
    with pytest.raises(OSError, match="away"), notes.ending_noted():
        raise OSError("the server is away")
    assert left == {}

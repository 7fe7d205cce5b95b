"""What people say: appended and never changed, counted once a person, frozen without names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.aiops.lake.feedback import (
    CAUSE,
    FROZEN,
    Answer,
    Judged,
    add,
    figure,
    freeze,
    harmful_names,
    precision,
    read_answers,
    read_frozen,
    store_of,
    weigh,
)

NOON = datetime(2026, 4, 13, 12, tzinfo=UTC)  # a Monday


def answer(verdict: str, by: str = "ann", minute: int = 0, **more: Any) -> Answer:
    given = {"about": "incident", "subject": "i1", "detectors": ("metric: spike",)} | more
    at = NOON + timedelta(minutes=minute)
    return Answer.model_validate({"at": at, "by": by, "verdict": verdict, **given})


def rule(verdict: str, by: str = "ann", names: tuple[str, ...] = ("DiskFull",)) -> Answer:
    return answer(verdict, by, about="rule", subject="hold-1", names=names, detectors=())


def test_an_answer_is_read_back_as_it_was_said(tmp_path: Path) -> None:
    said = answer("wrong_cause", cause="db", note='he said "no"\nand <b>left</b>', title="x: slow")
    add(tmp_path, said)
    add(tmp_path, answer("noise", "bob", minute=1))
    answers, unreadable = read_answers(tmp_path)
    assert answers[0] == said
    assert [one.by for one in answers] == ["ann", "bob"]
    assert unreadable == []
    (file,) = store_of(tmp_path).glob("*.jsonl")
    assert file.name == "2026-04-13.jsonl"
    assert len(file.read_bytes().splitlines()) == 2


def test_what_was_said_is_never_changed(tmp_path: Path) -> None:
    add(tmp_path, answer("right"))
    (file,) = store_of(tmp_path).glob("*.jsonl")
    before = file.read_bytes()
    add(tmp_path, answer("noise", minute=5))
    assert file.read_bytes().startswith(before)


def test_a_torn_line_loses_no_other(tmp_path: Path) -> None:
    add(tmp_path, answer("right"))
    (file,) = store_of(tmp_path).glob("*.jsonl")
    file.write_bytes(file.read_bytes() + b'{"format":"signalbox.feedb')
    add(tmp_path, answer("noise", "bob", minute=1))
    answers, unreadable = read_answers(tmp_path)
    assert [one.verdict for one in answers] == ["right", "noise"]
    assert unreadable == ["feedback/2026-04-13.jsonl:2"]


@pytest.mark.parametrize(
    ("about", "verdict", "more"),
    [
        ("finding", "wrong_cause", {}),
        ("rule", "noise", {}),
        ("incident", "harmful", {}),
        ("incident", "noise", {"cause": "db"}),
        ("incident", "right", {"note": "x" * 501}),
        ("incident", "right", {"by": ""}),
    ],
)
def test_what_cannot_be_said_is_refused(about: str, verdict: str, more: dict[str, Any]) -> None:
    given = {"by": "ann", "about": about, "subject": "s", "verdict": verdict} | more
    with pytest.raises(ValidationError):
        Answer.model_validate({"at": NOON, **given})


def test_a_persons_last_word_counts_and_a_subject_counts_once() -> None:
    (judged,) = weigh(
        [answer("noise"), answer("right", minute=9), answer("right", "bob"), answer("noise", "cy")]
    )
    assert (judged.right, judged.noise) == (2, 1)
    assert judged.is_right
    found = {row.detector: (row.right, row.judged) for row in precision([judged])}
    assert found == {"": (1, 1), CAUSE: (1, 1), "metric: spike": (1, 1)}


def test_a_tie_does_not_count_for_a_detector() -> None:
    (judged,) = weigh([answer("right"), answer("noise", "bob")])
    assert not judged.is_right


def test_a_wrong_cause_is_a_right_detection() -> None:
    judged = weigh([answer("wrong_cause", cause="db")])
    found = {row.detector: row for row in precision(judged)}
    assert found["metric: spike"].right == 1
    assert found[CAUSE].right == 0


def test_precision_is_told_by_week_with_its_interval() -> None:
    judged = [
        Judged(about="finding", subject=f"f{n}", last=(NOON + timedelta(days=n)).date(),
               right=int(n % 2 == 0), noise=int(n % 2), detectors=("log: burst",))
        for n in range(10)
    ]  # fmt: skip
    rows = [row for row in precision(judged, weekly=True) if row.detector == "log: burst"]
    assert [(str(row.week), row.right, row.judged) for row in rows] == [
        ("None", 5, 10), ("2026-04-13", 4, 7), ("2026-04-20", 1, 3),
    ]  # fmt: skip
    # Wilson's interval of 5 in 10, from tables.
    assert rows[0].low == pytest.approx(0.2366, abs=1e-4)
    assert rows[0].high == pytest.approx(0.7634, abs=1e-4)


def test_rules_are_no_part_of_the_detectors_precision() -> None:
    assert precision(weigh([rule("right")])) == []


def test_unjudged_is_unknown_and_not_zero() -> None:
    found = figure([], "alert_history")
    assert found.value is None
    assert "nobody has judged" in found.missing
    some = figure(weigh([answer("noise")]), "alert_history")
    assert (some.value, some.n) == (0.0, 1)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ([rule("harmful")], ["DiskFull"]),
        ([rule("harmful"), rule("right", "bob")], ["DiskFull"]),
        ([rule("harmful"), rule("right", "bob"), rule("right", "cy")], []),
        ([rule("right")], []),
        ([answer("noise", names=("DiskFull",))], []),
    ],
)
def test_names_are_spared_only_where_as_many_say_harmful(
    said: list[Answer], names: list[str]
) -> None:
    assert harmful_names(weigh(said)) == names


def test_what_is_frozen_names_nobody(tmp_path: Path) -> None:
    lake, history = tmp_path / "lake", tmp_path / "history"
    history.mkdir()
    assert freeze(lake, history) == []
    assert not (history / FROZEN).exists()
    add(lake, answer("noise", "ann.miller", note="call ann.miller"))
    freeze(lake, history)
    assert "ann" not in (history / FROZEN).read_text()
    (judged,) = read_frozen(history)
    assert judged.noise == 1

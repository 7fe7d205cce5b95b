"""The shape that all detectors share."""

import json
from typing import Any

import pytest

from pipelines.aiops.lake.findings import Finding, finding_id, in_order
from pipelines.core.errors import SignalboxError


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "id": "a",
        "signal": "metric",
        "kind": "spike",
        "service": "web",
        "instance": "",
        "labels": {"b": "2", "a": "1"},
        "start_us": 10,
        "end_us": 20,
        "score": 3.0,
        "sentence": "It rose.",
        "observed": 1 / 3,
        "evidence": {"n": 3},
    }
    return Finding(**{**values, **changes})


def test_a_finding_comes_back_from_json_as_it_was_written() -> None:
    written = json.loads(json.dumps(finding(observed=0.25).as_json()))
    assert Finding.from_json(written) == finding(observed=0.25)
    assert list(written["labels"]) == ["a", "b"]


def test_floats_are_written_with_ten_digits() -> None:
    assert finding().as_json()["observed"] == 0.3333333333


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"end_us": 9}, "before start_us"),
        ({"score": -1.0}, "zero or more"),
        ({"score": float("nan")}, "zero or more"),
        ({"signal": "smell"}, "none of metric"),
    ],
)
def test_a_finding_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SignalboxError, match=words):
        finding(**changes)


def test_json_with_other_keys_is_refused() -> None:
    with pytest.raises(SignalboxError, match="not a finding"):
        Finding.from_json({"id": "a", "colour": "red"})


def test_the_id_depends_on_each_part_and_not_on_the_order_of_labels() -> None:
    base = finding_id("metric", "spike", {"a": "1", "b": "2"}, 5)
    assert base == finding_id("metric", "spike", {"b": "2", "a": "1"}, 5)
    others = {
        finding_id("metric", "spike", {"a": "1", "b": "2"}, 6),
        finding_id("metric", "flat", {"a": "1", "b": "2"}, 5),
        finding_id("log", "spike", {"a": "1", "b": "2"}, 5),
        finding_id("metric", "spike", {"a": "12", "b": ""}, 5),
    }
    assert len(others) == 4
    assert base not in others


def test_findings_are_ordered_by_start_then_rarest_first() -> None:
    late, rare, common = finding(start_us=15), finding(id="z", score=9.0), finding(id="b")
    assert in_order([late, common, rare]) == [rare, common, late]

"""Commands, DAGs, tasks and pages keep their names: users' scripts and bookmarks rest on them."""

import json

import pytest

from tests.recordings.record import FILE, commands, dags, pages

RECORDED = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("what", "now"), [("commands", commands), ("dags", dags), ("pages", pages)]
)
def test_names_are_those_that_were_recorded(what: str, now: object) -> None:
    assert RECORDED[what]
    found = json.loads(json.dumps(now()))  # type: ignore[operator]
    assert found == RECORDED[what], "python -m tests.recordings.record, and a line in CHANGELOG.md"

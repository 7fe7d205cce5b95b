"""What ``signalbox run`` says of approval and release at its end."""

from typing import Any

import pytest

from pipelines.cli.release_run import outcome_lines

AUTO = {"kind": "auto_approved", "policy": "auto-approve in demo", "reasons": ["Nobody watched."]}
STOPPED = {"kind": "stopped", "policy": "nobody could be asked", "reasons": []}
RELEASED = {"product": "model_release", "version": "v1.0.0", "stage": "production"}


@pytest.mark.parametrize(
    ("state", "approved", "released", "lines"),
    [
        ("success", AUTO, RELEASED,
         ["approval: auto approved – auto-approve in demo Nobody watched.",
          "release:  model_release@v1.0.0 is in production"]),
        ("success", AUTO, {"name": "model_release@v1.0.0", "commit": "c"},
         ["approval: auto approved – auto-approve in demo Nobody watched.",
          "release:  model_release@v1.0.0"]),
        ("success", STOPPED, None,
         ["approval: stopped – nobody could be asked", "release:  none"]),
        ("success", None, None,
         ["approval: not needed, these artifacts are in production", "release:  none"]),
        ("skipped", None, None, ["approval: nobody was asked", "release:  none"]),
    ],
)  # fmt: skip
def test_the_outcome_is_said_in_two_lines(
    state: str, approved: Any, released: Any, lines: list[str]
) -> None:
    assert outcome_lines({"approve_release": state}, approved, released) == lines

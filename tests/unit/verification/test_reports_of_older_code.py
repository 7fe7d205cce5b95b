"""A report that older code made is held against params.yaml as it was written then."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.core import params
from pipelines.verification.figures import _written_so
from pipelines.verification.project import Project

WRITTEN = 'data:\n  source: {kind: csv, snapshot: "", columns: [a, b]}\n  target: y\n'
OLD = {"data": {"source": {"kind": "csv", "snapshot": "", "columns": ["a", "b"]}, "target": "y"}}


def project(tmp_path: Path, code: bytes | None = b"# older\n") -> Project:
    (tmp_path / "params.yaml").write_text(WRITTEN)
    if code is not None:
        file = tmp_path / "pipelines/core/params.py"
        file.parent.mkdir(parents=True)
        file.write_bytes(code)
    return Project(tmp_path)


def changed(**values: Any) -> dict[str, Any]:
    return {"data": {**OLD["data"], **values}}


@pytest.mark.parametrize("code", [b"# older\n", None])
def test_what_was_written_and_defaults_of_that_time_are_accepted(
    tmp_path: Path, code: bytes | None
) -> None:
    here = project(tmp_path, code)
    assert _written_so(here, OLD)
    assert _written_so(here, changed(a_default_of_that_time=3))


@pytest.mark.parametrize(
    "told",
    [
        changed(target="z"),
        changed(source={"kind": "csv", "columns": ["a"]}),
        changed(source={"kind": "csv"}),
        {**OLD, "train": {"seed": 1}},
    ],
)
def test_another_value_than_the_written_one_is_not(tmp_path: Path, told: dict[str, Any]) -> None:
    assert not _written_so(project(tmp_path), told)


def test_reports_of_our_own_code_are_held_against_our_own_models(tmp_path: Path) -> None:
    ours = Path(params.__file__).read_bytes()
    assert not _written_so(project(tmp_path, ours), OLD)

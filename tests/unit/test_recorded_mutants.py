"""The seeded mutants still fit the code; ``python -m tests.recordings.mutants`` tries them."""

import ast

import pytest

from tests.conftest import ROOT
from tests.recordings.mutants import MUTANTS, Mutant

PARTS = (
    "pipelines/core/", "pipelines/release/", "pipelines/mlops/", "pipelines/aiops/",
    "plugins/dvc_airflow/", "plugins/signalbox_airflow/",
)  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}:{mutant.instead}")
def test_a_mutants_text_stands_once_in_its_file_and_its_tests_are_there(mutant: Mutant) -> None:
    code = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert code.count(mutant.text) == 1
    changed = code.replace(mutant.text, mutant.instead)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(code))
    assert mutant.tests
    assert [test for test in mutant.tests if not (ROOT / test).is_file()] == []


def test_every_part_has_mutants() -> None:
    counts = {part: sum(mutant.file.startswith(part) for mutant in MUTANTS) for part in PARTS}
    assert sum(counts.values()) == len(MUTANTS) >= 30
    assert min(counts.values()) >= 3, counts

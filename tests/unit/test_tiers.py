"""Every test belongs to one tier, and so to one target of the Makefile."""

import re

import pytest

from tests.conftest import ROOT, TIERS, tier


@pytest.mark.parametrize(
    ("file", "marks", "expected"),
    [
        ("tests/unit/core/test_git.py", [], "tier_check"),
        ("tests/unit/core/test_git.py", ["slow"], "tier_test"),
        ("tests/integration/test_wheel.py", ["e2e"], "tier_test"),
        ("tests/integration/test_wheel.py", ["e2e", "slow"], "tier_rest"),
        ("tests/e2e/test_map.py", ["e2e"], "tier_rest"),
        ("tests/e2e/test_map.py", ["e2e", "product"], "tier_test"),
        ("tests/e2e/test_map.py", ["e2e", "product", "long"], "tier_long"),
    ],
)
def test_a_tests_tier_follows_from_its_directory_and_marks(
    file: str, marks: list[str], expected: str
) -> None:
    assert tier(file, marks) == expected


def test_each_tier_is_run_by_one_target() -> None:
    run = re.findall(r"-m (tier_\w+)", (ROOT / "Makefile").read_text())
    assert run == list(TIERS)


def test_ci_runs_every_tier_but_the_long_one_once() -> None:
    calls = re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert calls == ["test", "test-rest"]

"""What the threat model calls prevented or detected names tests, and they exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs/auditors.md"
NAME = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
RESULTS = {"prevented", "detected", "not covered"}


def rows() -> list[tuple[str, str, str, str]]:
    """Cells of the table: who, what they try, what comes of it, how."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Threat model\n")[2]
    section = section.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines[1:]]
    assert all(len(row) == 4 for row in cells)
    return [(row[0], row[1], row[2].strip("*"), row[3]) for row in cells]


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_the_table_is_about_everybody_who_could() -> None:
    found = rows()
    assert len(found) > 30
    assert {result for _, _, result, _ in found} == RESULTS
    who = " ".join(row[0] for row in found)
    for word in (
        "viewer", "user, op, admin", "an approver", "token", "repository", "DVC remote",
        "ledger's file", "ledger key", "metadata database", "worker's disk",
    ):  # fmt: skip
        assert word in who, word


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1]}"[:60])
def test_what_is_prevented_or_detected_has_a_test(row: tuple[str, str, str, str]) -> None:
    _, _, result, how = row
    named = NAME.findall(how)
    assert result in RESULTS
    assert bool(named) == (result != "not covered")
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file() or test not in names_of_tests(ROOT / path)
    ]
    assert missing == []
    assert len(re.sub("<!--.*-->", "", how).strip()) > 15, "the row says how, or what to do"


def test_nothing_else_stands_in_the_comments_of_the_table() -> None:
    for row in rows():
        for comment in re.findall("<!--(.*?)-->", row[3]):
            assert NAME.sub("", comment).strip() == ""

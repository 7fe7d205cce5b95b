import csv
import json
import re
from pathlib import Path

import dvc.repo  # noqa: F401 - its log takes the stream it first sees, which must outlive a test
import pytest
import typer
from typer.testing import CliRunner, Result

from docs.make_commands import RESULTS
from pipelines.cli.erase_commands import erase
from pipelines.release.ledger import Ledger
from tests.support.shapes import faults
from tests.unit.mlops.privacy.conftest import KEY, left


def run(*arguments: str, given: str = "") -> Result:
    app = typer.Typer()
    app.command()(erase)
    return CliRunner().invoke(app, [*arguments], input=given)


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_it_asks_before_it_erases(project: Path) -> None:
    result = run(KEY, given="n\n")
    assert result.exit_code == 1
    assert "cannot be undone" in result.output
    assert re.search(r"found: \d+ rows in \d+ files and \d+ DVC objects", result.output)
    assert left(project)


def test_who_is_nowhere_is_said_before_anybody_is_asked() -> None:
    result = run("nobody-here", given="y\n")
    assert result.exit_code == 1
    assert "the subject is nowhere" in result.output
    assert "cannot be undone" not in result.output


def test_who_was_erased_before_is_said_before_the_question(project: Path) -> None:
    run(KEY, "--yes")
    assert "erased before" in run(KEY, given="n\n").output


def test_the_subject_may_come_by_standard_input_and_is_never_printed(project: Path) -> None:
    result = run("-", "--yes", "--json", given=f"{KEY}\n")
    assert result.exit_code == 0
    assert KEY not in result.output
    shown = json.loads(result.stdout)
    assert faults(shown, RESULTS["erase"]) == []
    assert shown["complete"]
    assert left(project) == []
    assert Ledger.of(project).verify().ok
    assert KEY not in (project / "ledger/ledger.jsonl").read_text()


def test_find_shows_subjects_by_their_values(project: Path) -> None:
    result = run("--find", "size=17", "--json")
    assert json.loads(result.stdout) == {KEY: 1}
    assert run("--find", "size=9999").exit_code == 1
    wrong = run("--find", "weight=1")
    assert wrong.exit_code == 1
    assert "no column 'weight'" in wrong.output


def test_the_keyed_hash_names_the_subject(project: Path) -> None:
    token = run(KEY, "--token").stdout.strip()
    assert token.startswith("hmac-sha256:")
    assert run(token, "--yes").exit_code == 0
    assert left(project) == []


@pytest.mark.parametrize("arguments", [(), ("nobody-here", "--yes")])
def test_what_cannot_be_erased_is_one_line_and_exit_code_1(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.startswith("error: ")


def test_what_remains_is_exit_code_1_and_named(project: Path) -> None:
    (project / "notes.md").write_text(f"ask {KEY}\n")
    from tests.support.small_project import commit

    commit(project, "notes")
    result = run(KEY, "--yes")
    assert result.exit_code == 1
    assert "remains in: notes.md" in result.output


ALIKE = ["-1", "1", " 1", "a", "a\nb", "a\r"]


@pytest.fixture
def alike(project: Path) -> Path:
    """People whose keys a terminal or a pipe could mix up."""
    lines = "".join(f'"{key}",red,{i},{"yes" if i % 2 else "no"}\n' for i, key in enumerate(ALIKE))
    (project / "raw.csv").write_text(f"name,colour,size,label\n{lines}", newline="")
    return project


def names(project: Path) -> list[str]:
    with (project / "raw.csv").open(newline="") as stream:
        return [row["name"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("key", ALIKE)
def test_a_key_by_standard_input_keeps_its_blanks_and_lines(alike: Path, key: str) -> None:
    assert run("-", "--yes", given=f"{key}\n").exit_code == 0
    assert names(alike) == [name for name in ALIKE if name != key]


def test_a_question_takes_one_line_for_the_key_and_the_next_for_the_answer(alike: Path) -> None:
    assert run("-", given=" 1\ny\n").exit_code == 0
    assert names(alike) == [name for name in ALIKE if name != " 1"]


def test_a_key_that_begins_like_an_option_stands_after_two_dashes(alike: Path) -> None:
    assert run("--yes", "--", "-1").exit_code == 0
    assert names(alike) == [name for name in ALIKE if name != "-1"]

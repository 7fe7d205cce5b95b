"""``signalbox ledger`` and ``signalbox history``."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.release.ledger import Ledger


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def call(project: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--project", str(project)])


def test_show_prints_every_entry(filled: Ledger, project: Path) -> None:
    result = call(project, "ledger", "show")
    assert result.exit_code == 0
    for word in ("run=r1", "commit=aaaaaaaaaaaa…", "decision=review", "name=model-release@v0.1.0"):
        assert word in result.output


def test_show_filters_by_kind_and_subject(filled: Ledger, project: Path) -> None:
    filled.append("gate", "noise_rules", {"decision": "approve"})

    def numbers(*words: str) -> list[int]:
        return [
            e["seq"] for e in json.loads(call(project, "ledger", "show", "--json", *words).output)
        ]

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers("--kind", "gate") == [3, 6]
    assert numbers("--kind", "gate", "--kind", "run") == [2, 3, 6]
    assert numbers("--kind", "gate", "--subject", "noise_rules") == [6]
    assert numbers("--last", "2") == [5, 6]


def test_an_unknown_kind_is_one_line_and_code_1(filled: Ledger, project: Path) -> None:
    result = call(project, "ledger", "show", "--kind", "party")
    assert result.exit_code == 1
    assert "no such kind; kinds are" in result.stderr
    assert result.stderr.count("\n") == 1


def test_text_of_the_ledger_is_not_markup(ledger: Ledger, project: Path) -> None:
    ledger.append("approval", "m", {"reason": "[red]fine[/red] [/]"})
    for words in (("ledger", "show"), ("history",)):
        result = call(project, *words)
        assert result.exit_code == 0
        assert "[red]fine[/red] [/]" in result.output


def test_verify_ends_with_0_or_names_the_entry_and_ends_with_1(
    filled: Ledger, project: Path
) -> None:
    result = call(project, "ledger", "verify")
    assert result.exit_code == 0
    assert "✓ 5 entries hold" in result.output
    assert filled.head in result.output
    filled.path.write_bytes(filled.path.read_bytes().replace(b"review", b"reject"))
    result = call(project, "ledger", "verify")
    assert result.exit_code == 1
    assert "✗ entry 3 (line 3): the content doesn't match its hash" in result.output
    found = json.loads(call(project, "ledger", "verify", "--json").output)
    assert found["ok"] is False
    assert (found["entries"], found["problem"]["seq"]) == (2, 3)


def test_verify_holds_the_chain_against_an_anchor(filled: Ledger, project: Path) -> None:
    assert call(project, "ledger", "verify", "--expect-head", filled.head).exit_code == 0
    result = call(project, "ledger", "verify", "--expect-head", "f" * 64)
    assert result.exit_code == 1
    assert "anchored outside" in result.output


def test_an_empty_ledger_is_no_error(project: Path) -> None:
    for words in (("ledger", "show"), ("ledger", "verify"), ("ledger", "keys"), ("history",)):
        assert call(project, *words).exit_code == 0
    assert json.loads(call(project, "history", "--json").output) == []


def test_rotate_and_keys(filled: Ledger, project: Path) -> None:
    result = call(project, "ledger", "rotate", "--reason", "left the team")
    assert result.exit_code == 0
    found = json.loads(call(project, "ledger", "keys", "--json").output)["keys"]
    assert [key["until"] for key in found] == [4, 6, None]
    assert all(key["here"] for key in found)
    assert found[-1]["reason"] == "left the team"
    assert found[-1]["id"] in result.output
    assert "left the team" in call(project, "ledger", "keys").output
    assert filled.verify().ok


def test_there_is_nothing_to_rotate_in_an_empty_ledger(project: Path) -> None:
    result = call(project, "ledger", "rotate")
    assert result.exit_code == 1
    assert "there is no key yet" in result.stderr


def test_history_leaves_out_what_decides_nothing(filled: Ledger, project: Path) -> None:
    output = call(project, "history").output
    assert "model-release@v0.1.0" in output
    assert "decision=review" in output
    assert "run=r1" not in output
    shown = json.loads(call(project, "history", "--json").output)
    assert [entry["kind"] for entry in shown] == ["gate", "release"]

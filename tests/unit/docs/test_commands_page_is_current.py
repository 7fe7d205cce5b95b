"""``docs/commands.md`` says what the parser says, and every command has what it promises."""

import shlex

import pytest
import typer.main
from typer.testing import CliRunner

from docs.make_commands import NOTES, PAGE, RESULTS, Command, commands, page
from pipelines.cli.main import app

COMMANDS = list(commands())


def test_the_page_is_what_the_parser_gives() -> None:
    assert len(COMMANDS) > 30
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/make_commands.py"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_has_summary_example_and_json(command: Command) -> None:
    assert command.summary.endswith(".")
    assert len(command.summary) <= 92
    assert command.has_json is not (command.name == "stage")  # prints what the stage prints
    assert command.name in RESULTS.keys() | NOTES.keys()
    assert command.example.startswith(f"signalbox {command.name}")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_example_is_something_that_the_parser_takes(command: Command) -> None:
    found, words = typer.main.get_command(app), shlex.split(command.example)[1:]
    for word in command.name.split():
        assert words.pop(0) == word
        found = found.commands[word]  # type: ignore[attr-defined]
    parsed, rest, _ = found.make_parser(_context(found)).parse_args(list(words))
    assert rest == []
    taken = {name for option in found.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= taken
    assert parsed.keys() <= {option.name for option in found.params}


def _context(command: object) -> object:
    return command.make_context("signalbox", [], resilient_parsing=True)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.parametrize("width", ["80", "140"])
def test_help_fits_the_screen(
    command: Command, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERMINAL_WIDTH", width)
    done = CliRunner().invoke(app, [*command.name.split(), "--help"])
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= int(width)
    assert command.example in " ".join(done.output.split())
    assert "…" not in done.output.replace("hmac-sha256:…", "")

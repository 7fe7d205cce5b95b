"""Names of commands and options have dashes; underscores in their place are taken quietly."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.make_commands import commands
from pipelines.cli.main import app
from tests.recordings.record import commands as recorded


def test_no_command_or_option_has_an_underscore() -> None:
    names = [word for command in commands() for word in command.name.split()]
    assert "service-map" in names
    options = [
        name
        for found in recorded().values()
        for parameter in found["parameters"]
        for name in parameter["names"]
        if name.startswith("-")
    ]
    assert "--hashes-only" in options
    assert [name for name in [*names, *options] if "_" in name] == []


@pytest.mark.parametrize(
    "words",
    [
        ["service_map", "build", "--help"],
        ["service-map", "build", "--help"],
        ["ledger", "verify", "--expect_head", "0" * 64, "--project"],
        ["ledger", "verify", "--expect-head", "0" * 64, "--project"],
    ],
)
def test_both_spellings_are_taken_and_say_the_same(words: list[str], tmp_path: Path) -> None:
    place = [str(tmp_path)] if words[-1] == "--project" else []
    done = CliRunner().invoke(app, [*words, *place])
    other = CliRunner().invoke(app, [word.replace("_", "-") for word in words] + place)
    assert done.exit_code == other.exit_code != 2
    assert done.output == other.output
    assert done.stderr == other.stderr


def test_values_keep_their_underscores(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["kpis", "--product", "model_release", "--project", str(tmp_path)]
    )
    assert done.exit_code == 0
    assert "no KPIs of model_release: define them in release.yaml" in done.output
    unknown = CliRunner().invoke(
        app, ["kpis", "--product", "model-release", "--project", str(tmp_path)]
    )
    assert unknown.exit_code == 1
    assert "registry.products has no 'model-release'; it has" in unknown.stderr

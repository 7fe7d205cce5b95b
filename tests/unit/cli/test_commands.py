"""The command line: help is quick, errors are one line, overrides are typed."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pipelines.cli.console import parse_overrides
from pipelines.cli.main import app
from pipelines.core.errors import SignalboxError
from tests.conftest import ROOT


def test_overrides_are_typed() -> None:
    found = parse_overrides(["train.seed=7", "train.use_sensitive=true", "data.name=a=b"])
    assert found == {"train.seed": 7, "train.use_sensitive": True, "data.name": "a=b"}


@pytest.mark.parametrize("text", ["train.seed", "=7"])
def test_an_override_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(SignalboxError, match="write key=value"):
        parse_overrides([text])


def test_a_wrong_override_ends_with_one_line_and_code_1() -> None:
    result = CliRunner().invoke(app, ["run", "--param", "nonsense"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "write key=value" in result.stderr


def test_help_names_the_commands() -> None:
    output = CliRunner().invoke(app, ["--help"]).output
    assert "run" in output
    assert "ui" in output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, runpy\n"
        "sys.argv = ['signalbox', '--help']\n"
        "try: runpy.run_module('pipelines.cli.main', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'sklearn', 'airflow', 'dvc', 'evidently',"
        " 'great_expectations', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"

"""Every command works for the project that somebody stands in, and says so where it is another."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from pipelines.cli.main import app
from pipelines.core.project import VARIABLE
from tests.conftest import ROOT
from tests.unit.release.lifecycle.product import make_project, release_run

WITHOUT = {
    "signalbox collect", "signalbox simulate",  # write where they are told
    "signalbox init",  # makes one
    "signalbox stage",  # DVC starts it, in the project or in a copy of it
    "signalbox erase", "signalbox subject show", "signalbox subject export",  # never elsewhere
}  # fmt: skip


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}

    def walk(name: str, command: click.Command) -> None:
        children = getattr(command, "commands", {})
        for child, inner in children.items():
            walk(f"{name} {child}", inner)
        if not children:
            found[name] = command

    walk("signalbox", typer.main.get_command(app))
    return found


def test_every_command_about_a_project_can_be_told_which() -> None:
    mine = {name: command for name, command in commands().items() if name not in WITHOUT}
    assert "signalbox run" in mine
    for name, command in mine.items():
        assert "project" in {parameter.name for parameter in command.params}, name


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv(VARIABLE, raising=False)
    place = make_project(tmp_path / "mine")
    release_run(place, 1)
    return place


def call(stands_in: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with the code of this tree, which is a project of its own."""
    command = [sys.executable, "-P", "-m", "pipelines.cli.main", *arguments]
    path = f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"
    env = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run(
        command, cwd=stands_in, env=env, capture_output=True, text=True, check=False
    )


def test_it_is_the_directory_itself_without_a_word(released: Path) -> None:
    shown = call(released, "registry", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "v1.0.0" in shown.stdout


def test_from_a_directory_inside_it_is_told_in_the_first_line(released: Path) -> None:
    shown = call(released / "models", "ledger", "show", "--kind", "release", "--json")
    assert shown.returncode == 0
    assert '"version": "v1.0.0"' in shown.stdout
    assert shown.stderr.splitlines()[0].startswith(f"project: {released.resolve()} (")


def test_the_variable_and_the_option_come_first(released: Path, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other")
    (other / "dvc.yaml").touch()
    told = call(released, "registry", "show", **{VARIABLE: str(other)})
    assert "nothing has been released yet" in told.stdout
    assert told.stderr.splitlines()[0] == f"project: {other.resolve()} (${VARIABLE} names it)"
    named = call(released, "registry", "show", "--project", ".", **{VARIABLE: str(other)})
    assert ("v1.0.0" in named.stdout, named.stderr) == (True, "")


def test_run_refuses_a_directory_that_cannot_be_run_and_runs_no_other(released: Path) -> None:
    """Not the project that the code is part of: somebody stands in another one."""
    done = call(released, "run", "no_such_product")
    assert done.returncode == 1
    assert f"{released.resolve()} has no dvc.yaml" in done.stderr
    (released / "dvc.yaml").write_text("stages: {}\n")
    (released / "release.yaml").write_text("registry: {products: {model_release: {}}}\n")
    done = call(released, "run", "no_such_product")
    assert "there are model_release, incidents" in " ".join(done.stderr.split())

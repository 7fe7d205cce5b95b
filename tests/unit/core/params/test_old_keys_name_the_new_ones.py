"""A key that was renamed is an error that names the new key, wherever it is met."""

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import yaml
from pydantic import Field

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.renamed import RENAMED
from pipelines.cli.main import app
from pipelines.core.errors import SignalboxError
from pipelines.core.params import load_section
from pipelines.core.runtime import RuntimeParams
from pipelines.core.settings import Section, new_name
from tests.conftest import ROOT
from tests.support.params import keys_of

FILES = {"params.yaml": keys_of(AiopsParams, "aiops"),
         "release.yaml": keys_of(RuntimeParams, "runtime")}  # fmt: skip


def nested(key: str, value: Any) -> Any:
    """A file's content with nothing but one key."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def error_of(folder: Path, key: str, value: Any = 1) -> str:
    (folder / "params.yaml").write_text(yaml.safe_dump(nested(key, value)), encoding="utf-8")
    with pytest.raises(SignalboxError) as caught:
        load_aiops_params(folder)
    return str(caught.value).removeprefix(f"{folder / 'params.yaml'}: ")


KEYS = [old for old in RENAMED if "=" not in old]
VALUES = [old for old in RENAMED if "=" in old]


@pytest.mark.parametrize("old", KEYS)
def test_an_old_key_names_the_new_one_and_its_file(tmp_path: Path, old: str) -> None:
    file, _, new = RENAMED[old].rpartition(":")
    expected = f"{old} is now {new}" + f" in {file}" * bool(file)
    assert error_of(tmp_path, old) == expected


@pytest.mark.parametrize("old", VALUES)
def test_an_old_value_names_the_new_one(tmp_path: Path, old: str) -> None:
    key, _, value = old.partition("=")
    new = RENAMED[old].partition("=")[2]
    assert error_of(tmp_path, key, [value]) == f"{key}.0: {value} is now {new}"
    with pytest.raises(SignalboxError, match="is not allowed"):
        load_section_with(tmp_path, key, ["nothing"])
    load_section_with(tmp_path, key, [new])


def load_section_with(folder: Path, key: str, value: Any) -> AiopsParams:
    (folder / "params.yaml").write_text(yaml.safe_dump(nested(key, value)), encoding="utf-8")
    return load_aiops_params(folder)


@pytest.mark.parametrize("old", KEYS)
def test_every_new_key_is_one_of_the_models_and_no_old_one_is(old: str) -> None:
    file, _, new = RENAMED[old].rpartition(":")
    assert new in FILES[file or "params.yaml"]
    assert old not in FILES["params.yaml"]


@pytest.mark.parametrize("old", RENAMED)
def test_the_changelog_has_both_names(old: str) -> None:
    new = RENAMED[old].rpartition(":")[2]
    assert f"| `{old}` | `{new}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_several_old_keys_and_a_misspelt_one_are_told_at_once(tmp_path: Path) -> None:
    text = "aiops: {response: {}, analysis: {parts: 3, hurs: 2}}"
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SignalboxError) as caught:
        load_aiops_params(tmp_path)
    told = str(caught.value).split(": ", 1)[1].split("; ")
    assert "aiops.response is now aiops.remediation" in told
    assert "aiops.analysis.parts is now runtime.partitions in release.yaml" in told
    assert "aiops.analysis.hurs: unknown key (value 2)" in told


class Pot(Section):
    cover: str = ""


class Kitchen(Section):
    renamed: ClassVar[dict[str, str]] = {
        "kitchen.pots.lid": "kitchen.pots.cover",
        "kitchen.ways=boil": "kitchen.ways=simmer",
    }
    ways: list[Literal["simmer", "fry"]] = Field(default_factory=list)
    pots: list[Pot] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{pots: [{cover: a}, {lid: b}]}", "kitchen.pots.1.lid is now kitchen.pots.cover"),
        ("{ways: [fry, boil]}", "kitchen.ways.1: boil is now simmer"),
        ("{ways: [bake]}", "kitchen.ways.0: 'bake' is not allowed: Input should be"),
    ],
)
def test_keys_in_lists_and_values_have_new_names_too(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"kitchen: {text}", encoding="utf-8")
    with pytest.raises(SignalboxError, match=re.escape(f"{path}: {expected}")):
        load_section("kitchen", Kitchen, path)


def test_a_key_below_a_renamed_section_moves_with_it() -> None:
    assert new_name("aiops.response.dry_run", RENAMED) == "aiops.remediation.dry_run"
    assert new_name("aiops.responses.dry_run", RENAMED) is None
    moved = new_name("aiops.mine_rules.duplicate.join_seconds", RENAMED)
    assert moved == "aiops.mine_rules.grouping.group_interval_seconds"
    assert new_name("data", RENAMED) is None


def test_an_override_of_the_command_line_is_told_the_new_name() -> None:
    from typer.testing import CliRunner

    given = ["run", "alert_noise_reduction", "--param", "aiops.response.dry_run=false"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 1
    told = "--param aiops.response.dry_run is now aiops.remediation.dry_run"
    assert told in done.stderr

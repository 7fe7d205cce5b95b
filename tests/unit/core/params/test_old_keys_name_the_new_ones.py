"""A key that was renamed is an error that names the new key, wherever it is met."""

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import yaml
from pydantic import Field

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.renamed import REMOVED, RENAMED, UNREAD, _note
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


@pytest.mark.parametrize("old", KEYS)
def test_an_old_key_names_the_new_one_and_its_file(tmp_path: Path, old: str) -> None:
    file, _, new = RENAMED[old].rpartition(":")
    expected = f"{old} is now {new}" + f" in {file}" * bool(file)
    assert error_of(tmp_path, old) == expected


KEYS_REMOVED = [
    f"aiops.{section}.{key}" for section, keys in REMOVED.items() for key in sorted(keys)
    if section != "mine_rules.families"
]  # fmt: skip


@pytest.mark.parametrize("old", KEYS_REMOVED)
def test_a_removed_key_is_refused_and_none_of_the_models(tmp_path: Path, old: str) -> None:
    section, _, key = old.rpartition(".")
    told = error_of(tmp_path, old)
    assert told.startswith(f"{section}: {key}: removed in this version, take it out")
    assert "aiops.mine_rules.hold" in told
    assert old not in FILES["params.yaml"]


@pytest.mark.parametrize("old", sorted(REMOVED["mine_rules.families"]))
def test_a_removed_family_is_refused(tmp_path: Path, old: str) -> None:
    told = error_of(tmp_path, "aiops.mine_rules.families", ["hold", old])
    assert told.startswith(f"aiops.mine_rules: families: {old}: removed in this version")


@pytest.mark.parametrize(
    "old", [f"aiops.{section}.{key}" for section, keys in UNREAD.items() for key in sorted(keys)]
)
def test_a_key_that_nothing_reads_is_taken_with_a_note(
    tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _note.cache_clear()
    for value, said in (
        ([], ""),
        (["mine.yml"], f"note: {old} isn't read any more, take it out\n"),
    ):
        text = yaml.safe_dump(nested(old, value))
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        assert load_aiops_params(tmp_path).export_rules == AiopsParams().export_rules
        assert capsys.readouterr().err == said
    assert old not in FILES["params.yaml"]


def test_what_is_no_section_at_all_is_told_as_such(tmp_path: Path) -> None:
    assert "aiops.mine_rules: 5 is not allowed" in error_of(tmp_path, "aiops.mine_rules", 5)


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
    assert new_name("data", RENAMED) is None


def test_an_override_of_the_command_line_is_told_the_new_name() -> None:
    from typer.testing import CliRunner

    given = ["run", "alert_noise_reduction", "--param", "aiops.response.dry_run=false"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 1
    told = "--param aiops.response.dry_run is now aiops.remediation.dry_run"
    assert told in done.stderr

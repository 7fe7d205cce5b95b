"""Sections of release.yaml: defaults where absent, and errors that name the key."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field

from docs.make_params import _release_models
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import SECTIONS
from pipelines.core.settings import Section, Share
from pipelines.release.config import load_section
from tests.conftest import ROOT


class Person(Section):
    name: str
    role: Literal["owner", "auditor"] = "owner"


class Approval(Section):
    hours: Annotated[int, Field(ge=1)] = 24
    share: Share = 0.5
    people: list[Person] = Field(default_factory=list)
    by_role: dict[str, Annotated[Person, Field()]] = Field(default_factory=dict)
    second: Person | None = None


def load(folder: Path, text: str) -> Approval:
    (folder / "release.yaml").write_text(text, encoding="utf-8")
    return load_section(folder, "approval", Approval)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "approval:\n", "approval: {}\n", "kpis: {a: 1}\n"]
)
def test_what_is_not_there_has_its_default(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Approval()


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_section(tmp_path, "approval", Approval) == Approval()
    assert load_section(tmp_path / "release.yaml", "approval", Approval) == Approval()


def test_values_are_read_from_the_folder_or_the_file(tmp_path: Path) -> None:
    found = load(tmp_path, "approval: {hours: 2, people: [{name: Ada, role: auditor}]}")
    assert found.hours == 2
    assert found.people == [Person(name="Ada", role="auditor")]
    assert load_section(tmp_path / "release.yaml", "approval", Approval) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("approval: {hour: 3}", ["approval.hour: unknown key (value 3)", "'hours'"]),
        ("approval: {hours: soon}", ["approval.hours: 'soon' is not allowed", "valid integer"]),
        ("approval: {hours: 0}", ["approval.hours: 0", "greater than or equal to 1"]),
        ("approval: {share: 1.5}", ["approval.share: 1.5", "less than or equal to 1"]),
        ("approval: {people: [{role: owner}]}", ["approval.people.0.name: key is missing"]),
        ("approval: {people: [{name: A, roll: x}]}", ["approval.people.0.roll", "'role'"]),
        ("approval: {by_role: {x: {name: A, roll: x}}}", ["approval.by_role.x.roll", "'role'"]),
        ("approval: {second: {name: A, roll: x}}", ["approval.second.roll", "'role'"]),
        ("approval: {second: {name: A, role: boss}}", ["approval.second.role: 'boss'", "'owner'"]),
        ("approval: [1]", ["approval: [1] is not allowed"]),
        ("aproval: {hours: 3}", ["unknown section ['aproval']", "'approval'"]),
        ("- 1", ["must be a mapping of sections, found list"]),
        ("approval: {", ["not valid YAML", "line"]),
    ],
)
def test_the_message_names_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(SignalboxError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'release.yaml'}: ")
    assert "\n" not in message
    for part in expected:
        assert part in message


def test_the_projects_own_file_can_be_read() -> None:
    class Anything(Section):
        model_config = ConfigDict(extra="allow")

    load_section(ROOT, "approval", Anything)


@pytest.mark.parametrize("name", sorted(_release_models()))
def test_an_empty_text_still_says_that_nothing_is_set(tmp_path: Path, name: str) -> None:
    text = (ROOT / "release.yaml").read_text(encoding="utf-8")
    model = _release_models()[name]
    old = tmp_path / "release.yaml"
    old.write_text(text.replace(": null  #", ': ""  #'), encoding="utf-8")
    assert load_section(old, name, model) == load_section(ROOT, name, model)


def test_what_is_not_set_is_null_in_the_projects_own_files() -> None:
    for file in ("params.yaml", "release.yaml"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert ': ""' not in text, file
        assert ": null" in text, file


def test_the_models_of_the_page_are_all_sections_there_may_be() -> None:
    assert set(_release_models()) == SECTIONS

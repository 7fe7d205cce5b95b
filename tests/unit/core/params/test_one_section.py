"""A section of params.yaml that its own product checks."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from pipelines.core.errors import SignalboxError
from pipelines.core.params import load_params, load_section
from pipelines.core.settings import Section
from pipelines.core.stage import run_stage
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8").split("\naiops:")[0]


class Cut(Section):
    kind: Literal["cut"]
    seconds: Annotated[int, Field(ge=1)] = 60


class Keep(Section):
    kind: Literal["keep"]
    share: float = 0.5


class Aiops(Section):
    seed: int = 1
    rules: list[Annotated[Cut | Keep, Field(discriminator="kind")]] = Field(default_factory=list)


def load(tmp_path: Path, text: str) -> Aiops:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_section("aiops", Aiops, path)


def test_params_take_the_alert_rules_section_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT + "\naiops: {anything: [1, {goes: here}]}\n", encoding="utf-8")
    assert load_params(path).aiops == {"anything": [1, {"goes": "here"}]}
    path.write_text(TEXT, encoding="utf-8")
    assert load_params(path).aiops == {}


@pytest.mark.parametrize("text", ["data: {x: 1}\n", "aiops:\n", "aiops: {}\n"])
def test_a_missing_section_has_its_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == Aiops()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aiops: {sed: 3}", ["aiops.sed: unknown key (value 3)", "'seed'"]),
        ("aiops: {seed: x}", ["aiops.seed: 'x' is not allowed", "valid integer"]),
        ("aiops: {rules: [{seconds: 3}]}", ["aiops.rules.0"]),
        ("aiops: {rules: [{kind: cutt}]}", ["aiops.rules.0.kind: 'cutt' is not allowed", "'cut'"]),
        ("aiops: {rules: [{kind: cut, secs: 3}]}",
         ["aiops.rules.0.secs: unknown key", "allowed are ['kind', 'seconds']"]),
        ("aiops: {rules: [{kind: cut, seconds: 0}]}", ["aiops.rules.0.seconds: 0", "equal to 1"]),
        ("aiops: 3", ["aiops: 3 is not allowed"]),
        ("", ["must be a mapping of sections, found NoneType"]),
    ],
)  # fmt: skip
def test_the_message_names_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(SignalboxError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'params.yaml'}: ")
    for part in expected:
        assert part in message


def test_a_stage_may_bring_its_own_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Aiops] = []
    (tmp_path / "params.yaml").write_text("aiops: {seed: 7}", encoding="utf-8")
    run_stage("simulate", seen.append, load=lambda: load_section("aiops", Aiops))
    assert seen == [Aiops(seed=7)]
    (tmp_path / "params.yaml").write_text("aiops: {seed: x}", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        run_stage("simulate", seen.append, load=lambda: load_section("aiops", Aiops))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("simulate: error: params.yaml: aiops.seed: 'x'")

"""``dvc.lock`` holds a label ``yes`` without quotes: YAML 1.1 takes it for a truth value."""

import io

import pytest
from ruamel.yaml import YAML

from pipelines.release.lifecycle.files import load_as_dvc

VALUES = ["yes", "no", "on", "off", "Y", "true", "False", "1:30", "12", "-7", "0.5", "x", "010", ""]


@pytest.mark.parametrize("value", [*VALUES, True, False, None, 12, 0.25, -3])
def test_a_value_that_dvc_writes_is_read_as_the_same(value: object) -> None:
    stream = io.StringIO()
    yaml = YAML()
    yaml.dump({"positive": value}, stream)
    assert load_as_dvc(stream.getvalue()) == {"positive": value}


@pytest.mark.parametrize("text", ["yes", "'yes'", "no", "true", "1:30", "17", "0x1F", "0o17"])
def test_what_a_person_writes_is_read_as_dvc_does(text: str) -> None:
    expected = YAML(typ="safe", pure=True).load(f"positive: {text}")
    found = load_as_dvc(f"positive: {text}")
    assert found == expected
    assert type(found["positive"]) is type(expected["positive"])

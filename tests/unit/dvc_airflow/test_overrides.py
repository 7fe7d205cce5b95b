"""An override changes the key that it names, and nothing else in its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvc_airflow.graph.datafile import load_data
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.overrides import apply_overrides

SHARED = """\
mul: 2  # how often
base: &b
  lr: 1  # the rate
  n: 5
a: *b
m:
  <<: *b
  n: 6
"""


def written(folder: Path, text: str, overrides: dict[str, Any], name: str = "params.yaml") -> Any:
    (folder / name).write_bytes(text.encode("utf-8"))
    prefix = "" if name == "params.yaml" else f"{name}:"
    apply_overrides(folder, {f"{prefix}{key}": value for key, value in overrides.items()})
    return load_data(folder / name, name)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a.lr", (1, 9, 1)),
        ("base.lr", (9, 1, 1)),
        ("m.lr", (1, 1, 9)),
    ],
)
def test_a_shared_node_changes_only_where_it_is_named(tmp_path, key, expected):
    data = written(tmp_path, SHARED, {key: 9})
    assert (data["base"]["lr"], data["a"]["lr"], data["m"]["lr"]) == expected
    assert (data["mul"], data["base"]["n"], data["a"]["n"], data["m"]["n"]) == (2, 5, 5, 6)
    assert "# how often" in (tmp_path / "params.yaml").read_text()


def test_a_key_below_a_merged_mapping_changes_only_there(tmp_path):
    text = "b: &b {s: {lr: 1, n: 2}}\nm:\n  <<: *b\nk: {<<: [*b], z: 0}\n"
    data = written(tmp_path, text, {"m.s.lr": 9})
    assert data == {
        "b": {"s": {"lr": 1, "n": 2}},
        "m": {"s": {"lr": 9, "n": 2}},
        "k": {"s": {"lr": 1, "n": 2}, "z": 0},
    }


def test_a_shared_scalar_changes_only_where_it_is_named(tmp_path):
    assert written(tmp_path, "a: &x 0.5\nb: *x\nc: [*x]\n", {"a": 0.1}) == {
        "a": 0.1,
        "b": 0.5,
        "c": [0.5],
    }


def test_several_overrides_in_one_shared_node(tmp_path):
    data = written(tmp_path, SHARED, {"a.lr": 9, "a.n": 8, "base.n": 7})
    assert (data["base"], data["a"]) == ({"lr": 1, "n": 7}, {"lr": 9, "n": 8})
    assert data["m"] == {"lr": 1, "n": 6}


def test_a_value_that_is_there_already_leaves_the_file_alone(tmp_path):
    text = "a:   {b: 1,   c: 2}   # as it was\n"
    written(tmp_path, text, {"a.b": 1})
    assert (tmp_path / "params.yaml").read_text() == text


def test_toml_keeps_its_comments(tmp_path):
    text = "# top\n[train]\nlr = 1 # rate\nname = 'x'\n[other]\nlr = 1\n"
    assert written(tmp_path, text, {"train.lr": 0.5}, "p.toml") == {
        "train": {"lr": 0.5, "name": "x"},
        "other": {"lr": 1},
    }
    assert (tmp_path / "p.toml").read_text() == text.replace("lr = 1 #", "lr = 0.5 #")


def test_json_keeps_its_indentation_and_letters(tmp_path):
    text = json.dumps({"a": {"b": 1}, "ü": "é"}, indent=2, ensure_ascii=False) + "\n"
    written(tmp_path, text, {"a.b": 2}, "p.json")
    assert (tmp_path / "p.json").read_text(encoding="utf-8") == text.replace(": 1", ": 2")


def test_python_keeps_everything_but_the_value(tmp_path):
    text = (
        "LR = 1  # é rate\n"
        "class Train:\n    lr = 1\n    opts = {'a': {'b': [1, 2]}, 'c': 3}\n"
        "    def __init__(self):\n        self.seed: int = 4\n"
    )
    changes = {"LR": 0.5, "Train.opts.a.b": [3], "Train.seed": 7}
    data = written(tmp_path, text, changes, "p.py")
    assert data == {
        "LR": 0.5,
        "Train": {"lr": 1, "opts": {"a": {"b": [3]}, "c": 3}, "seed": 7},
    }
    assert "# é rate" in (tmp_path / "p.py").read_text(encoding="utf-8")


def test_a_value_that_a_format_cannot_hold_is_an_error_and_the_file_stays(tmp_path):
    with pytest.raises(WorkspaceError, match=r"cannot override lr: p\.toml cannot be written"):
        written(tmp_path, "lr = 1\n", {"lr": None}, "p.toml")
    assert (tmp_path / "p.toml").read_text() == "lr = 1\n"


def test_a_key_that_the_file_lacks_is_an_error(tmp_path):
    with pytest.raises(WorkspaceError, match=r"'a\.c': params\.yaml .* has no such key"):
        written(tmp_path, "a: {b: 1}\n", {"a.c": 2})


LEAVES = st.one_of(
    st.integers(-9, 9), st.sampled_from([0.5, 1e-5, True, None, "x", "yes", "1e3", "a: b", ""])
)
NAMES = st.sampled_from(["a", "b", "c", "on"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """YAML of several sections, in which later ones are, hold or merge earlier ones."""
    lines: list[str] = []
    anchors: list[str] = []
    for number in range(draw(st.integers(2, 5))):
        body = draw(st.dictionaries(NAMES, TREES, min_size=1, max_size=3))
        how = draw(st.sampled_from(["own", "own", "is", "holds", "merges", "merges all"]))
        if not anchors or how == "own":
            anchors.append(f"&s{number}")
            lines.append(f"s{number}: &s{number}  # section {number}")
            for key, value in body.items():
                lines.append(f"  {json.dumps(key)}: {_flow(draw, value, anchors[:-1])}")
            continue
        target = draw(st.sampled_from(anchors)).replace("&", "*")
        if how == "is":
            lines.append(f"s{number}: {target}")
        elif how == "holds":
            lines.append(f"s{number}: {{d: {target} , e: [{target} , 1]}}")
        else:
            merged = f"[{', '.join(f'{a} ' for a in map(_alias, anchors))}]"
            lines.append(f"s{number}: &s{number}")
            lines.append(f"  <<: {merged if how == 'merges all' else target}")
            lines += [f"  {json.dumps(k)}: {_flow(draw, v, [])}" for k, v in body.items()]
            anchors.append(f"&s{number}")
    return "\n".join(lines) + "\n"


def _alias(anchor: str) -> str:
    return anchor.replace("&", "*")


def _flow(draw: st.DrawFn, value: Any, anchors: list[str]) -> str:
    if anchors and draw(st.integers(0, 3)) == 0:
        return _alias(draw(st.sampled_from(anchors)))
    return json.dumps(value)


def _keys(data: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in data.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found += _keys(value, (*above, key))
    return found


def _set(data: Any, parts: tuple[str, ...], value: Any) -> Any:
    return {
        key: (_set(item, parts[1:], value) if parts[1:] else value) if key == parts[0] else item
        for key, item in data.items()
    }


@settings(max_examples=200, deadline=None)
@given(text=documents(), data=st.data())
def test_whatever_is_shared_exactly_the_named_key_changes(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("overrides")
    (folder / "params.yaml").write_text(text)
    before = load_data(folder / "params.yaml", "params.yaml")
    key = data.draw(st.sampled_from(_keys(before)))
    value = data.draw(st.one_of(LEAVES, TREES))

    apply_overrides(folder, {".".join(key): value})

    after = load_data(folder / "params.yaml", "params.yaml")
    expected = _set(before, key, value)
    assert json.dumps(after) == json.dumps(expected)
    assert not isinstance(value, float) or math.isfinite(value)
    if "*s" not in text:  # where a shared node is written out, ruamel can't keep every comment
        assert "# section" in (folder / "params.yaml").read_text()

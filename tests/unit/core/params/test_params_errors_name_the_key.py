"""A wrong params.yaml stops with the key's path, the value, and what is allowed."""

from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.core.params import load_params
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def error_of(tmp_path: Path, old: str, new: str) -> str:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SignalboxError) as caught:
        load_params(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  folds: 3", "  fold: 3", ["train.fold: unknown key (value 3)", "'folds'"]),
        ('delimiter: ","', 'delimiter: ",,"', ["data.source.delimiter: ',,' is not allowed"]),
        ("seed: 20260101", "seed: lucky", ["train.seed: 'lucky'", "valid integer"]),
        ("seed: 20260101", "seed: -1", ["train.seed: -1", "greater than or equal to 0"]),
        ("kind: csv", "kind: xls", ["data.source.kind: 'xls'", "'parquet'"]),
        ("train: 0.7", "train: 0.6", ["split: train + validation + test must be 1, not 0.9"]),
        ("select_by: roc_auc", "select_by: luck", ["train.select_by: 'luck'", "'roc_auc'"]),
        ("C: [0.1, 1.0]", "C: [0.1, 0]", ["train.models.logistic_regression.C.1: 0"]),
        ("bins: [25, 45, 65]", "bins: [45, 25]", ["data.sensitive.age: bins must rise"]),
        ("- [sex, race]", "- [sex, rase]", ["data: intersections names ['rase']", "'race'"]),
        (
            "  ignore: [fnlwgt]",
            "  after_outcome: [income]\n  ignore: [fnlwgt]",
            ["data: target 'income' is the outcome; take it out of after_outcome"],
        ),
        (
            "  suite: adult",
            "  leak_auc: 0.5\n  suite: adult",
            ["validate.leak_auc: 0.5", "greater than 0.5"],
        ),
        (
            "figure: drift.drifted_share",
            "figure: bias_audit.highest_fpr_ratio_to_reference:race",
            ["check 'drift'", "bias_audit.reference names no group of 'race'"],
        ),
        ("id: drift", "id: ranking", ["gate: check ids must differ", "ranking"]),
        ("threshold: 0.85", "threshold: .nan", ["gate.checks.4.threshold: nan", "finite"]),
        ("name: adult", 'name: "a b/../c"', ["data.name: 'a b/../c'"]),
        ("  feature: sex", "  feature: gender", ["bias_audit.mitigation.feature is 'gender'"]),
        ("slices: [education,", "slices: [income,", ["evaluate.slices names the target 'income'"]),
        (
            "  score_bins: 20",
            "  reference: {sec: x}\n  score_bins: 20",
            ["bias_audit.reference names 'sec'", "sex & race"],
        ),
        (
            "worst_impact_ratio:sex&race",
            "worst_impact_ratio:sex&age",
            ["'impact_ratio_sex_race' asks for bias_audit.worst", "'sex&age' is not audited"],
        ),
    ],
)
def test_the_message_names_key_value_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    message = error_of(tmp_path, old, new)
    for part in expected:
        assert part in message


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="no such file; start in the project's root"):
        load_params(tmp_path / "params.yaml")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    assert "line" in error_of(tmp_path, "data:\n", "data: [\n")


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("folds: 3", "folds: 1").replace("seed: 20260101", "seed: x")
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SignalboxError) as caught:
        load_params(path)
    assert "train.seed" in str(caught.value)
    assert "train.folds" in str(caught.value)


def test_every_key_of_params_yaml_has_a_comment_where_it_first_stands() -> None:
    """Keys of list items are explained at the first item, mappings by what is in them.

    The checks of both gates have the same keys, which the first gate explains.
    """
    lines = TEXT.splitlines()
    explained: set[str] = set()
    bare = []
    for node_line, full, is_leaf in _keys(yaml.compose(TEXT, Loader=yaml.CSafeLoader)):
        key = full.replace(".aiops.gate_rules.checks", ".gate.checks")
        if "#" in lines[node_line] or (node_line and lines[node_line - 1].lstrip().startswith("#")):
            explained.add(key)
        elif is_leaf and key not in explained:
            bare.append(f"line {node_line + 1}: {key}")
    assert bare == []


def _keys(node: yaml.Node, prefix: str = "") -> list[tuple[int, str, bool]]:
    found = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}.{key.value}"
            found.append((key.start_mark.line, name, isinstance(value, yaml.ScalarNode)))
            if prefix not in {".data.replace", ".data.sensitive"}:
                found += _keys(value, name)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            found += _keys(item, f"{prefix}[]")
    return found

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import TRUSTED, canonical, types_in

SCRIPT = """
import hashlib
from tests.unit.mlops.modeling.conftest import DATA, TRAIN, make_table
from pipelines.core.params import DataParams
from pipelines.core.params import TrainParams
from pipelines.mlops.modeling.store import canonical
from pipelines.mlops.modeling.training import fit
data = DataParams.model_validate(DATA)
kinds = {"hist_gradient_boosting": {"max_iter": [9]}, "logistic_regression": {},
         "random_forest": {"n_estimators": [3]}}
for kind, grid in kinds.items():
    train = TrainParams.model_validate(TRAIN | {"models": {kind: grid}})
    made = fit(make_table(), make_table(100, 1), data, train)
    import skops.io  # not earlier: what is imported before training must not matter
    print(hashlib.sha256(canonical(skops.io.dumps(made.model))).hexdigest(), made.info)
"""


def _run(seed: str, threads: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_two_processes_make_the_same_bytes() -> None:
    assert _run("1", "1") == _run("2", "2")


def test_a_canonical_model_loads_and_scores_the_same(fitted, table) -> None:
    again = skops.io.loads(canonical(skops.io.dumps(fitted.model)), trusted=sorted(TRUSTED))
    frame = table(100, 5)
    expected = score(fitted.model, fitted.info, frame)
    assert score(again, fitted.info, frame).tolist() == expected.tolist()


def test_neither_time_nor_addresses_are_left(fitted) -> None:
    content = canonical(skops.io.dumps(fitted.model))
    assert canonical(content) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        ids = _ids(json.loads(archive.read("schema.json")))
    assert max(ids) < 100_000  # numbers, not addresses


def _ids(node) -> list[int]:
    if isinstance(node, dict):
        own = [node["__id__"]] if "__id__" in node else []
        return own + [i for value in node.values() for i in _ids(value)]
    return [i for value in node for i in _ids(value)] if isinstance(node, list) else []


NESTED = st.recursive(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(NESTED, st.lists(st.floats(-9, 9), max_size=5))
@settings(deadline=None, max_examples=40)
def test_any_value_survives(value, numbers) -> None:
    array = np.array(numbers)
    content = canonical(skops.io.dumps({"value": value, "a": array, "b": array}))
    again = skops.io.loads(content)
    assert again["value"] == value
    assert again["a"].tolist() == again["b"].tolist() == numbers
    assert canonical(skops.io.dumps({"value": value, "a": array, "b": array})) == content


def test_types_of_functions_and_classes_are_seen() -> None:
    found = types_in(skops.io.dumps({"f": np.sqrt, "t": dict, "l": os.path.join}))
    assert any("sqrt" in name for name in found)
    assert any("join" in name for name in found)

"""After an erasure the pointer names fewer artifacts; releases go on."""

import json
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.lifecycle import release
from tests.unit.release.lifecycle.product import PRODUCT, consent, make_run, release_run

POINTER = "released/model_release.json"


def change_pointer(project: Path, **artifacts: str | None) -> None:
    path = project / POINTER
    pointer = json.loads(path.read_text())
    for name, value in artifacts.items():
        key = {"train": "data/split/train.parquet", "model": "models/model.skops"}[name]
        if value is None:
            del pointer["released"]["artifacts"][key]
        else:
            pointer["released"]["artifacts"][key] = value
    path.write_text(json.dumps(pointer))


def test_a_pointer_that_an_erasure_shortened_does_not_stop_the_next_release(project: Path) -> None:
    release_run(project, 1)
    change_pointer(project, train=None)
    made = make_run(project, 2)
    consent(project, made)
    assert release(project, PRODUCT, made).version == "v1.1.0"


def test_a_pointer_that_names_another_artifact_still_stops_it(project: Path) -> None:
    release_run(project, 1)
    change_pointer(project, model="0" * 64)
    made = make_run(project, 2)
    consent(project, made)
    with pytest.raises(SignalboxError, match="no release in the ledger wrote that"):
        release(project, PRODUCT, made)

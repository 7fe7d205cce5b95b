from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.core.params import DataParams, EvaluateParams
from pipelines.mlops.modeling.info import ModelInfo

INFO = {
    "sha256": "0" * 64,
    "target": "y",
    "positive": "yes",
    "negative": "no",
    "rows": 1000,
    "prior": 0.3,
    "score_floor": 0.001,
    "inputs": [],
    "chosen": {"kind": "logistic_regression", "settings": {}},
    "calibration": "none",
    "class_weight": "none",
    "seed": 1,
    "threshold": {"value": 0.5, "rule": "fixed", "words": "fixed"},
    "versions": {},
}


@pytest.fixture
def info() -> ModelInfo:
    return ModelInfo.model_validate(INFO)


@pytest.fixture
def data() -> DataParams:
    return DataParams.model_validate(
        {
            "name": "toy",
            "source": {"kind": "parquet", "paths": ["x"], "watch": "x"},
            "target": "y",
            "positive": "yes",
            "sensitive": {"sex": {}, "age": {"bins": [30, 50]}},
        }
    )


@pytest.fixture
def settings() -> EvaluateParams:
    return EvaluateParams(
        replicates=100, confidence=0.9, calibration_bins=5, slices=["city"], min_slice=10
    )


@pytest.fixture
def table() -> Callable[..., tuple[pd.DataFrame, np.ndarray]]:
    def make(n: int = 300, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
        rng = np.random.default_rng(seed)
        scores = rng.random(n).round(2)
        frame = pd.DataFrame(
            {
                "sex": rng.choice(["f", "m"], n),
                "age": rng.integers(18, 70, n),
                "city": np.where(rng.random(n) < 0.2, None, rng.choice(["a", "b"], n)),
                "y": np.where(rng.random(n) < scores, "yes", "no"),
                "subject_id": [f"s{i}" for i in rng.integers(0, n, n)],
                "row_id": range(n),
            }
        ).astype({"sex": "str", "city": "str", "y": "str", "subject_id": "str"})
        return frame, np.clip(scores, 0.001, 0.999)

    return make

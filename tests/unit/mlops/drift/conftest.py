from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.core.params import DataParams, DriftParams

DATA = {
    "name": "toy",
    "source": {"kind": "parquet", "paths": ["x"], "watch": "x"},
    "target": "y",
    "positive": "yes",
    "sensitive": {"sex": {}},
    "ignore": ["weight"],
}


def make_table(n: int = 500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "colour": np.where(rng.random(n) < 0.2, None, rng.choice(["red", "blue"], n)),
            "sex": rng.choice(["f", "m"], n),
            "weight": rng.random(n),
            "y": rng.choice(["yes", "no"], n),
            "subject_id": [f"s{i}" for i in range(n)],
            "row_id": range(n),
        }
    ).astype({"colour": "str", "sex": "str", "y": "str", "subject_id": "str"})


@pytest.fixture
def table() -> Callable[..., pd.DataFrame]:
    return make_table


@pytest.fixture
def data() -> DataParams:
    return DataParams.model_validate(DATA)


@pytest.fixture
def drift() -> DriftParams:
    return DriftParams(column_threshold=0.1, max_rows=1000)

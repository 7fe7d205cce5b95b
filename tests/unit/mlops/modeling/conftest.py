from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.params import DataParams, TrainParams
from pipelines.mlops.modeling.store import save_model
from pipelines.mlops.modeling.training import Fitted, fit

DATA = {
    "name": "toy",
    "source": {"kind": "parquet", "paths": ["x"], "watch": "x"},
    "target": "y",
    "positive": "yes",
    "sensitive": {"sex": {}},
    "ignore": ["weight"],
}
TRAIN = {
    "seed": 1,
    "models": {"logistic_regression": {"C": [0.1, 1.0]}},
    "folds": 3,
    "select_by": "roc_auc",
    "calibration": "isotonic",
    "class_weight": "none",
    "use_sensitive": False,
    "threshold": {"rule": "max_accuracy"},
}


def make_table(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n)
    colour = rng.choice(np.array(["red", "green", "blue"], dtype=object), n)
    y = amount + (colour == "red") + rng.normal(size=n) > 0.5
    frame = pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.1, np.nan, amount),
            "colour": np.where(rng.random(n) < 0.1, None, colour),
            "sex": rng.choice(["f", "m"], n),
            "weight": rng.random(n),
            "y": np.where(y, "yes", "no"),
            "subject_id": [f"s{i}" for i in rng.integers(0, n * 3 // 4, n)],
            "row_id": range(n),
        }
    )
    return frame.astype({"colour": "str", "sex": "str", "y": "str", "subject_id": "str"})


@pytest.fixture(scope="session")
def table() -> Callable[..., pd.DataFrame]:
    return make_table


@pytest.fixture(scope="session")
def data() -> DataParams:
    return DataParams.model_validate(DATA)


@pytest.fixture(scope="session")
def train() -> Callable[..., TrainParams]:
    return lambda **changes: TrainParams.model_validate(TRAIN | changes)


@pytest.fixture(scope="session")
def fitted(data: DataParams, train: Callable[..., TrainParams]) -> Fitted:
    return fit(make_table(), make_table(200, 1), data, train())


@pytest.fixture
def saved(fitted: Fitted, tmp_path: Path) -> tuple[Path, Path, Any]:
    model, description = tmp_path / "model.skops", tmp_path / "model.json"
    info = fitted.info.model_copy(update={"sha256": save_model(model, fitted.model)})
    description.write_text(info.model_dump_json())
    return model, description, info

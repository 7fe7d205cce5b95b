"""Small seeded data sets for the tests of the bias audit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.mlops.fairness import AuditConfig, ContingencyTable, FeatureSpec, encode_groups
from pipelines.mlops.fairness import build_table as count

SEX = FeatureSpec(name="sex")
RACE = FeatureSpec(name="race", unknown_values=("?",))
AGE = FeatureSpec(name="age", edges=(25, 45, 65))
SPECS = (SEX, RACE, AGE)


def people(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Male", "Female"], rows, p=[0.67, 0.33]),
            "race": rng.choice(["White", "Black", "Asian", "?"], rows, p=[0.7, 0.17, 0.1, 0.03]),
            "age": rng.integers(17, 90, rows),
        }
    )
    frame["score"] = np.clip(rng.beta(2, 3, rows) + 0.1 * (frame["sex"] == "Male"), 0, 1)
    frame["y"] = (rng.random(rows) < frame["score"]).astype(int)
    frame["decision"] = (frame["score"] >= 0.5).astype(int)
    return frame


def table(frame: pd.DataFrame, specs: tuple[FeatureSpec, ...] = SPECS) -> ContingencyTable:
    return count(encode_groups(frame, specs), frame["y"], frame["decision"], frame.get("score"))


def selections(groups: dict[str, tuple[int, int]]) -> ContingencyTable:
    """One feature ``group``: (selected, rows) each; truth equals the decision."""
    frame = pd.concat(
        [
            pd.DataFrame({"group": name, "decision": [1] * chosen + [0] * (rows - chosen)})
            for name, (chosen, rows) in groups.items()
        ]
    )
    frame["y"] = frame["decision"]
    return table(frame, (FeatureSpec(name="group"),))


def one_feature(**changes: object) -> AuditConfig:
    settings = {"features": (FeatureSpec(name="group"),), "compare_all": True, "replicates": 200}
    return AuditConfig.model_validate(settings | changes)

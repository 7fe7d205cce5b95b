"""Live figures are as sure as the people are many, however many rows each has."""

import numpy as np
import pandas as pd
import pytest

from pipelines.core.evidence import Figure
from pipelines.core.params import BiasAuditParams, EvaluateParams
from pipelines.core.tables import SUBJECT, UNREADABLE
from pipelines.mlops.data.columns import decision_words
from pipelines.mlops.monitoring.figures import (
    Live,
    fairness_figures,
    performance_figures,
    quality_figures,
)
from pipelines.mlops.scoring.record import ColumnCounts, Record
from tests.conftest import data_params

CONFIG = BiasAuditParams.model_validate(
    {
        "replicates": 200, "confidence": 0.95, "score_bins": 10, "min_share": 0.02,
        "mitigation": {"method": "none", "constraint": "demographic_parity"},
    }
)  # fmt: skip
DATA = data_params(sensitive={"colour": {}})


def live(rows_each: int) -> Live:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(300), rows_each)
    colour, score = rng.choice(["red", "blue"], 300), rng.random(300)
    predictions = pd.DataFrame(
        {
            SUBJECT: [f"s{one}" for one in owner],
            "score": score[owner],
            "decision": np.where(score[owner] >= 0.5, "yes", "no"),
            UNREADABLE: ["x" if one < 6 else None for one in owner],
        }
    )
    return Live(predictions, pd.DataFrame({"colour": colour[owner]}))


def records(strange: int) -> list[Record]:
    return [Record.model_construct(columns={"colour": ColumnCounts(strange=strange)})]


def widths(figures: list[Figure]) -> dict[str, float]:
    found = {}
    for figure in figures:
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        found[figure.id] = figure.high - figure.low
    return found


def test_shares_are_no_surer_for_more_rows_of_the_same_people() -> None:
    once, often = (
        quality_figures(live(k), records(9 * k), "yes", decision_words(DATA), 10) for k in (1, 12)
    )
    assert [figure.n for figure in often] == [12 * figure.n for figure in once]
    assert widths(often) == pytest.approx(widths(once), abs=1e-6)


def test_fairness_is_no_surer_for_more_rows_of_the_same_people() -> None:
    once, often = (fairness_figures(live(k), None, 0.5, (DATA, CONFIG), 10) for k in (1, 12))
    assert widths(often) == pytest.approx(widths(once), abs=1e-6)


def test_performance_is_no_surer_for_more_rows_of_the_same_people() -> None:
    config = EvaluateParams(
        replicates=200, confidence=0.95, calibration_bins=5, slices=[], min_slice=10
    )
    chance = np.random.default_rng(1).random(300)
    found = []
    for k in (1, 12):
        rows = live(k)
        score = rows.predictions["score"].to_numpy()
        y = (np.repeat(chance, k) < score).astype("int8")
        found.append(performance_figures(rows, y, 0.5, config, 10))
    once, often = found
    assert widths(often) == pytest.approx(widths(once), abs=1e-6)
    assert {figure.id for figure in once} >= {"live.calibration_error", "live.accuracy"}

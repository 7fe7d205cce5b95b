"""Point estimates are those of fairlearn's ``MetricFrame``, to 1e-12."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, precision_score

from pipelines.mlops.fairness import AuditConfig, FeatureSpec, audit

from .frames import table

METRICS = {
    "selection_rate": selection_rate,
    "tpr": true_positive_rate,
    "fpr": false_positive_rate,
    "precision": precision_score,
    "accuracy": accuracy_score,
    "fnr": false_negative_rate,
    "fdr": lambda y, decision: 1 - precision_score(y, decision),
    # Of those not selected, the positives: precision of the opposite decision on opposite labels.
    "for": lambda y, decision: 1 - precision_score(1 - y, 1 - decision),
}
SPECS = (FeatureSpec(name="a"), FeatureSpec(name="b"))
CONFIG = AuditConfig(features=SPECS, intersections=(("a", "b"),), compare_all=True, replicates=100)
QUIET = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def decisions(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(12, 60))
    bits = arrays(np.int64, rows, elements=st.integers(0, 1))
    levels = arrays(np.int64, rows, elements=st.integers(0, 2))
    frame = pd.DataFrame({"y": draw(bits), "decision": draw(bits), "a": draw(levels)})
    frame["b"] = draw(bits)
    return frame.astype({"a": str, "b": str})


def oracle(frame: pd.DataFrame, columns: list[str]) -> MetricFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zero divisions, which we report instead
        return MetricFrame(
            metrics=METRICS,
            y_true=frame["y"],
            y_pred=frame["decision"],
            sensitive_features=frame[columns],
        )


@QUIET
@given(decisions())
def test_rates_by_group_and_intersection_equal_fairlearns(frame: pd.DataFrame) -> None:
    for dimension in audit(table(frame, SPECS), CONFIG).dimensions:
        expected = oracle(frame, list(dimension.features)).by_group
        assert len(dimension.groups) == len(expected.dropna(how="all"))
        for row in dimension.groups:
            levels = tuple(row.levels.values())
            theirs = expected.loc[levels if len(levels) > 1 else levels[0]]
            for name, estimate in row.rates.items():
                if name in METRICS and estimate.value is not None:
                    assert estimate.value == pytest.approx(theirs[name], abs=1e-12)


@QUIET
@given(decisions())
def test_differences_and_ratios_equal_fairlearns(frame: pd.DataFrame) -> None:
    for dimension in audit(table(frame, SPECS), CONFIG).dimensions:
        theirs = oracle(frame, list(dimension.features))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            differences, ratios = theirs.difference(), theirs.ratio()
        for found in dimension.disparities:
            if found.left_out or found.estimate.value is None or found.name.startswith("equalized"):
                continue
            expected = differences if found.name.endswith("difference") else ratios
            assert found.estimate.value == pytest.approx(expected[found.rate], abs=1e-12)


@QUIET
@given(decisions())
def test_named_fairness_metrics_equal_fairlearns(frame: pd.DataFrame) -> None:
    functions = {
        "demographic_parity_difference": demographic_parity_difference,
        "demographic_parity_ratio": demographic_parity_ratio,
        "equal_opportunity_difference": equal_opportunity_difference,
        "equal_opportunity_ratio": equal_opportunity_ratio,
        "equalized_odds_difference": equalized_odds_difference,
        "equalized_odds_ratio": equalized_odds_ratio,
    }
    dimension = audit(table(frame, SPECS), CONFIG).dimensions[0]
    for found in dimension.disparities:
        if found.name in functions and found.estimate.value is not None and not found.left_out:
            expected = functions[found.name](
                frame["y"], frame["decision"], sensitive_features=frame["a"]
            )
            assert found.estimate.value == pytest.approx(expected, abs=1e-12)

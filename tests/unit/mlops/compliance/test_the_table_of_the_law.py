"""Local Law 144's own table: the favourable decision, and the law's two per cent, here alone."""

import pandas as pd
import pytest

from pipelines.mlops.compliance.hiring import law_ratios
from pipelines.mlops.fairness import AuditResult, FeatureSpec, audit
from tests.unit.mlops.fairness.frames import one_feature, table

COUNTS = {"A": (140, 700), "B": (29, 290), "C": (8, 10), None: (290, 300)}
"""Category → decided positive, rows; C is 0.8 % of all, None is not known."""


def audited(counts: dict[str | None, tuple[int, int]] = COUNTS, **settings: object) -> AuditResult:
    frame = pd.concat(
        [
            pd.DataFrame({"group": name, "decision": [1] * chosen + [0] * (rows - chosen)})
            for name, (chosen, rows) in counts.items()
        ]
    )
    rows = table(frame.assign(y=frame["decision"]), (FeatureSpec(name="group"),))
    return audit(rows, one_feature(compare_all=False, **settings))


def ratios(found: AuditResult) -> dict[str, float | None]:
    return law_ratios(found.dimensions[0], found)


def test_a_category_below_two_percent_is_left_out_and_is_no_yardstick() -> None:
    found = audited()
    assert ratios(found) == {"A": 1.0, "B": pytest.approx(0.1 / 0.2)}
    # The audit itself compares it: ten rows at four times the others' rate are no chance.
    assert found.figure("worst_impact_ratio").highest == "C"


def test_without_a_minimum_share_every_known_category_counts() -> None:
    assert ratios(audited(min_share=0.0)) == {
        "A": pytest.approx(0.2 / 0.8), "B": pytest.approx(0.1 / 0.8), "C": 1.0,
    }  # fmt: skip


def test_where_the_model_flags_whoever_is_not_flagged_counts_as_selected() -> None:
    found = audited(favourable_is_positive=False)
    assert ratios(found) == {"A": pytest.approx(0.8 / 0.9), "B": 1.0}
    assert found.favoured == "not flagged"


def test_where_nobody_is_selected_there_is_no_ratio() -> None:
    assert ratios(audited({"A": (0, 500), "B": (0, 500)})) == {"A": None, "B": None}

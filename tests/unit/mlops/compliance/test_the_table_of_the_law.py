"""Local Law 144's own table: the favourable decision, and the law's two per cent, here alone."""

from typing import Any

import pytest

from pipelines.mlops.compliance.hiring import law_ratios
from pipelines.mlops.release_report.fairness_shapes import Audit, Dimension

COUNTS = {"A": (700, 140, "compared"), "B": (290, 29, "compared"), "C": (10, 8, "excluded")}
"""Category → rows, decided positive, role in the audit."""


def audit(orientation: str, min_share: float = 0.02) -> tuple[Audit, Dimension]:
    rate = "selection_rate" if orientation == "assistive" else "nonselection_rate"

    def group(label: str, n: int, positive: int, role: str) -> dict[str, Any]:
        rates = {
            "selection_rate": {"value": positive / n, "n": n, "numerator": positive},
            "nonselection_rate": {"value": 1 - positive / n, "n": n, "numerator": n - positive},
        }
        return {"group": label, "role": role, "n": n, "share": n / 1000, "rates": rates}

    rows = [group(label, *counts) for label, counts in COUNTS.items()]
    rows.append(group("unknown", 300, 290, "unknown"))
    made = Audit.model_validate(
        {
            "rows": 1000, "level": 0.95, "replicates": 100, "alpha": 0.05, "min_share": min_share,
            "tests_corrected": 1, "orientation": orientation, "favourable_rate": rate,
            "dimensions": [{"dimension": "race", "groups": rows}],
        }
    )  # fmt: skip
    return made, made.dimensions[0]


def test_a_category_below_two_percent_is_left_out_and_is_no_yardstick() -> None:
    found, dimension = audit("assistive")
    assert law_ratios(dimension, found) == {"A": 1.0, "B": pytest.approx(0.1 / 0.2)}


def test_without_a_minimum_share_every_known_category_counts() -> None:
    found, dimension = audit("assistive", min_share=0.0)
    assert law_ratios(dimension, found) == {
        "A": pytest.approx(0.2 / 0.8), "B": pytest.approx(0.1 / 0.8), "C": 1.0,
    }  # fmt: skip


def test_where_the_model_flags_whoever_is_not_flagged_counts_as_selected() -> None:
    found, dimension = audit("punitive")
    assert law_ratios(dimension, found) == {"A": pytest.approx(0.8 / 0.9), "B": 1.0}
    assert found.favoured == "not flagged"


def test_where_nobody_is_selected_there_is_no_ratio() -> None:
    found, dimension = audit("assistive")
    for group in dimension.groups:
        group.rates["selection_rate"] = group.rates["selection_rate"].model_copy(
            update={"value": 0.0}
        )
    assert law_ratios(dimension, found) == {"A": None, "B": None}

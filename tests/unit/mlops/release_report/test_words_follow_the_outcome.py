"""Where the positive label is the bad outcome, the report says who is flagged, and who is harmed.

The page is made from a real audit of made-up people, and held against plain pandas.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.evidence import Figure
from pipelines.core.params import BiasAuditParams
from pipelines.mlops import report
from pipelines.mlops.fairness.evidence import Scored, audit_scores, describe
from pipelines.reporting.page import render
from tests.conftest import data_params
from tests.support.markup import Page

from . import cases

ROWS = 4000
CONFIG = BiasAuditParams.model_validate(
    {
        "replicates": 100, "confidence": 0.95, "score_bins": 10, "min_share": 0.02,
        "mitigation": {"method": "none", "constraint": "demographic_parity"},
    }
)  # fmt: skip


def people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    race = rng.choice(["Black", "White"], ROWS)
    y = rng.random(ROWS) < np.where(race == "Black", 0.5, 0.4)
    flag = rng.random(ROWS) < np.where(y, 0.7, np.where(race == "Black", 0.45, 0.2))
    return pd.DataFrame({"race": race, "y": y, "flag": flag})


FRAME = people()


def made(favourable: str) -> Page:
    """The report of a model that decides "yes", which is bad for people unless `favourable`."""
    data = data_params(sensitive={"race": {}}, favourable=favourable)
    rows = Scored(FRAME, FRAME["flag"].to_numpy().astype(float), FRAME["y"].to_numpy().astype(int))
    audit = audit_scores(rows, 0.5, data, CONFIG)
    figures: list[Figure] = describe(audit, CONFIG, rows=ROWS)
    found = {**cases.figures(), "bias_audit": figures}
    policy = [
        check | {"figure": "bias_audit.worst_impact_ratio:race"}
        if check["id"] == "ratio"
        else check
        for check in cases.checks()
    ]
    details = {**cases.NO_FAIRNESS, "audit": audit.to_dict()}
    changes: dict[str, dict[str, Any]] = {
        "data": {
            "positive": "yes", "favourable": favourable, "sensitive": {"race": {}},
            "intersections": [],
        },
        "bias_audit": {"mitigation": {"method": "none", "constraint": "demographic_parity"}},
    }  # fmt: skip
    params = cases.leave({"bias_audit": details}, found, policy, changes)
    return Page(render(report.make_page(report.gather_inputs(params))))


def thousand(rows: "pd.Series[bool]", what: "pd.Series[bool]", race: str) -> str:
    return f"{what[rows & (FRAME['race'] == race)].mean() * 1000:,.0f}"


ALL = pd.Series(True, index=FRAME.index)
Y, FLAG = FRAME["y"], FRAME["flag"]


@pytest.mark.usefixtures("here")
def test_a_punitive_decision_flags_and_its_harm_is_named_with_the_numbers() -> None:
    text = made("no").text
    black, white = (thousand(ALL, FLAG, race) for race in ("Black", "White"))
    assert (
        f"The furthest behind is Black (by race): of 1,000 such people the model flags {black}, "
        f"of 1,000 of White it flags {white}. The impact ratio of not being flagged is "
    ) in text
    wrongly, spared = (thousand(~Y, FLAG, race) for race in ("Black", "White"))
    assert (
        f"of 1,000 people of Black whose true label is no, the model flags {wrongly}; of 1,000 of "
        f"White, {spared} (false positive rate"
    ) in text
    false, less = (thousand(FLAG, ~Y, race) for race in ("Black", "White"))
    assert (
        f"of 1,000 people of Black who are flagged, {false} are no in truth; of 1,000 of White, "
        f"{less} (false discovery rate"
    ) in text
    assert "Who is wrongly flagged" in text
    assert "itself: least flagged" in text
    assert "Flag rate by race" in text
    assert "Some groups are flagged far more often than others" in text


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("word", ["most selected", "selects", "Selection rate", "is selected when"])
def test_a_punitive_decision_never_selects(word: str) -> None:
    chapters = made("no").text
    # The law's table and chapter have words of their own.
    assert word not in chapters.replace("Selection rates and impact ratios", "")


@pytest.mark.usefixtures("here")
def test_the_same_decision_selects_where_yes_is_the_good_outcome() -> None:
    text = made("yes").text
    black, white = (thousand(ALL, FLAG, race) for race in ("Black", "White"))
    assert (
        f"The furthest behind is White (by race): of 1,000 such people the model selects {white}, "
        f"of 1,000 of Black it selects {black}."
    ) in text
    missed, less = (thousand(Y, ~FLAG, race) for race in ("White", "Black"))
    first, second = ("White", "Black") if float(missed) > float(less) else ("Black", "White")
    high, low = max(missed, less), min(missed, less)
    assert (
        f"of 1,000 people of {first} whose true label is yes, {high} are not selected; of 1,000 "
        f"of {second}, {low} (false negative rate"
    ) in text
    assert "Who is wrongly not selected" in text
    assert "flagged" not in text.split("Method", maxsplit=1)[0]


@pytest.mark.usefixtures("here")
def test_what_leaks_is_shown_in_red_with_the_columns_name() -> None:
    alone = {
        "name": "7+2y", "roc_auc": 1.0, "balanced_accuracy": 1.0, "distinct_share": 0.002,
        "decides_target": True, "names_rows": False,
    }  # fmt: skip
    number = {**alone, "name": "Unnamed: 0", "distinct_share": 1.0, "names_rows": True}
    innocent = {**alone, "name": "age", "roc_auc": 0.7, "decides_target": False}
    details = {**cases.validate(), "columns": [innocent, alone, number]}
    params = cases.leave({"validate": details})
    page = Page(render(report.make_page(report.gather_inputs(params))))
    assert "The target leaks" in page.text
    assert "7+2y, Unnamed: 0 each alone decide the target." in page.text
    assert "Unnamed: 0 differs in nearly every row" in page.text
    silent = cases.leave({"validate": {**cases.validate(), "columns": [innocent]}})
    assert "The target leaks" not in render(report.make_page(report.gather_inputs(silent)))

"""What a decision means to the person decides which rates are good, held against plain pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.core.evidence import Figure
from pipelines.core.params import BiasAuditParams
from pipelines.mlops.fairness import AuditConfig, AuditResult, FeatureSpec, audit
from pipelines.mlops.fairness.evidence import Scored, audit_scores, describe
from pipelines.mlops.fairness.orientation import ASSISTIVE, PUNITIVE, needs_labels
from pipelines.mlops.fairness.rates import RATES
from tests.conftest import data_params

from .frames import one_feature, selections, table

ROWS = 3000
GROUPS = ("Asian", "Black", "White")
REFERENCE = "White"
CONFIG = BiasAuditParams.model_validate(
    {
        "replicates": 200, "confidence": 0.95, "score_bins": 10, "min_share": 0.02,
        "reference": {"race": REFERENCE},
        "mitigation": {"method": "none", "constraint": "demographic_parity"},
    }
)  # fmt: skip
DATA = data_params(target="two_year_recid", positive="yes", favourable="no", sensitive={"race": {}})


def recidivism() -> pd.DataFrame:
    """People who reoffend (the positive label, a bad outcome) or not; Black people score higher."""
    rng = np.random.default_rng(11)
    race = rng.choice(GROUPS, ROWS, p=[0.2, 0.4, 0.4])
    y = (rng.random(ROWS) < np.where(race == "Black", 0.5, 0.38)).astype("int8")
    scores = np.clip(rng.beta(2, 3, ROWS) + 0.25 * y + 0.15 * (race == "Black"), 0, 1)
    return pd.DataFrame({"race": race, "y": y, "score": scores, "flag": scores >= 0.5})


FRAME = recidivism()


def result() -> AuditResult:
    rows = Scored(FRAME, FRAME["score"].to_numpy(), FRAME["y"].to_numpy())
    return audit_scores(rows, 0.5, DATA, CONFIG)


def figures() -> dict[str, Figure]:
    return {figure.id: figure for figure in describe(result(), CONFIG, rows=ROWS)}


def by_group(of: pd.Series[bool], what: pd.Series[bool]) -> pd.Series[float]:
    """Share of the rows in `of` that are in `what`, by race; plain pandas."""
    return what[of].groupby(FRAME["race"][of]).mean()


Y, FLAG = FRAME["y"] == 1, FRAME["flag"]
EVERYBODY = pd.Series(True, index=FRAME.index)
EXPECTED = {
    "not_flagged": by_group(EVERYBODY, ~FLAG),
    "flagged": by_group(EVERYBODY, FLAG),
    "fpr": by_group(~Y, FLAG),
    "fdr": by_group(FLAG, ~Y),
    "tpr": by_group(Y, FLAG),
    "precision": by_group(FLAG, Y),
    "accuracy": by_group(EVERYBODY, FLAG == Y),
}


def spread(name: str) -> float:
    return float(EXPECTED[name].max() - EXPECTED[name].min())


def smallest_ratio(name: str) -> float:
    return float(EXPECTED[name].min() / EXPECTED[name].max())


def test_every_figure_of_a_punitive_decision_equals_pandas() -> None:
    expected = {
        "worst_impact_ratio": smallest_ratio("not_flagged"),
        "largest_selection_rate_difference": spread("flagged"),
        "largest_tpr_difference": spread("tpr"),
        "largest_fpr_difference": spread("fpr"),
        "largest_equalized_odds_difference": max(spread("tpr"), spread("fpr")),
        "largest_precision_difference": spread("precision"),
        "largest_accuracy_difference": spread("accuracy"),
        "worst_fpr_ratio": smallest_ratio("fpr"),
        "largest_fdr_difference": spread("fdr"),
        "worst_fdr_ratio": smallest_ratio("fdr"),
        "worst_flag_rate_ratio": smallest_ratio("flagged"),
    }
    found = figures()
    for name, value in expected.items():
        for figure_id in (f"bias_audit.{name}", f"bias_audit.{name}:race"):
            assert found[figure_id].value == pytest.approx(value, abs=1e-12), figure_id
    assert set(expected) == set(PUNITIVE.figures)


@pytest.mark.parametrize(
    ("short", "rate"), [("impact", "not_flagged"), ("fpr", "fpr"), ("fdr", "fdr")]
)
def test_both_directions_against_the_chosen_reference_equal_pandas(short: str, rate: str) -> None:
    ratios = (EXPECTED[rate] / EXPECTED[rate][REFERENCE]).drop(REFERENCE)
    found = figures()
    for side, group in (("highest", ratios.idxmax()), ("lowest", ratios.idxmin())):
        figure = found[f"bias_audit.{side}_{short}_ratio_to_reference:race"]
        assert figure.value == pytest.approx(ratios[group], abs=1e-12)
        assert (figure.where["group"], figure.where["reference"]) == (group, REFERENCE)
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high  # type: ignore[operator]


def test_the_harmed_group_is_the_lowest_and_the_spared_one_the_highest() -> None:
    worst = figures()["bias_audit.worst_impact_ratio:race"]
    assert worst.where["lowest"] == EXPECTED["flagged"].idxmax() == "Black"
    assert worst.where["highest"] == EXPECTED["flagged"].idxmin()
    assert worst.label == "Worst impact ratio (of not being flagged), race"
    ratios = {ratio.group: ratio for ratio in result().dimensions[0].impact_ratios}
    assert ratios["Black"].estimate.value == pytest.approx(smallest_ratio("not_flagged"))
    assert ratios["Black"].below_four_fifths


def test_without_a_chosen_reference_groups_are_compared_with_the_least_flagged() -> None:
    rows = Scored(FRAME, FRAME["score"].to_numpy(), FRAME["y"].to_numpy())
    found = audit_scores(rows, 0.5, DATA, CONFIG.model_copy(update={"reference": {}}))
    assert found.dimensions[0].reference == EXPECTED["flagged"].idxmin()
    assert found.dimensions[0].against_reference == ()


def test_tests_count_those_who_are_not_flagged() -> None:
    for test in result().dimensions[0].tests:
        mine = FRAME[FRAME["race"] == test.group]
        assert (test.selected, test.n) == (int((~mine["flag"]).sum()), len(mine))


def test_an_audit_without_a_favourable_label_is_refused() -> None:
    rows = Scored(FRAME, FRAME["score"].to_numpy(), FRAME["y"].to_numpy())
    with pytest.raises(Exception, match=r"data.favourable is null.*'yes', or the other one"):
        audit_scores(rows, 0.5, DATA.model_copy(update={"favourable": None}), CONFIG)


SPECS = (FeatureSpec(name="a"),)
MIRRORED = {
    "worst_impact_ratio": "worst_impact_ratio",
    "largest_selection_rate_difference": "largest_selection_rate_difference",
    "largest_equalized_odds_difference": "largest_equalized_odds_difference",
    "largest_accuracy_difference": "largest_accuracy_difference",
    "largest_fnr_difference": "largest_fpr_difference",
    "worst_fnr_ratio": "worst_fpr_ratio",
    "largest_for_difference": "largest_fdr_difference",
    "worst_for_ratio": "worst_fdr_ratio",
    "largest_fpr_difference": "largest_tpr_difference",  # of FNR: wrongly spared
    "largest_tpr_difference": "largest_fpr_difference",
}
"""Figure where the favourable label is the positive one → the same with the labels exchanged."""


@st.composite
def decisions(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(20, 200))
    bits = arrays(np.int64, rows, elements=st.integers(0, 1))
    frame = pd.DataFrame({"y": draw(bits), "decision": draw(bits)})
    return frame.assign(a=draw(arrays(np.int64, rows, elements=st.integers(0, 2)))).astype(
        {"a": str}
    )


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(decisions(), st.booleans())
def test_exchanging_the_labels_changes_no_favourable_figure(
    frame: pd.DataFrame, everyone: bool
) -> None:
    def audited(rows: pd.DataFrame, *, positive: bool) -> AuditResult:
        return audit(
            table(rows, SPECS),
            AuditConfig(
                features=SPECS,
                replicates=100,
                compare_all=everyone,
                favourable_is_positive=positive,
                reference="highest_rate",
            ),
        )

    good = audited(frame, positive=True)
    bad = audited(frame.assign(y=1 - frame["y"], decision=1 - frame["decision"]), positive=False)
    for name, other in MIRRORED.items():
        mine, theirs = good.figure(name), bad.figure(other)
        assert mine.estimate.value == pytest.approx(theirs.estimate.value, abs=1e-12), name
        assert {out.group for out in mine.left_out} == {out.group for out in theirs.left_out}
    ours, others = good.dimensions[0], bad.dimensions[0]
    assert ours.reference == others.reference
    assert [r.group for r in ours.impact_ratios] == [r.group for r in others.impact_ratios]
    for one, two in zip(ours.impact_ratios, others.impact_ratios, strict=True):
        assert one.estimate.value == pytest.approx(two.estimate.value, abs=1e-12)
        assert one.versus == two.versus
    for first, second in zip(ours.groups, others.groups, strict=True):
        assert first.rates["selection_rate"].value == second.rates["nonselection_rate"].value
        assert first.rates["fnr"].value == second.rates["fpr"].value
        assert first.rates["for"].value == second.rates["fdr"].value
        assert first.rates["tpr"].value == second.rates["tnr"].value
    for left, right in zip(ours.tests, others.tests, strict=True):
        assert (left.selected, left.n) == (right.selected, right.n)
        assert left.fisher_p == pytest.approx(right.fisher_p, rel=1e-9)


@pytest.mark.parametrize("how", [ASSISTIVE, PUNITIVE])
def test_every_notion_is_a_rate_and_every_figure_a_disparity(how: object) -> None:
    assert how in (ASSISTIVE, PUNITIVE)
    chosen = ASSISTIVE if how is ASSISTIVE else PUNITIVE
    assert set(chosen.notions.values()) <= set(RATES)
    assert {chosen.favourable_rate, *chosen.harmful_rates} <= set(RATES)
    made = {f"{notion}_{kind}" for notion in chosen.notions for kind in ("difference", "ratio")}
    assert set(chosen.figures.values()) <= made | {"equalized_odds_difference"}
    without = {name for name in chosen.figures if not needs_labels(chosen, name)}
    assert without >= {"worst_impact_ratio", "largest_selection_rate_difference"}
    assert ("worst_flag_rate_ratio" in without) is (chosen is PUNITIVE)


def test_the_interval_of_the_extreme_against_the_reference_holds_the_truth() -> None:
    # Six groups, one true rate: whichever group looks highest or lowest, its true ratio is 1.
    rng = np.random.default_rng(6)
    held, audits = {"highest": 0, "lowest": 0}, 60
    for _ in range(audits):
        counts = {f"g{i}": (int(rng.binomial(400, 0.3)), 400) for i in range(6)}
        config = one_feature(reference_groups={"group": "g0"})
        for extreme in audit(selections(counts), config).dimensions[0].against_reference:
            if extreme.rate == "selection_rate":
                low, high = extreme.estimate.low, extreme.estimate.high
                assert low is not None
                assert high is not None
                held[extreme.side] += low <= 1 <= high
    assert min(held.values()) >= 0.85 * audits  # 95 % nominal; three standard errors below

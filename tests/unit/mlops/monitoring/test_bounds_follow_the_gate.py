"""Watches without a threshold follow the gate's, or the figures that the release was made with."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.core.params import Check
from pipelines.mlops.data.drift import compare
from pipelines.mlops.monitoring.result import (
    DEFAULT,
    DEFAULT_THRESHOLDS,
    Approved,
    Watch,
    approved,
    bound_of,
    judge_watch,
)
from pipelines.mlops.monitoring.watch import watch_project
from pipelines.release.gating import decide, judge
from pipelines.release.ledger import Ledger
from tests.unit.mlops.monitoring.test_a_day_is_watched import (
    NOW,
    figure,
    scored,
    settings,
    states,
)
from tests.unit.mlops.scoring.conftest import Project, as_split, make_rows


def check(name: str, compare: str, threshold: float, check_id: str = "c") -> Check:
    return Check.model_validate(
        {
            "id": check_id,
            "protects": "p",
            "figure": name,
            "compare": compare,
            "threshold": threshold,
            "owner": "us",
            "reason": "ours",
            "on_fail": "review",
            "on_inconclusive": "review",
        }
    )


def watch(name: str, compare: str, threshold: float | None = None) -> Watch:
    return Watch.model_validate(
        {
            "id": "w",
            "protects": "p",
            "figure": name,
            "compare": compare,
            "threshold": threshold,
            "owner": "us",
            "reason": "ours",
        }
    )


shares = st.floats(0, 1, allow_nan=False)
SIDES = st.sampled_from(["at_least", "at_most"])
NAMES = st.sampled_from(
    [("evaluate.roc_auc", "live.roc_auc"), ("bias_audit.worst_impact_ratio:a&b",
     "live.worst_impact_ratio:a&b"), ("drift.largest_distance", "live.largest_distance")]
)  # fmt: skip


@given(SIDES, NAMES, shares, shares, st.none() | shares)
def test_no_alarm_on_a_figure_that_was_released(
    side: str, names: tuple[str, str], threshold: float, value: float, width: float | None
) -> None:
    """Whatever the gate said of it (approve, review, reject and then override)."""
    ours, live = names
    ends = (None, None) if width is None else (value - width, value + width)
    gate = check(ours, side, threshold)
    found = Figure(id=live, label="x", value=value, low=ends[0], high=ends[1], method="m", n=9)
    bound = bound_of(watch(live, side), Approved([gate], {ours: value}), found)
    resolved = watch(live, side, bound.threshold)
    assert judge_watch(resolved, found, bound.because).state != "alarm"
    # And no looser than it has to be: the gate's threshold, or the figure itself.
    assert bound.threshold in (threshold, value)
    if decide([(gate, judge(gate, found))]) == "approve":
        assert bound.threshold == threshold


@given(SIDES, shares, shares)
def test_the_alarm_begins_at_the_worse_of_both(side: str, threshold: float, value: float) -> None:
    release = Approved([check("evaluate.accuracy", side, threshold)], {"evaluate.accuracy": value})
    bound = bound_of(watch("live.accuracy", side), release, None)
    worse = min if side == "at_least" else max
    assert bound.threshold == worse(threshold, value)


def test_a_threshold_of_its_own_holds() -> None:
    release = Approved([check("evaluate.roc_auc", "at_least", 0.9)], {"evaluate.roc_auc": 0.7})
    assert bound_of(watch("live.roc_auc", "at_least", 0.8), release, None).threshold == 0.8


def test_the_page_says_with_which_figure_and_how_it_was_released() -> None:
    release = Approved(
        [check("bias_audit.worst_impact_ratio", "at_least", 0.8, "ratio")],
        {"bias_audit.worst_impact_ratio": 0.65},
        "the gate said reject, then: override",
    )
    assert bound_of(watch("live.worst_impact_ratio", "at_least"), release, None).because == (
        "the figure that was released, 0.65 (the gate said reject, then: override): worse than "
        "0.8, the gate's check ratio"
    )


def test_the_worst_of_all_is_held_to_the_loosest_of_the_single_checks() -> None:
    checks = [
        check("bias_audit.worst_impact_ratio:sex", "at_least", 0.9, "sex"),
        check("bias_audit.worst_impact_ratio:age", "at_least", 0.7, "age"),
        check("bias_audit.worst_impact_ratio:age", "at_most", 0.1, "other_side"),
        check("bias_audit.largest_tpr_difference:age", "at_least", 0.2, "other_figure"),
    ]
    found = bound_of(watch("live.worst_impact_ratio", "at_least"), Approved(checks), None)
    assert (found.threshold, found.because) == (0.7, "the gate's check age")
    whole = Approved([check("bias_audit.worst_impact_ratio", "at_least", 0.85)])
    single = bound_of(watch("live.worst_impact_ratio:sex", "at_least"), whole, None)
    assert single.threshold == 0.85


def test_without_any_threshold_the_watch_is_named() -> None:
    with pytest.raises(SignalboxError, match=r"monitoring\.watches: 'w' has no threshold"):
        bound_of(watch("live.f1", "at_least"), Approved(), None)
    for default in DEFAULT:
        assert bound_of(default, Approved(), None).threshold == DEFAULT_THRESHOLDS[default.figure]


def test_rows_that_went_to_quarantine_at_training_are_no_news() -> None:
    release = Approved(
        [check("validate.quarantined_share", "at_most", 0.02)], {"validate.quarantined_share": 0.03}
    )
    unreadable = next(one for one in DEFAULT if one.figure == "live.unreadable_share")
    assert bound_of(unreadable, release, None).threshold == 0.03
    assert bound_of(unreadable, replace(release, figures={}), None).threshold == 0.02


def judged(project: Project, **figures: float | None) -> None:
    """Leave the gate's entry that a release makes, with the figures it was made with."""
    commit = project.release.released.commit
    data = {"commit": commit, "run": "", "verdict": "review", "figures": figures}
    Ledger.of(project.root).append("gate", "model_release", data)


def test_identical_live_data_sounds_no_alarm(project: Project) -> None:
    """A weak model, released by a person: its own test rows come again with their labels."""
    settings(project.root, label_delay_days=0, window_days=2)
    test = make_rows(900, 21)
    test["colour"] = test["colour"].where(test["person"].str[-1] != "0", "unknown shade")
    scored(project, test, "first", 0.5)
    test[["person", "y"]].to_csv(project.root / "late.csv", index=False)
    first = watch_project(project.root, NOW, NOW)
    assert "live_ranking" in {alarm.id for alarm in first.alarms()}  # the gate asks for 0.85
    found = {
        f"{stage}.{name}": figure(first, name).value
        for stage, name in (
            ("evaluate", "roc_auc"),
            ("evaluate", "calibration_error"),
            ("bias_audit", "worst_impact_ratio"),
        )
    }
    judged(project, **found, **{"drift.drifted_share": 0.0})
    again = watch_project(project.root, NOW, NOW)
    assert [f.value for f in again.figures] == [f.value for f in first.figures]
    assert again.alarms() == []
    assert states(again)["live_ranking"] in ("well", "inconclusive")
    html = (project.root / "monitoring/2026-11-22.html").read_text()
    assert "the figure that was released" in html
    assert "the gate&#39;s check ranking" in html
    worse = test.assign(y=test["y"].sample(frac=1, random_state=1).to_numpy())
    worse[["person", "y"]].to_csv(project.root / "late.csv", index=False)
    assert "live_ranking" in {alarm.id for alarm in watch_project(project.root, NOW, NOW).alarms()}


def test_columns_that_drifted_before_the_release_are_counted_as_live_data_counts_them(
    project: Project,
) -> None:
    """Live rows have no target, so the same drifted columns are a larger share of them."""
    train = project.release.train
    assert train is not None
    test = as_split(make_rows(600, 22))
    test["amount"] += 5
    test["years"] += 100
    params = project.release.params
    share = compare((train, test), ("t", "a", "b"), params.data, params.drift)[0].share()
    judged(project, **{"drift.drifted_share": share})
    settings(project.root)
    scored(project, test.drop(columns=["subject_id", "row_id"]), "same", 0.5)
    result = watch_project(project.root, NOW, NOW)
    drifted = figure(result, "drifted_share").value
    assert drifted is not None
    assert drifted > share > 0.3
    assert states(result)["live_drift"] == "well"


def test_values_too_rare_to_be_known_in_training_are_no_news(project: Project) -> None:
    train = project.release.train
    assert train is not None
    rare = pd.Series([f"v{n}" for n in range(len(train))], index=train.index, dtype="str")
    half = rare.where(pd.Series(range(len(train)), index=train.index) % 2 == 0, train["colour"])
    release = replace(project.release, train=train.assign(colour=half))
    found = approved(release, [], "model_release").figures
    assert found["live.strange_share"] == pytest.approx(0.5, abs=0.01)
    strange = next(watch for watch in DEFAULT if watch.figure == "live.strange_share")
    assert bound_of(strange, Approved(figures=found), None).threshold == found["live.strange_share"]


def test_an_earlier_decision_on_another_commit_says_nothing(project: Project) -> None:
    ledger = Ledger.of(project.root)
    other: dict[str, Any] = {"commit": "b" * 40, "figures": {"evaluate.roc_auc": 0.5}}
    ledger.append("gate", "model_release", other)
    assert "evaluate.roc_auc" not in approved(project.release, ledger.entries(), "m").figures

"""What makes a check pass, fail or stay open."""

import pytest

from pipelines.release.gating import decide, judge, sentence
from pipelines.release.released import NOTHING_RELEASED

from .cases import check, figure


@pytest.mark.parametrize(
    ("compare", "low", "high", "expected"),
    [
        ("at_least", 0.85, 0.9, "pass"),
        ("at_least", 0.84, 0.9, "inconclusive"),
        ("at_least", 0.80, 0.8499, "fail"),
        ("at_least", 0.80, 0.85, "inconclusive"),
        ("at_most", 0.80, 0.85, "pass"),
        ("at_most", 0.80, 0.86, "inconclusive"),
        ("at_most", 0.85, 0.90, "inconclusive"),
        ("at_most", 0.8501, 0.9, "fail"),
        ("not_worse_than_released", -0.1, 0.85, "pass"),
        ("not_worse_than_released", -0.1, 0.86, "inconclusive"),
        ("not_worse_than_released", 0.86, 0.9, "fail"),
    ],
)
def test_the_whole_interval_is_held_against_the_threshold(compare, low, high, expected):
    seen = figure(value=(low + high) / 2, low=low, high=high)
    assert judge(check(compare=compare), seen) == expected


def test_the_sentence_names_the_groups_that_were_left_out_and_why():
    named = "Other (61 rows, too few to tell)"
    seen = figure(where={"lowest": "Black", "highest": "White", "left out": named})
    told = sentence(check(), seen, "pass")
    assert told.endswith(f". Left out of it: {named}.")
    assert "(lowest: Black, highest: White)" in told
    assert "Left out" not in sentence(check(), figure(where={"lowest": "Black"}), "pass")


@pytest.mark.parametrize(("value", "expected"), [(0.85, "pass"), (0.8499, "fail")])
def test_a_figure_without_interval_is_a_point(value, expected):
    assert judge(check(), figure(value=value, low=None, high=None)) == expected


def test_the_open_side_of_a_one_sided_interval_is_unbounded():
    assert judge(check(), figure(low=0.86, high=None)) == "pass"
    assert judge(check(), figure(low=None, high=0.92)) == "inconclusive"
    assert judge(check(), figure(value=0.8, low=None, high=0.82)) == "fail"


@pytest.mark.parametrize(
    "seen",
    [
        None,
        figure(value=None, low=None, high=None, missing="only one class in the data"),
        figure(value=None, low=None, high=None),
        figure(value=float("nan")),
        figure(value=float("inf"), low=None, high=None),
        figure(low=float("nan")),
        figure(low=0.95, high=0.90),
        figure(n=0),
    ],
    ids=["absent", "undefined", "silent", "nan", "infinite", "nan bound", "upside down", "no rows"],
)
@pytest.mark.parametrize("compare", ["at_least", "at_most", "not_worse_than_released"])
def test_no_evidence_is_a_fail(seen, compare):
    assert judge(check(compare=compare), seen) == "fail"


def test_only_evidence_may_say_that_nothing_was_released_and_only_to_a_comparison():
    says_so = figure(value=None, low=None, high=None, missing=NOTHING_RELEASED)
    assert judge(check(compare="not_worse_than_released"), says_so) == "not_applicable"
    assert judge(check(compare="at_least"), says_so) == "fail"
    vague = says_so.model_copy(update={"missing": "n/a"})
    assert judge(check(compare="not_worse_than_released"), vague) == "fail"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass", "pass"], "approve"),
        (["pass", "not_applicable"], "approve"),
        (["not_applicable", "not_applicable"], "review"),
        (["pass", "inconclusive"], "review"),
        (["inconclusive", "fail"], "reject"),
        (["pass", "fail"], "reject"),
    ],
)
def test_the_worst_check_decides(verdicts, expected):
    assert decide((check(), verdict) for verdict in verdicts) == expected


def test_the_policy_says_what_a_verdict_leads_to():
    assert decide([(check(on_fail="review"), "fail"), (check(), "pass")]) == "review"
    assert decide([(check(on_inconclusive="reject"), "inconclusive")]) == "reject"
    assert decide([]) == "review"

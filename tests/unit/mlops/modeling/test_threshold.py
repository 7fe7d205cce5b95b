import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.params import ThresholdParams
from pipelines.mlops.modeling.threshold import at_threshold, choose, curve, summary

ROWS = st.lists(
    st.tuples(st.booleans(), st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))),
    min_size=2,
    max_size=50,
).filter(lambda rows: len({y for y, _ in rows}) == 2)


def _arrays(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([y for y, _ in rows], "int8"), np.array([s for _, s in rows], "float64")


def _params(rule: str, **more: float) -> ThresholdParams:
    return ThresholdParams.model_validate({"rule": rule, **more})


@given(ROWS)
@settings(deadline=None)
def test_each_point_of_the_curve_is_what_selecting_at_it_gives(
    rows: list[tuple[bool, float]],
) -> None:
    y, scores = _arrays(rows)
    points, params = curve(y, scores), _params("max_f1")
    table = points.table(params)
    for i, threshold in enumerate(points.thresholds):
        direct = at_threshold(y, scores, float(threshold), params)
        assert direct == {name: float(column[i]) for name, column in table.items()}


@given(ROWS, st.sampled_from(["max_accuracy", "max_f1", "min_cost"]), st.floats(0.1, 10))
@settings(deadline=None)
def test_no_threshold_does_better_than_the_chosen_one(
    rows: list[tuple[bool, float]], rule: str, cost: float
) -> None:
    y, scores = _arrays(rows)
    params = _params(rule, cost_false_negative=cost)
    figure = {"max_accuracy": "accuracy", "max_f1": "f1", "min_cost": "cost"}[rule]
    sign = 1 if rule == "min_cost" else -1
    chosen = sign * at_threshold(y, scores, choose(curve(y, scores), params).value, params)[figure]
    others = [sign * at_threshold(y, scores, s, params)[figure] for s in [*scores, 2.0]]
    assert chosen <= min(others) + 1e-9


@given(ROWS, st.floats(0, 1), st.floats(0.1, 10), st.floats(0.1, 10))
@settings(deadline=None)
def test_the_cost_is_that_of_the_rows_decided_wrongly(
    rows: list[tuple[bool, float]], threshold: float, wrong: float, missed: float
) -> None:
    y, scores = _arrays(rows)
    params = _params("min_cost", cost_false_positive=wrong, cost_false_negative=missed)
    costs = [
        (wrong if score >= threshold else 0.0) if label == 0 else
        (0.0 if score >= threshold else missed)
        for label, score in zip(y.tolist(), scores.tolist(), strict=True)
    ]  # fmt: skip
    found = at_threshold(y, scores, threshold, params)["cost"]
    assert found == pytest.approx(sum(costs) / len(costs))


@given(ROWS, st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_does_not_move_the_threshold(
    rows: list[tuple[bool, float]], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    params = _params("max_accuracy")
    assert choose(curve(*_arrays(rows)), params) == choose(curve(*_arrays(shuffled)), params)


def test_ties_go_to_the_highest_threshold() -> None:
    y, scores = np.array([1, 0, 1, 0], "int8"), np.array([0.9, 0.8, 0.7, 0.6])
    # Selecting one row or three is right in three of four cases.
    assert choose(curve(y, scores), _params("max_accuracy")).value == pytest.approx(0.85)


def test_selection_rate_takes_the_nearest_share() -> None:
    y, scores = np.array([1, 0, 1, 0], "int8"), np.array([0.9, 0.8, 0.7, 0.6])
    value = choose(curve(y, scores), _params("selection_rate", selection_rate=0.52)).value
    assert (scores >= value).mean() == 0.5


def test_fixed_is_taken_as_it_stands_even_with_one_label() -> None:
    chosen = choose(curve(np.array([1], "int8"), np.array([0.3])), _params("fixed", value=0.7))
    assert chosen.value == 0.7
    assert "no data was used" in chosen.words


def test_a_rule_that_needs_both_labels_says_so() -> None:
    with pytest.raises(SignalboxError, match=r"train\.threshold\.rule: max_f1 needs both labels"):
        choose(curve(np.array([1, 1], "int8"), np.array([0.3, 0.4])), _params("max_f1"))


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.5
    high = np.nextafter(low, 1)
    points = curve(np.array([0, 1], "int8"), np.array([low, high]))
    value = choose(points, _params("max_accuracy")).value
    assert low < value <= high


def test_the_summary_keeps_both_ends_and_stays_short() -> None:
    rng = np.random.default_rng(0)
    points = curve(rng.integers(0, 2, 5000).astype("int8"), rng.random(5000))
    rows = summary(points, _params("max_f1"))
    assert len(rows) == 101
    assert rows[0]["selection_rate"] == 0
    assert rows[-1]["selection_rate"] == 1

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.mlops.modeling.inputs import prepare
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.mlops.scoring.reasons import (
    LOWERS,
    RAISES,
    effects,
    reason_columns,
    reference_values,
)
from tests.unit.mlops.scoring.conftest import make_rows

NAMES = ["a", "b", "c", "d"]


def log_odds(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def effects_of(release: ReleasedModel, rows: pd.DataFrame) -> np.ndarray:
    prepared = prepare(rows, release.info.inputs)
    scores = score(release.model, release.info, prepared)
    reference = reference_values(release.train, release.info)
    return effects(release.model, release.info, prepared, scores, reference)


def test_reference_values_are_those_of_the_training_data(release: ReleasedModel) -> None:
    values = reference_values(release.train, release.info)
    assert values["colour"] == "red"
    known = sorted(release.train["amount"].dropna())
    assert values["amount"] == known[(len(known) - 1) // 2]


def test_missing_is_the_reference_where_it_is_most_frequent(release: ReleasedModel) -> None:
    mostly = release.train.assign(colour=pd.array(["red"] + [None] * 799, dtype="str"))
    assert reference_values(mostly, release.info)["colour"] is None
    assert reference_values(mostly.assign(amount=np.nan), release.info)["amount"] is None


def test_effects_add_up_where_the_model_is_additive(additive: ReleasedModel) -> None:
    rows = make_rows(200, 5)
    found = effects_of(additive, rows)
    reference = reference_values(additive.train, additive.info)
    ordinary = rows.assign(**{k: v if v is not None else np.nan for k, v in reference.items()})
    difference = log_odds(score(additive.model, additive.info, rows)) - log_odds(
        score(additive.model, additive.info, ordinary)
    )
    assert np.abs(difference).max() > 1
    np.testing.assert_allclose(found.sum(axis=1), difference, atol=1e-7)


def test_an_effect_is_what_one_replaced_value_changes(release: ReleasedModel) -> None:
    rows = make_rows(50, 6)
    found = effects_of(release, rows)
    before = log_odds(score(release.model, release.info, rows))
    for index, (name, value) in enumerate(reference_values(release.train, release.info).items()):
        after = log_odds(score(release.model, release.info, rows.assign(**{name: value})))
        np.testing.assert_allclose(found[:, index], before - after, atol=1e-8)
        assert not found[(rows[name] == value).to_numpy(), index].any()


def test_a_value_the_model_never_saw_is_an_effect_like_any_other(release: ReleasedModel) -> None:
    rows = make_rows(30, 7).assign(colour="never seen")
    assert np.isfinite(effects_of(release, rows)).all()


numbers = st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 2.25, -3.5])


@given(
    arrays(float, st.tuples(st.integers(1, 6), st.just(len(NAMES))), elements=numbers),
    st.integers(1, 6),
)
def test_reasons_are_the_largest_effects_in_order(found: np.ndarray, count: int) -> None:
    columns = reason_columns(found, NAMES, count)
    kept = min(count, len(NAMES))
    assert len(columns) == 3 * kept
    for row, own in enumerate(found):
        told = [
            (columns[f"reason_{k}"][row], columns[f"reason_{k}_direction"][row],
             columns[f"reason_{k}_effect"][row])
            for k in range(1, kept + 1)
        ]  # fmt: skip
        there = [reason for reason in told if not pd.isna(reason[0])]
        assert len(there) == min(kept, np.count_nonzero(own))
        assert told[: len(there)] == there  # gaps only at the end
        assert len({name for name, _, _ in there}) == len(there)
        for name, direction, effect in there:
            assert effect == own[NAMES.index(name)]
            assert direction == (RAISES if effect > 0 else LOWERS)
        sizes = [abs(effect) for _, _, effect in there]
        assert sizes == sorted(np.abs(own[own != 0]), reverse=True)[: len(sizes)]


def test_equal_effects_are_named_in_the_models_order() -> None:
    columns = reason_columns(np.array([[0.5, -0.5, 0.5, 0.0]]), NAMES, 4)
    assert [columns[f"reason_{k}"][0] for k in (1, 2, 3)] == ["a", "b", "c"]
    assert pd.isna(columns["reason_4"][0])

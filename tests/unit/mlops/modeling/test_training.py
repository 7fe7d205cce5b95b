import warnings

import numpy as np
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.modeling.scoring import importance, score
from pipelines.mlops.modeling.search import best, candidates
from pipelines.mlops.modeling.store import TRUSTED, canonical, types_in
from pipelines.mlops.modeling.training import details, figures, fit

KINDS = {
    "logistic_regression": {},
    "hist_gradient_boosting": {"max_iter": [5]},
    "random_forest": {"n_estimators": [5]},
}


@pytest.mark.parametrize("calibration", ["isotonic", "sigmoid", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_scores_and_is_on_the_trusted_list(
    kind, calibration, table, data, train
) -> None:
    import skops.io

    settings = train(models={kind: KINDS[kind]}, calibration=calibration)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = fit(table(), table(200, 1), data, settings)
    assert made.scores.shape == (200,)
    assert made.scores.min() >= made.info.score_floor
    assert made.scores.max() <= 1 - made.info.score_floor
    content = canonical(skops.io.dumps(made.model))
    assert types_in(content) <= TRUSTED
    again = skops.io.loads(content, trusted=sorted(TRUSTED))
    assert score(again, made.info, table(200, 1)).tolist() == made.scores.tolist()


def test_numbers_only_and_texts_only_both_train(table, data, train) -> None:
    models = {**KINDS}
    for column in ("amount", "colour"):
        made = fit(
            table().drop(columns=column),
            table(200, 1).drop(columns=column),
            data,
            train(models=models),
        )
        assert len(made.info.inputs) == 1


def test_an_unknown_category_and_missing_values_get_a_score(table, data, train) -> None:
    frame = table(50, 3)
    frame["colour"] = "never seen"
    frame["amount"] = np.nan
    for kind, grid in KINDS.items():
        made = fit(table(), table(200, 1), data, train(models={kind: grid}))
        assert np.isfinite(score(made.model, made.info, frame)).all()


def test_a_hundred_thousand_categories_do_not_explode(table, data, train) -> None:
    frame = table(3000)
    frame["name"] = [f"name {i}" for i in range(3000)]
    made = fit(frame, frame, data, train(models=KINDS))
    name = next(column for column in made.info.inputs if column.name == "name")
    assert name.categories == []
    assert name.other_values == 3000


def test_one_label_in_train_is_a_clear_error(table, data, train) -> None:
    frame = table()
    frame["y"] = "yes"
    with pytest.raises(SignalboxError, match="train data: target 'y' must have exactly two labels"):
        fit(frame, table(200, 1), data, train())


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_row_without_a_label_does_not_pass_for_a_negative(part, table, data, train) -> None:
    tables = {"train": table(), "validation": table(200, 1)}
    tables[part].loc[3, "y"] = None
    with pytest.raises(SignalboxError, match=f"{part} data: target 'y' is missing in 1 of"):
        fit(tables["train"], tables["validation"], data, train())


def test_a_label_that_train_does_not_know_is_named(table, data, train) -> None:
    validation = table(200, 1)
    validation.loc[3, "y"] = "perhaps"
    with pytest.raises(SignalboxError, match="validation data: target 'y' holds 'perhaps'"):
        fit(table(), validation, data, train())


def test_a_column_that_is_empty_in_validation_only_is_no_problem(table, data, train) -> None:
    validation = table(200, 1)
    validation["amount"] = np.nan
    assert np.isfinite(fit(table(), validation, data, train()).scores).all()


def test_candidates_come_simple_kinds_first_in_the_order_of_the_settings(train) -> None:
    models = {"hist_gradient_boosting": {"max_iter": [2, 1]}, "logistic_regression": {"C": [1.0]}}
    found = candidates(train(models=models).models)
    assert [choice.kind for choice in found] == [
        "logistic_regression",
        "hist_gradient_boosting",
        "hist_gradient_boosting",
    ]
    assert [choice.settings.get("max_iter") for choice in found] == [None, 2, 1]


def test_ties_go_to_the_earlier_candidate(fitted) -> None:
    trial = fitted.trials[0]
    equal = trial.model_copy(update={"mean": {"roc_auc": trial.mean["roc_auc"] + 1e-9}})
    better = trial.model_copy(update={"mean": {"roc_auc": trial.mean["roc_auc"] + 1e-3}})
    assert best([trial, equal], "roc_auc") == 0
    assert best([trial, equal, better], "roc_auc") == 2


def test_balanced_weights_with_calibration_give_true_rates(table, data, train) -> None:
    frame = table(3000)
    made = fit(frame, frame, data, train(class_weight="balanced"))
    assert made.scores.mean() == pytest.approx((frame["y"] == "yes").mean(), abs=0.03)


def test_evidence_says_what_was_done(fitted, table, data, train) -> None:
    tables = (table(), table(200, 1))
    found = importance(fitted.model, fitted.info, tables[1], (tables[1]["y"] == "yes").to_numpy())
    facts = details(fitted, tables, found, data, train())
    assert sum(row["chosen"] for row in facts["search"]) == 1
    assert sum(fold["rows"] for fold in facts["folds"]) == 400
    assert {row["name"] for row in facts["importance"]["columns"]} == {"amount", "colour"}
    ids = [figure.id for figure in figures(fitted, 200, facts["threshold"]["at"])]
    assert len(ids) == len(set(ids))
    assert "train.cv_roc_auc" in ids

import csv
import json
import warnings

import numpy as np
import pytest

from pipelines.mlops import evaluate as plots
from pipelines.mlops.evaluation.champion import Champion
from pipelines.mlops.evaluation.metrics import METRICS, view
from pipelines.mlops.evaluation.results import evaluate
from pipelines.release.gating import NOTHING_RELEASED as GATE_WORDS
from pipelines.release.released import NOTHING_RELEASED


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _by_id(result) -> dict:
    return {figure.id: figure for figure in result.figures}


def test_every_metric_has_an_interval_around_its_value(table, info, data, settings) -> None:
    frame, scores = table()
    found = _by_id(evaluate(frame, scores, info, Champion(reason="none"), (data, settings)))
    for name in METRICS:
        figure = found[f"evaluate.{name}"]
        assert figure.low <= figure.value <= figure.high
        assert figure.level == 0.9
        assert figure.n == 300


@pytest.mark.parametrize(("favourable", "label"), [("yes", "Selection rate"), ("no", "Flag rate")])
def test_the_share_of_positive_decisions_is_called_what_it_is(
    table, info, data, settings, favourable, label
) -> None:
    meant = data.model_copy(update={"favourable": favourable})
    result = evaluate(*table(), info, Champion(reason="none"), (meant, settings))
    assert _by_id(result)["evaluate.selection_rate"].label == label
    assert result.details["too_good"] == ""


def test_a_perfect_ranking_is_too_good_to_be_true(table, info, data, settings) -> None:
    frame, _ = table()
    perfect = np.where(frame["y"] == "yes", 0.9, 0.1)
    result = evaluate(frame, perfect, info, Champion(reason="none"), (data, settings))
    assert "ROC AUC of 1.0000 is too good to be true" in result.details["too_good"]
    assert "data.after_outcome" in result.details["too_good"]


def test_figure_ids_are_unique_and_evidence_is_json(table, info, data, settings) -> None:
    result = evaluate(*table(), info, Champion(reason="none"), (data, settings))
    assert len(_by_id(result)) == len(result.figures)
    json.dumps(result.details, allow_nan=False)


def test_without_a_release_deltas_say_so_in_the_gates_words(table, info, data, settings) -> None:
    assert NOTHING_RELEASED == GATE_WORDS
    rival = Champion(reason=NOTHING_RELEASED, seen_reason=NOTHING_RELEASED)
    result = evaluate(*table(), info, rival, (data, settings))
    figure = _by_id(result)["evaluate.delta_log_loss"]
    assert (figure.value, figure.missing) == (None, NOTHING_RELEASED)
    assert result.details["released"] is None


def test_the_same_model_again_differs_by_nothing(table, info, data, settings) -> None:
    frame, scores = table()
    rival = Champion(name="r", commit="c", scores=scores, threshold=0.5, seen_subjects=0)
    found = _by_id(evaluate(frame, scores, info, rival, (data, settings)))
    for name in ("log_loss", "roc_auc", "accuracy"):
        figure = found[f"evaluate.delta_{name}"]
        assert (figure.low, figure.value, figure.high) == (0, 0, 0)


def test_deltas_are_above_zero_when_the_new_model_is_worse(table, info, data, settings) -> None:
    frame, good = table()
    bad = np.random.default_rng(1).random(len(good))
    rival = Champion(name="r", commit="c", scores=good, threshold=0.5, seen_subjects=0)
    found = _by_id(evaluate(frame, bad, info, rival, (data, settings)))
    for name in ("log_loss", "brier", "roc_auc", "average_precision", "accuracy"):
        assert found[f"evaluate.delta_{name}"].low > 0


def test_small_slices_are_counted_and_get_no_figures(table, info, data, settings) -> None:
    frame, scores = table()
    frame.loc[frame.index[:6], "sex"] = "x"
    result = evaluate(frame, scores, info, Champion(reason="none"), (data, settings))
    small = next(part for part in result.details["slices"] if part["value"] == "x")
    assert (small["rows"], small["figures"]) == (6, {})
    assert "evaluate.min_slice" in small["missing"]
    large = next(part for part in result.details["slices"] if part["value"] == "f")
    assert set(large["figures"]) == set(METRICS)


def test_a_slice_of_too_few_people_is_nowhere(table, info, data, settings) -> None:
    frame, scores = table()
    frame.loc[0, "sex"] = "Zorblax"
    result = evaluate(frame, scores, info, Champion(reason="none"), (data, settings))
    assert "Zorblax" not in json.dumps(result.details)
    assert all("Zorblax" not in str(figure.where) for figure in result.figures)


def test_figures_of_a_slice_rest_on_enough_people_with_the_label(
    table, info, data, settings
) -> None:
    frame, scores = table()
    of_f = frame.index[frame["sex"] == "f"]
    frame.loc[of_f, "y"] = "no"
    frame.loc[of_f[:2], "y"] = "yes"
    result = evaluate(frame, scores, info, Champion(reason="none"), (data, settings))
    women = next(part for part in result.details["slices"] if part["value"] == "f")["figures"]
    for name in ("recall", "roc_auc", "average_precision", "f1"):
        assert women[name]["value"] is None
        assert "fewer than 5 people" in women[name]["missing"]
    assert women["accuracy"]["value"] is not None


def test_one_label_in_test_leaves_ranking_undefined_and_says_why(
    table, info, data, settings
) -> None:
    frame, scores = table()
    frame["y"] = "no"
    found = _by_id(evaluate(frame, scores, info, Champion(reason="none"), (data, settings)))
    assert found["evaluate.roc_auc"].value is None
    assert "one label only" in found["evaluate.roc_auc"].missing
    assert found["evaluate.accuracy"].value is not None


def test_one_row_is_evaluated(table, info, data, settings) -> None:
    result = evaluate(*table(1), info, Champion(reason="none"), (data, settings))
    assert _by_id(result)["evaluate.accuracy"].n == 1


def test_the_baseline_is_the_training_majority(table, info, data, settings) -> None:
    frame, scores = table()
    found = _by_id(evaluate(frame, scores, info, Champion(reason="none"), (data, settings)))
    expected = (frame["y"] == "no").mean()
    assert found["evaluate.baseline_accuracy"].value == pytest.approx(expected)


def test_confusion_counts_every_row(table, info, data, settings) -> None:
    result = evaluate(*table(), info, Champion(reason="none"), (data, settings))
    assert sum(result.details["confusion"].values()) == 300


def test_plots_are_thinned_and_keep_their_ends(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = view(rng.integers(0, 2, 5000).astype("int8"), rng.random(5000), threshold=0.5, bins=10)
    plots.write_csv(tmp_path / "roc.csv", plots.roc(rows))
    table = list(csv.DictReader((tmp_path / "roc.csv").read_text().splitlines()))
    assert len(table) == 500
    assert (table[0]["false_positive_rate"], table[0]["true_positive_rate"]) == ("0.0", "0.0")
    assert (table[-1]["false_positive_rate"], table[-1]["true_positive_rate"]) == ("1.0", "1.0")
    histogram = plots.score_histogram(rows, ("no", "yes"))
    assert sum(histogram["rows"]) == 5000


def test_curves_show_no_score_and_no_step_of_one_person() -> None:
    rng = np.random.default_rng(3)
    scores = rng.permutation(np.linspace(0.01, 0.99, 83))
    y = (rng.random(83) < scores).astype("int8")
    rows = view(y, scores, threshold=0.5, bins=10)
    for curve in (plots.roc(rows, 5), plots.precision_recall(rows, 5)):
        thresholds = [float(t) for t in curve["threshold"] if t is not None]
        assert not set(thresholds) & set(scores)
        selected = [int((scores >= t).sum()) for t in thresholds]
        assert selected[-1] == 83
        assert min(np.diff(selected)) >= 5
        assert all(n == 0 or n >= 5 for n in selected)
    precise = plots.precision_recall(rows, 5)
    for at, precision in zip(precise["threshold"], precise["precision"], strict=True):
        assert float(y[scores >= at].mean()) == pytest.approx(precision)
    counts = plots.score_histogram(rows, ("no", "yes"), 5)["rows"]
    assert all(n is None or n == 0 or n >= 5 for n in counts)
    assert None in counts
    assert plots.roc(rows)["threshold"][1] == max(scores), "without the rule all points stay"


def test_the_interval_of_the_worst_slice_allows_for_its_being_the_worst(
    table, info, data, settings
) -> None:
    result = evaluate(*table(), info, Champion(reason="none"), (data, settings))
    for name in ("roc_auc", "accuracy"):
        worst = _by_id(result)[f"evaluate.worst_slice_{name}"]
        figures = [part["figures"][name] for part in result.details["slices"] if part["figures"]]
        assert len(figures) > 3
        assert worst.value == min(figure["value"] for figure in figures)
        assert worst.low == min(figure["low"] for figure in figures)
        assert worst.low <= worst.value <= worst.high
        # All upper limits hold together, so each is above that of one slice alone.
        assert worst.high > min(figure["high"] for figure in figures)


def test_the_truly_lowest_of_slices_that_are_alike_lies_in_the_interval(
    table, info, data, settings
) -> None:
    held = 0
    for seed in range(40):
        frame, scores = table(400, seed)
        frame["city"] = [f"c{i % 8}" for i in range(400)]
        rng = np.random.default_rng(1000 + seed)
        frame["y"] = np.where(rng.random(400) < np.where(scores >= 0.5, 0.8, 0.2), "yes", "no")
        result = evaluate(frame, scores, info, Champion(reason="none"), (data, settings))
        worst = _by_id(result)["evaluate.worst_slice_accuracy"]
        held += worst.low <= 0.8 <= worst.high
    assert held >= 0.9 * 40 - 3 * (0.09 * 40) ** 0.5

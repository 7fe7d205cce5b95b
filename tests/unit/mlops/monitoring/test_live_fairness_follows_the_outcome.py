"""Live decisions are read as the release read them: a flag is no selection."""

import numpy as np
import pandas as pd
import pytest

from pipelines.core.evidence import Figure
from pipelines.core.params import DataParams, Params
from pipelines.mlops.data.columns import decision_words
from pipelines.mlops.monitoring.figures import Live, fairness_figures, quality_figures
from tests.conftest import data_params

ROWS = 2000


def live() -> tuple[Live, "np.ndarray[tuple[int], np.dtype[np.int8]]"]:
    rng = np.random.default_rng(2)
    colour = rng.choice(["blue", "red"], ROWS)
    y = (rng.random(ROWS) < 0.4).astype("int8")
    scores = np.where(rng.random(ROWS) < np.where(colour == "red", 0.5, 0.2), 0.9, 0.1)
    predictions = pd.DataFrame({"score": scores, "decision": np.where(scores > 0.5, "yes", "no")})
    predictions["subject_id"] = [f"p{row}" for row in range(ROWS)]
    predictions["unreadable"] = None
    return Live(predictions, pd.DataFrame({"colour": colour})), y


ROWS_LIVE, Y = live()
FLAG = ROWS_LIVE.predictions["score"] >= 0.5
COLOUR = ROWS_LIVE.inputs["colour"]


def figures(params: Params, data: DataParams, *, labels: bool) -> dict[str, Figure]:
    audit = params.bias_audit.model_copy(update={"replicates": 100})
    found = fairness_figures(ROWS_LIVE, Y if labels else None, 0.5, (data, audit), 100)
    return {figure.id: figure for figure in found}


def test_without_labels_decisions_are_compared_in_favourable_terms(params: Params) -> None:
    rates = FLAG.groupby(COLOUR).mean()
    bad = figures(params, data_params(favourable="no"), labels=False)
    assert bad["live.worst_impact_ratio:colour"].value == pytest.approx(
        (1 - rates).min() / (1 - rates).max(), abs=1e-12
    )
    assert bad["live.worst_impact_ratio:colour"].where["lowest"] == "red"
    assert bad["live.worst_flag_rate_ratio"].value == pytest.approx(rates.min() / rates.max())
    good = figures(params, data_params(favourable="yes"), labels=False)
    assert good["live.worst_impact_ratio:colour"].value == pytest.approx(rates.min() / rates.max())
    assert good["live.worst_impact_ratio:colour"].where["lowest"] == "blue"
    assert not any("flag" in name or "fpr" in name for name in good)


def test_with_labels_the_errors_that_harm_are_compared(params: Params) -> None:
    spared = Y == 0
    fpr = FLAG[spared].groupby(COLOUR[spared]).mean()
    found = figures(params, data_params(favourable="no"), labels=True)
    assert found["live.worst_fpr_ratio"].value == pytest.approx(fpr.min() / fpr.max(), abs=1e-12)
    assert found["live.largest_fpr_difference:colour"].value == pytest.approx(fpr.max() - fpr.min())
    assert "live.worst_impact_ratio" not in found


def test_a_release_from_before_the_key_was_asked_for_says_so(params: Params) -> None:
    found = figures(params, data_params(favourable=None), labels=False)
    assert found["live.worst_impact_ratio"].value is None
    assert "data.favourable is null" in found["live.worst_impact_ratio"].missing


@pytest.mark.parametrize(("favourable", "label"), [("no", "Flag rate"), ("yes", "Selection rate")])
def test_the_share_of_positive_decisions_has_its_name(favourable: str, label: str) -> None:
    words = decision_words(data_params(favourable=favourable))
    found = {f.id: f for f in quality_figures(ROWS_LIVE, [], "yes", words, ROWS + 1)}
    assert found["live.selection_rate"].label == label

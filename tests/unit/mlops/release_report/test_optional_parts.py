"""A report is whole whatever the evidence lacks, and says what it lacks."""

from itertools import pairwise
from typing import Any

import pytest

from pipelines.mlops import report
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


def made(*args, **kwargs) -> Page:
    params = cases.leave(*args, **kwargs)
    return Page(render(report.make_page(report.gather_inputs(params))))


def test_no_released_model(here):
    page = made()
    assert "not compared, because no model has been released yet" in page.text
    assert "Not compared: no model has been released yet." in page.text


def test_a_released_model(here):
    released = {"name": "toy@v1", "commit": "c" * 40, "compared": True, "seen_reason": None}
    found = cases.figures()
    found["evaluate"][3] = cases.number(
        "evaluate.delta_log_loss", -0.02, low=-0.03, high=-0.01, level=0.95, unit="nats"
    )
    page = made({"evaluate": cases.evaluate(released=released)}, found)
    assert "toy@v1" in page.text
    assert "better" in page.text


def test_a_released_model_that_could_not_be_compared(here):
    released = {"name": "toy@v1", "commit": "c" * 40, "compared": False, "reason": "other columns"}
    assert (
        "Not compared: other columns." in made({"evaluate": cases.evaluate(released=released)}).text
    )


def test_no_sensitive_features(here):
    changes: dict[str, dict[str, Any]] = {
        "data": {"sensitive": {}, "intersections": []},
        "bias_audit": {"mitigation": {"method": "none", "constraint": "demographic_parity"}},
    }
    policy = [check for check in cases.checks() if "bias_audit" not in check["figure"]]
    page = made({"bias_audit": cases.NO_FAIRNESS}, None, policy, changes)
    assert "Not audited." in page.text
    assert "Approved" in page.text


def test_nothing_is_certain(here):
    policy = [check for check in cases.checks(ratio=0.33) if check["id"] != "regression"]
    page = made(None, cases.figures(width=0.2), policy)
    assert "To be reviewed" in page.text
    assert "of 2 checks, 2 inconclusive" in page.text


def test_everything_passes(here):
    page = made(None, None, cases.checks(ratio=0.3))
    assert "Approved by the gate" in page.text
    assert "Before it is released it needs an approval" in page.text


def test_an_empty_quarantine(here):
    page = made({"validate": cases.validate(0), "split": cases.split(1010)})
    assert "No row went to quarantine." in page.text
    assert "1,010 rows read = 1,010 kept + 0 in quarantine" in page.text


def test_counts_that_do_not_add_up_are_said_aloud(here):
    details = cases.validate()
    details["counts"]["kept"] = 999
    page = made({"validate": details})
    assert "The counts do not add up." in page.text
    assert "but 999 were kept: this does not add up." in page.text


def test_sixty_groups(here):
    names = [f"group {i:02d}" for i in range(60)]
    page = made({"bias_audit": cases.fairness(names)})
    tables = [e for e in page.all("table") if "Impact ratio by sex" in e.text]
    assert all(name in tables[0].text for name in names)


def test_no_what_if(here):
    details = {**cases.fairness(), "mitigation": None, "mitigation_missing": "one group only"}
    assert "No what-if was computed: one group only." in made({"bias_audit": details}).text


def test_the_decision_is_said_in_plain_words_with_its_groups(here):
    banner = next(
        e for e in made().all("div") if e.attributes.get("class", "").startswith("decision")
    )
    assert "Rejected" in banner.text
    assert "by sex, Female at 0.330 (0.320 to 0.340) of the rate of Male" in banner.text


@pytest.mark.parametrize("empty", ["roc", "precision_recall", "calibration", "score_histogram"])
def test_a_curve_without_points(here, empty):
    params = cases.leave()
    path = here / "plots" / f"{empty}.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert Page(render(report.make_page(report.gather_inputs(params)))).all("figure")


def test_a_result_too_good_to_be_true_is_said_in_red(here):
    told = {**cases.evaluate(), "too_good": "The ROC AUC of 0.9998 is too good to be true"}
    assert "The ROC AUC of 0.9998 is too good to be true." in made({"evaluate": told}).text
    assert "Too good to be true" not in made().text


def test_people_and_rows_are_counted_apart(here):
    page = made()
    assert "on the 150 rows of test data, of 140 people" in page.text
    assert "The 150 rows are of 140 people, so the tests count rows over the design" in page.text
    heads = [cell.text for cell in page.all("th")]
    first = heads.index("People")
    assert heads[first - 1 : first + 3] == ["Group", "People", "Rows", "Selected"]
    cells = [cell.text for cell in page.all("td")]
    assert ("70", "75") in list(pairwise(cells))


def test_what_nobody_filled_in_is_marked_and_what_somebody_did_is_not(here):
    params = cases.leave(changes={"report": {"data_set": "another"}})
    html = render(report.make_page(report.gather_inputs(params)))
    for key in ("purpose", "not_for", "owner", "contact"):
        assert f"missing</span> not filled in: params.yaml, report.{key}" in html
    assert "missing</span> not filled in: params.yaml" not in render(
        report.make_page(report.gather_inputs(cases.leave()))
    )

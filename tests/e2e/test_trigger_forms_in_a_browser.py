"""Every DAG can be started, and its question answered, by clicking: in Airflow's own pages."""

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production
from tests.e2e.clicks import (
    FORM,
    click_link,
    complaints,
    ends_well,
    fill,
    found,
    open_form,
    open_pages_of_signalbox,
    open_run,
    reads,
    runs,
    start,
)
from tests.e2e.stack import Airflow, settle, state, wait
from tests.support.small_project import ROOT, SMALL_MODEL

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.e2e

DAGS = sorted(path.stem for path in (ROOT / "dags").glob("[a-z]*.py"))
MUST_FILL = {
    "batch_scoring": {"input": "data/samples/adult/adult.data.gz"},
    "erase_subject": {"subject": "hmac-sha256:" + "0" * 64},
}
"""Fields that have no default on purpose."""

FIELDS = {
    "model_release": {
        "train.seed": "Random seed",
        "train.select_by": "Score that chooses the model",
        "train.threshold.rule": "Rule for the decision threshold",
        "train.calibration": "Calibration of scores",
        "train.class_weight": "Weight of the rarer label",
        "train.use_sensitive": "Sensitive features are model inputs",
        "train.folds": "Cross-validation folds",
        "evaluate.replicates": "Bootstrap replicates of each interval",
        "validate.max_quarantined_share": "Largest share of rows in quarantine (0 to 1)",
    },
    "alert_noise_reduction": {
        "aiops.alert_history.lake": "Folder of the telemetry lake",
        "aiops.alert_history.days": "Length of the alert history (days)",
        "aiops.alert_history.until": "Last day of the alert history",
        "aiops.mine_rules.hold.wait_seconds": "Time that an alert is held (seconds)",
        "aiops.mine_rules.hold.again_seconds": "A second alert within … pages at once (seconds)",
        "aiops.mine_rules.hold.min_pages": "Pages that make an alert name noisy",
        "aiops.select_rules.short_wait_seconds": "Time held where the history is short (seconds)",
        "aiops.export_rules.alertmanager_version": "Release of your Alertmanager",
        "aiops.export_rules.publish.shadow": "Shadow mode: publish nothing",
    },
}
"""Fields of the forms of the DAGs with many parameters, and what they are called there."""

FIELD = f"{FORM} [id^='element_'], {FORM} [name^='element_']"


def fields(chrome: "Chrome") -> set[str]:
    """Return the names of the open form's fields."""
    wait(lambda: bool(chrome.find_elements(By.CSS_SELECTOR, FIELD)), 30)
    shown = chrome.find_elements(By.CSS_SELECTOR, FIELD)
    words = [e.get_attribute("name") or e.get_attribute("id") or "" for e in shown]
    return {word.removeprefix("element_").partition(":")[0] for word in words}


@pytest.mark.parametrize("dag", sorted(FIELDS))
def test_the_form_shows_a_handful_under_plain_titles(
    airflow: Airflow, driver: "Chrome", dag: str
) -> None:
    open_form(airflow, driver, dag)
    assert fields(driver) == set(FIELDS[dag])
    form = found(driver, FORM)
    wait(lambda: all(title in form.text for title in FIELDS[dag].values()), 30)


def test_a_choice_is_a_list_and_a_number_keeps_to_its_limits(
    airflow: Airflow, driver: "Chrome"
) -> None:
    open_form(airflow, driver, "model_release")
    found(driver, "[id='element_train.calibration'] input").click()
    options = driver.find_elements(By.CSS_SELECTOR, "[role=option]")
    shown = [option.text for option in options if option.is_displayed()]
    assert shown == ["isotonic", "sigmoid", "none"]
    found(driver, "[id='element_train.calibration'] input").send_keys(Keys.ESCAPE)

    button = open_form(airflow, driver, "model_release")
    folds = found(driver, "input[name='element_train.folds']")
    assert folds.get_attribute("value") == str(SMALL_MODEL["train.folds"])
    folds.send_keys(Keys.BACKSPACE, "99", Keys.TAB)
    wait(lambda: folds.get_attribute("value") == "20", 10)  # the largest that is allowed
    folds.send_keys(Keys.BACKSPACE, Keys.BACKSPACE, Keys.TAB)
    wait(lambda: not button.is_enabled(), 10)  # a number must be given
    folds.send_keys("4", Keys.TAB)
    wait(button.is_enabled, 10)


def test_airflow_refuses_what_the_form_could_not_send(airflow: Airflow) -> None:
    before = runs(airflow, "model_release")
    for key, value, told in (
        ("train.folds", 1, "less than the minimum of 2"),
        ("train.folds", "three", "is not of type 'integer'"),
        ("train.calibration", "magic", "is not one of"),
    ):
        body = {"logical_date": None, "conf": {key: value}}
        answer = airflow.client.post("/api/v2/dags/model_release/dagRuns", json=body)
        assert answer.status_code == 400
        assert told in answer.text
    assert runs(airflow, "model_release") == before


def test_a_dags_description_leads_to_the_pages_of_docs(airflow: Airflow, driver: "Chrome") -> None:
    address = f"{airflow.address}/signalbox-docs/model-release.md"
    driver.get(address)
    assert found(driver, "h1").text
    assert "model_release" in found(driver, "main").text


@pytest.mark.parametrize("dag", DAGS)
def test_the_form_can_be_sent_with_its_own_defaults(
    airflow: Airflow, driver: "Chrome", dag: str
) -> None:
    button = open_form(airflow, driver, dag)
    if dag in MUST_FILL:
        wait(lambda: not button.is_enabled(), 30)
        fill(driver, MUST_FILL[dag])
    wait(button.is_enabled, 30)


def test_the_demos_model_is_rejected_and_that_run_ends_well(
    airflow: Airflow, driver: "Chrome", rejected: str
) -> None:
    assert state(airflow, rejected, "release_rejected") == "success"
    assert state(airflow, rejected, "release") == "skipped"
    entries = Ledger.of(airflow.project).entries()
    [entry] = [entry for entry in entries if entry.data.get("run_id") == rejected]
    assert entry.data["overrides"] == {}  # nothing was changed in the form
    open_run(airflow, driver, "model_release", rejected)
    reads(driver, "rejected by the gate: of")


@pytest.fixture(scope="module")
def rejected(airflow: Airflow, driver: "Chrome") -> str:
    """A run of model_release, clicked with the form's defaults, that has ended."""
    run = start(airflow, driver, "model_release")
    ends_well(airflow, driver, "model_release", run)
    return run


@pytest.mark.parametrize(
    ("task", "links"),
    [
        ("gate", ("Evidence", "Report", "Run and commit")),
        ("release_rejected", ("Evidence of the gate", "Report", "Run and commit")),
    ],
)
def test_a_tasks_details_lead_to_what_its_run_made(
    airflow: Airflow, driver: "Chrome", rejected: str, task: str, links: tuple[str, ...]
) -> None:
    headings = set()
    for name in links:
        open_run(airflow, driver, "model_release", rejected)
        click_link(driver, task, f"/runs/{rejected}/tasks/")
        click_link(driver, "Details", f"/tasks/{task}/")
        click_link(driver, name, "/signalbox/")
        wait(lambda: "/signalbox/" in driver.current_url, 60)
        headings.add(found(driver, "h1").text)
        assert complaints(driver) == []
    assert len(headings) == len(links)
    assert all(headings)


def test_telemetry_is_collected_with_the_forms_defaults(airflow: Airflow, driver: "Chrome") -> None:
    dag = "collect_telemetry"
    run = start(airflow, driver, dag)
    ends_well(airflow, driver, dag, run)
    assert state(airflow, run, "ingest", dag) == "success"


def test_what_a_run_could_not_do_is_read_on_its_page(airflow: Airflow, driver: "Chrome") -> None:
    dag = "batch_scoring"
    run = start(airflow, driver, dag, {"input": "data/nowhere.csv"})
    assert airflow.finished(run, dag=dag) == "failed"
    open_run(airflow, driver, dag, run)
    nothing_released = production(airflow.project, "model_release") is None
    reads(driver, "Signalbox: failed: ", "model_release" if nothing_released else "nowhere.csv")
    assert complaints(driver) == []


def test_a_rule_set_waits_for_an_approval_that_is_given_by_clicking(
    airflow: Airflow, driver: "Chrome"
) -> None:
    """From the entry of Airflow's menu: the overview leads out of the frame to the question."""
    dag = "alert_noise_reduction"
    run = start(airflow, driver, dag)
    wait(lambda: state(airflow, run, "approve_release", dag) == "awaiting_input", 400,
         lambda: airflow.told(run, dag))  # fmt: skip
    settle(airflow)
    open_pages_of_signalbox(airflow, driver)
    assert "waits for you" in found(driver, "main").text
    link = found(driver, f"a[target=_top][href*='/dags/{dag}/runs/{quote(run, safe='')}/']")
    link.click()
    driver.switch_to.default_content()
    button = found(driver, "[data-testid=hitl-option-Approve]")
    assert driver.current_url.endswith("/tasks/approve_release/required_actions")
    reads(driver, "The gate says review")
    assert button.is_enabled()  # a reason is welcome, not demanded
    found(driver, "#element_reason").send_keys("Read in the browser.")
    button.click()
    ends_well(airflow, driver, dag, run)
    reads(driver, "Signalbox: released as v")
    assert state(airflow, run, "release", dag) == "success"
    name = f"{dag}/{run.replace(':', '.')}"
    [told] = [
        entry
        for entry in Ledger.of(airflow.project).entries()
        if entry.kind == "approval" and entry.data["run"] == name
    ]
    [given] = told.data["outcome"]["answers"]
    assert (given["who"], given["reason"]) == ("alice", "Read in the browser.")
    open_pages_of_signalbox(airflow, driver)
    assert not driver.find_elements(By.CSS_SELECTOR, f"a[href*='{quote(run, safe='')}']")
    driver.switch_to.default_content()
    assert complaints(driver) == []

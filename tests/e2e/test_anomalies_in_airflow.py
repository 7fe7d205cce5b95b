"""Anomalies, service map and incidents on a real Airflow: a backfill, backwards, changes nothing.

What it leaves is the same, byte for byte, as analysing one window after another on time.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pipelines.aiops import group_incidents, report_incidents
from pipelines.aiops.lake.window import Window, result_dir
from pipelines.aiops.params import load_aiops_params
from pipelines.cli.airflow_api import DONE
from tests.e2e.clicks import complaints, ends_well, found, open_pages_of_signalbox, reads, start
from tests.e2e.stack import Airflow, login, state, wait
from tests.support.aiops_world import CULPRIT, World, analyse, write_lake
from tests.support.small_project import call, change_params, commit

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.e2e

WORLD = World()
HOURS = (9, 10, 11)
WINDOWS = [Window(WORLD.at(hour), WORLD.at(hour + 1)) for hour in HOURS]
DAGS = ("telemetry_anomalies", "service_map")
FAULTY = WINDOWS[1]
ROUTES = "{route: {receiver: on-call}, receivers: [{name: on-call}]}"


@pytest.fixture(scope="module")
def on_time(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results of the jobs, called in order, with the project's params, in another folder."""
    project, world = airflow.project, airflow.project.parent / "world"
    write_lake(world, WORLD)
    before = {name: (project / name).read_text() for name in ("params.yaml", "release.yaml")}
    (world / "alertmanager.yml").write_text(ROUTES)
    change_params(project, {
        "aiops.analysis.lake": str(world),
        "aiops.export_rules.alertmanager_yml": str(world / "alertmanager.yml"),
        "aiops.analysis.delay_minutes": 0,
    })  # fmt: skip
    change_params(project, {"runtime.partitions": 2}, "release.yaml")
    commit(project, "the lake lies elsewhere")
    folder = tmp_path_factory.mktemp("on-time")
    (folder / "expectations").symlink_to(project / "expectations")
    params = load_aiops_params(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for window in WINDOWS:
            place = result_dir(Path(params.analysis.results), window)
            analyse(params, place, window, group_incidents.earlier_directories(params, window))
            report_incidents.run(place, params.report_incidents)
    yield folder / params.analysis.results
    pause(airflow)
    for name, text in before.items():  # for the tests of other files
        (project / name).write_text(text)
    commit(project, "the lake lies where it lay")


@pytest.fixture(scope="module")
def backfilled(airflow: Airflow, on_time: Path) -> Path:
    """Results of Airflow's backfill of both DAGs, the last window first; incidents followed."""
    for dag in (*DAGS, "incidents"):
        airflow.api.wait_for_dag(dag)
    asked = [backfill(airflow, dag) for dag in DAGS]
    for dag in (*DAGS, "incidents"):
        airflow.api.unpause(dag)
    wait(lambda: all(completed(airflow, number) for number in asked), 500)
    results = airflow.project / "telemetry/results"

    def quiet() -> bool:
        states = [run["state"] for run in runs(airflow, "incidents")]
        return bool(states) and all(state in DONE for state in states) and whole(results)

    wait(quiet, 300)
    pause(airflow)
    return results


def pause(airflow: Airflow) -> None:
    for dag in (*DAGS, "incidents"):
        airflow.client.patch(f"/api/v2/dags/{dag}", json={"is_paused": True}).raise_for_status()


def backfill(airflow: Airflow, dag: str) -> int:
    """Ask for a backfill of the windows, the last first; repeated while SQLite is busy."""
    about = {"dag_id": dag, "from_date": WINDOWS[0].start.isoformat(),
             "to_date": WINDOWS[-1].start.isoformat(), "run_backwards": True,
             "max_active_runs": 2}  # fmt: skip

    def asked() -> bool:
        answer = airflow.client.post("/api/v2/backfills", json=about)
        assert answer.is_success or answer.status_code in {409, 503}, answer.text
        return answer.is_success or answer.status_code == 409

    wait(asked, 120)
    place = airflow.client.get("/api/v2/backfills", params={"dag_id": dag}).raise_for_status()
    return int(place.json()["backfills"][0]["id"])


def completed(airflow: Airflow, number: int) -> bool:
    return bool(airflow.client.get(f"/api/v2/backfills/{number}").json()["completed_at"])


def runs(airflow: Airflow, dag: str) -> list[dict[str, Any]]:
    answer = airflow.client.get(f"/api/v2/dags/{dag}/dagRuns", params={"limit": 100})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["dag_runs"]
    return found


def whole(results: Path) -> bool:
    """Whether the pages of all windows tell of what is there now."""
    for window in WINDOWS:
        place = result_dir(results, window)
        if not (place / "reports/incidents.html").is_file():
            return False
        earlier = [result_dir(results, one) for one in WINDOWS if one < window]
        told = json.loads((place / "incidents/incidents.json").read_text())["inputs"]
        if {name.split("/")[1] for name in told if name.startswith("..")} != {
            one.name for one in earlier
        }:
            return False
    return True


def files(results: Path) -> dict[str, bytes]:
    return {path.relative_to(results).as_posix(): path.read_bytes()
            for path in sorted(results.rglob("*")) if path.is_file()}  # fmt: skip


def signalbox(project: Path, *arguments: str) -> str:
    return call(project, sys.executable, "-m", "pipelines.cli.main", *arguments, COLUMNS="200")


def test_a_backfill_backwards_gives_what_running_on_time_gives(
    on_time: Path, backfilled: Path
) -> None:
    expected, found = files(on_time), files(backfilled)
    assert list(found) == list(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert len(expected) == len(WINDOWS) * 20


def test_the_planted_fault_is_an_incident_of_its_hour(airflow: Airflow, backfilled: Path) -> None:
    told = signalbox(airflow.project, "incidents", "list", "--json", "--window", FAULTY.name)
    incidents = json.loads(told)
    assert incidents
    assert incidents[0]["causes"][0]["service"] == CULPRIT


def test_work_was_spread_over_tasks_with_names(airflow: Airflow, backfilled: Path) -> None:
    for dag, task, most in (("telemetry_anomalies", "metric_anomalies", 2),
                            ("service_map", "map_services", 1)):  # fmt: skip
        for run in runs(airflow, dag):
            if run["run_type"] != "backfill":
                continue
            assert run["state"] == "success"
            place = f"/api/v2/dags/{dag}/dagRuns/{run['dag_run_id']}/taskInstances"
            found = airflow.client.get(place.replace("+", "%2B")).json()["task_instances"]
            names = [one["rendered_map_index"] for one in found if one["task_id"] == task]
            assert 1 <= len(names) <= most
            assert all(names)


def test_pages_of_a_window_are_shown_to_those_who_may_see_the_dag(
    airflow: Airflow, backfilled: Path
) -> None:
    base = "/signalbox-results"
    page = f"{base}/{FAULTY.name}/incidents.html"
    anonymous = httpx.get(airflow.address + page)
    assert anonymous.status_code == 401
    person = login(airflow, "alice")
    shown = person.get(page)
    assert shown.status_code == 200
    assert shown.content == (backfilled / FAULTY.name / "reports/incidents.html").read_bytes()
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert person.get(f"{base}/{FAULTY.name}/../params.yaml").status_code == 404
    # Where the list was before it had a frame.
    assert FAULTY.name in person.get(f"{base}/", follow_redirects=True).text


def test_a_browser_goes_from_airflows_menu_to_every_page(
    airflow: Airflow, backfilled: Path, driver: "Chrome"
) -> None:
    open_pages_of_signalbox(airflow, driver)
    assert complaints(driver) == []
    window = f"incidents/{FAULTY.name}"
    for page in ("/signalbox/incidents", window, "/anomalies", "/signalbox/service-map"):
        link = found(driver, f"a[href*='{page}']")
        driver.execute_script("arguments[0].click()", link)
        wait(lambda page=page: page in driver.execute_script("return location.href"), 20)
        found(driver, "h1")
        # That Airflow's frame has both scripts and its origin is a warning, not an error.
        assert complaints(driver) == []
    assert driver.execute_script("return window !== window.top")
    driver.switch_to.default_content()


def test_a_window_is_analysed_and_grouped_anew_by_clicking(
    airflow: Airflow, on_time: Path, backfilled: Path, driver: "Chrome"
) -> None:
    form = {"Start of the window": FAULTY.start, "End of the window": FAULTY.end}
    last = {"telemetry_anomalies": "findings", "service_map": "join_service_map"}
    shutil.rmtree(backfilled / FAULTY.name)
    asked = {dag: start(airflow, driver, dag, form) for dag in DAGS}
    for dag, run in asked.items():
        ends_well(airflow, driver, dag, run)
        assert state(airflow, run, last[dag], dag) == "success"
    run = start(airflow, driver, "incidents")
    ends_well(airflow, driver, "incidents", run)
    wait(lambda: whole(backfilled), 60)  # the event of the two may have come first
    pause(airflow)
    assert files(backfilled / FAULTY.name) == files(on_time / FAULTY.name)


def test_a_run_that_had_nothing_to_do_says_so_on_its_page(
    airflow: Airflow, backfilled: Path, driver: "Chrome"
) -> None:
    """The lake holds nothing of the last hour, which is what the form's defaults mean."""
    run = start(airflow, driver, "telemetry_anomalies")
    ends_well(airflow, driver, "telemetry_anomalies", run)
    pause(airflow)
    reads(driver, "Signalbox: nothing to do: no telemetry of ")
    assert state(airflow, run, "findings", "telemetry_anomalies") == "skipped"


def test_no_script_of_a_page_runs_but_the_maps_own(airflow: Airflow, backfilled: Path) -> None:
    shown = login(airflow, "alice").get(f"/signalbox-results/{FAULTY.name}/incidents.html")
    policy = dict(
        part.strip().split(" ", 1) for part in shown.headers["Content-Security-Policy"].split(";")
    )
    assert policy["script-src"].startswith("'sha256-")
    assert " " not in policy["script-src"]
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"


def test_signalbox_run_analyses_the_window_of_params_and_tells_what_it_found(
    airflow: Airflow, on_time: Path, backfilled: Path
) -> None:
    project, end = airflow.project, f"{FAULTY.end:%Y-%m-%dT%H:%M}"
    change_params(project, {"aiops.analysis.until": end, "aiops.analysis.hours": 1})
    told = signalbox(project, "run", "incidents")
    assert f"window {FAULTY.name}" in told
    assert "metric_anomalies[1]" in told
    assert re.search(r"^findings: \d+ metric, \d+ log, ", told, re.MULTILINE)
    assert f"first suspect: {CULPRIT}" in told
    assert f"{FAULTY.name}/reports/incidents.html" in told
    assert files(backfilled / FAULTY.name) == files(on_time / FAULTY.name)

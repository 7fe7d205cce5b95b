"""Incidents of a window: what the fault did is one, with its cause, history and neighbours."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops import group_incidents, log_anomalies, map_services, metric_anomalies
from pipelines.aiops import group_incidents as incident_file
from pipelines.aiops.group_incidents import POSTED
from pipelines.aiops.incidents import Signals, causes
from pipelines.aiops.incidents.model import FORMAT, read_incidents
from pipelines.aiops.lake.window import Window, result_dir
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.analysis import PostParams
from pipelines.aiops.params.artifacts import INCIDENTS, METRIC_ANOMALIES
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from tests.support.aiops_world import CULPRIT, HIT, analyse, params_for
from tests.unit.aiops.conftest import SHORT, WORLD

HOUR = Window(WORLD.at(10), WORLD.at(11))
NEXT = Window(WORLD.at(11), WORLD.at(12))


@pytest.fixture(scope="module")
def analysed(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> AiopsParams:
    """Analyse the hour of the fault and the next one; give the params."""
    root = tmp_path_factory.mktemp("analysed")
    params = params_for(root, analysis={"lake": str(lake)}, **SHORT)
    for window in (HOUR, NEXT):
        analyse(params, result_dir(Path(params.analysis.results), window), window)
    return params


@pytest.fixture
def place(analysed: AiopsParams) -> Path:
    return result_dir(Path(analysed.analysis.results), HOUR)


def only(place: Path) -> dict[str, Any]:
    (one,) = incident_file.read(place)["incidents"]
    return dict(one)


def test_the_fault_is_one_incident_of_all_that_it_hit(place: Path) -> None:
    found = only(place)
    assert set(found["affected"]) == set(HIT)
    content = incident_file.read(place)
    assert set(content["findings"]) == set(found["findings"])
    signals = {one["signal"] for one in content["findings"].values()}
    assert signals == {"metric", "log", "alert", "service_map"}
    assert content["counts"]["incidents"] == 1
    assert content["counts"]["findings"]["alert"] == 2 * len(HIT)
    assert "no rules are released" in content["counts"]["alerts"]
    assert ["shop", "pay"] in content["graph"]["calls"]
    assert not any(call[0] == "user:" for call in content["graph"]["calls"])


def test_the_culprit_is_the_likeliest_cause_with_its_deployment(place: Path) -> None:
    cause = only(place)["causes"][0]
    assert cause["service"] == CULPRIT
    assert any("deployment 8 min before the start: pay 2.4.0" in e for e in cause["evidence"])
    assert any("cpu_utilization" in e for e in cause["evidence"])


def test_how_it_was_fixed_before_is_told_but_not_what_was_not_known_yet(place: Path) -> None:
    assert [(one["id"], one["fix"]) for one in only(place)["similar"]] == [("T1", "rollback")]


def test_an_incident_that_is_over_is_not_told_again(analysed: AiopsParams) -> None:
    earlier = group_incidents.earlier_directories(analysed, NEXT)
    results = Path(analysed.analysis.results)
    assert earlier == [result_dir(results, HOUR)]
    group_incidents.run(analysed, NEXT, result_dir(results, NEXT), earlier)
    found = incident_file.read(result_dir(results, NEXT))
    assert found["counts"]["earlier_windows"] == 1
    ids = {only(result_dir(results, HOUR))["id"]}
    assert not ids.intersection(one["id"] for one in found["incidents"])


def test_an_incident_that_goes_on_keeps_its_id_and_beginning(
    analysed: AiopsParams, lake: Path, tmp_path: Path
) -> None:
    params = params_for(tmp_path, analysis={"lake": str(lake)}, **SHORT)
    results = Path(params.analysis.results)
    halves = [Window(WORLD.at(10), WORLD.at(10) + timedelta(minutes=5)),
              Window(WORLD.at(10) + timedelta(minutes=5), WORLD.at(11))]  # fmt: skip
    for half in halves:
        at = result_dir(results, half)
        analyse(params, at, half, group_incidents.earlier_directories(params, half))
    first, second = (only(result_dir(results, half)) for half in halves)
    assert first["id"] == second["id"]
    assert first["start_us"] == second["start_us"]
    assert len(second["findings"]) > len(first["findings"])


def test_signals_are_read_for_few_incidents_and_not_at_all_if_so_wished(
    analysed: AiopsParams, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []

    def nothing(_: AiopsParams, start: int, end: int) -> Signals:
        read.append((start, end))
        return Signals()

    monkeypatch.setattr(causes, "signals", nothing)
    incident_file.build_incidents(analysed, HOUR, place)
    assert len(read) == 1
    assert read[0][1] <= HOUR.end_us
    monkeypatch.setattr(causes, "MOST_RANKED", 0)
    incident_file.build_incidents(analysed, HOUR, place)
    section = analysed.group_incidents.model_copy(update={"signals": False})
    without = analysed.model_copy(update={"group_incidents": section})
    content, _ = incident_file.build_incidents(without, HOUR, place)
    assert len(read) == 1
    # Findings alone are as surprising at callers: the culprit is among them, no lead is told.
    causes_found = content.incidents[0].causes
    assert CULPRIT in [cause.service for cause in causes_found[:3]]


def test_equal_inputs_give_equal_bytes(analysed: AiopsParams, place: Path) -> None:
    before = (place / INCIDENTS).read_bytes()
    group_incidents.run(analysed, HOUR, place)
    assert (place / INCIDENTS).read_bytes() == before


def test_evidence_names_what_incidents_were_made_of(place: Path) -> None:
    evidence = json.loads((place / evidence_of("group_incidents")).read_text())
    assert METRIC_ANOMALIES.as_posix() in evidence["inputs"]
    assert "service_map/service_map.json" in evidence["inputs"]


def test_posting_says_what_it_would_send_and_sends_nothing(
    analysed: AiopsParams, place: Path
) -> None:
    assert group_incidents.post(analysed, place) == []
    urls = ["http://alerts.example:9093/api/v2/alerts", "http://hook.example/in"]

    def with_post(allowed: list[str]) -> AiopsParams:
        section = analysed.group_incidents
        post = section.post.model_copy(update={"urls": urls, "allowed": allowed})
        own = section.model_copy(update={"post": post})
        return analysed.model_copy(update={"group_incidents": own})

    told = group_incidents.post(with_post(["http://alerts.example:9093", urls[1]]), place)
    assert [(one["url"], one["dry_run"], one["status"]) for one in told] == [
        (url, True, None) for url in urls]  # fmt: skip
    assert json.loads(told[0]["body"])[0]["labels"]["alertname"] == "SignalboxIncident"
    assert json.loads(told[1]["body"])["incident"]["id"] == only(place)["id"]
    with pytest.raises(SignalboxError, match="not on the allow-list"):
        group_incidents.post(with_post([]), place)


def test_what_was_taken_is_not_sent_again(analysed: AiopsParams, place: Path) -> None:
    taken: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/in"
    post = PostParams(urls=[url], allowed=[url], dry_run=False)
    section = analysed.group_incidents.model_copy(update={"post": post})
    params = analysed.model_copy(update={"group_incidents": section})
    try:
        told = group_incidents.post(params, place)
        again = group_incidents.post(params, place)
    finally:
        server.shutdown()
        server.server_close()
        (place / POSTED).unlink(missing_ok=True)
    assert [one["status"] for one in told] == [204]
    assert again == []
    assert len(taken) == 1


def test_an_incident_is_read_as_it_was_written(place: Path) -> None:
    told = json.loads((place / INCIDENTS).read_text())
    assert read_incidents(place / INCIDENTS).as_json() == told


def test_incidents_of_another_form_are_refused_by_file_and_key(tmp_path: Path) -> None:
    told = {"format": FORMAT, "incidents": [{"id": "x"}]}
    (tmp_path / "a.json").write_text(json.dumps(told))
    with pytest.raises(SignalboxError, match=r"a\.json: window: .*; run group_incidents again"):
        read_incidents(tmp_path / "a.json")


def test_a_place_that_was_not_analysed_is_refused(analysed: AiopsParams, tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"metric_anomalies\.json: no such file; analyse"):
        group_incidents.run(analysed, HOUR, tmp_path)


def test_an_empty_lake_gives_no_incidents(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    params = params_for(tmp_path, **SHORT)
    analyse(params, tmp_path / "place", HOUR)
    content = incident_file.read(tmp_path / "place")
    assert content["incidents"] == []
    assert content["counts"]["findings"] == {"metric": 0, "log": 0, "service_map": 0, "alert": 0}


@pytest.mark.parametrize("job", [metric_anomalies, log_anomalies, map_services, group_incidents])
def test_every_job_names_the_key_of_a_lake_that_is_not_there(job: Any, tmp_path: Path) -> None:
    params = params_for(tmp_path, **SHORT)
    with pytest.raises(SignalboxError, match=r"aiops\.analysis\.lake"):
        job.run(params, HOUR, tmp_path / "place")

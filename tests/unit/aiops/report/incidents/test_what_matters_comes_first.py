"""A person on call reads from the top: the worst, its likeliest cause, how far it reaches."""

from pathlib import Path

from pipelines.aiops import report_incidents
from pipelines.core.files import read_json, write_json
from tests.support.markup import Page

from . import cases, worlds
from .conftest import read


def test_the_incident_with_most_services_is_told_first(pages: dict[str, Page]) -> None:
    page = pages["incidents"]
    titles = [e.text for e in page.all("h3")]
    assert titles[0].startswith("1. payments: http_server_error_share, 2 more services")
    assert page.text.index("3 incidents") < page.text.index("likeliest cause is payments")
    assert page.text.index("likeliest cause") < page.text.index("Incidents, the worst first")


def test_an_incident_tells_reach_causes_timeline_and_past(pages: dict[str, Page]) -> None:
    text = pages["incidents"].text
    for told in (
        "40\N{NO-BREAK SPACE}min",
        "Affected: 3 services",
        "Exposed, they call these: 1",
        "mobile",
        "deployment 1 min before the start: payments 4.2.0: new card authoriser",
        "Alert HighErrorRate of payments fires.",
        "Rolled payments back to the last release",
        "OPS-2211",
    ):
        assert told in text, told


def test_causes_are_ranked(pages: dict[str, Page]) -> None:
    [first, *_] = [e for e in pages["incidents"].all("ol") if e.attributes.get("class")]
    names = [e for e in pages["incidents"].all("strong") if e.inside[-2:] == ["li", "p"]]
    assert names[0].text == "payments-7f9", "the only pod with evidence"
    assert "nats" in first.text


def test_anomalies_tell_how_rare_what_was_expected_and_the_lines(pages: dict[str, Page]) -> None:
    text = pages["anomalies"].text
    for told in ("once in 1,000 ", "rarer than once in a million ", "0.11 to 0.4 seconds",
                 "card authoriser refused: code 5003 try=0", "2.31 seconds",
                 "Events too common to be told", "812", "fdr_limit"):  # fmt: skip
        assert told in text, told
    assert len([e for e in pages["anomalies"].all("svg") if "chart" in e.attributes["class"]]) == 5


def test_the_map_tells_what_moved_and_what_changes_did(pages: dict[str, Page]) -> None:
    text = pages["service_map"].text
    assert "Compared with 2024-03-08 10:00 to 2024-03-08 12:00 UTC" in text
    assert "payments 4.2.0: new card authoriser" in text
    assert "After 1 of 1 change something moved." in text
    assert {"on it", "upstream"} <= {e.text for e in pages["service_map"].all("td")}
    assert "2 anomalies, 1 incident" in text


def test_no_incidents_is_good_news_only_if_something_was_looked_at(tmp_path: Path) -> None:
    report_incidents.run(tmp_path, worlds.quiet(tmp_path))
    page = read(tmp_path)["incidents"]
    [verdict] = [e for e in page.all("div") if "decision" in e.attributes.get("class", "")]
    assert verdict.attributes["class"] == "decision good"
    assert "No incidents" in verdict.text
    assert "812" in page.text
    report_incidents.run(tmp_path, worlds.quiet(tmp_path, looked=False))
    page = read(tmp_path)["incidents"]
    [verdict] = [e for e in page.all("div") if "decision" in e.attributes.get("class", "")]
    assert verdict.attributes["class"] == "decision open"
    assert "nothing to look at" in verdict.text


def test_simulated_telemetry_is_told_before_anything_else(tmp_path: Path) -> None:
    for synthetic in (True, False):
        cases.leave(tmp_path, synthetic=synthetic)
        report_incidents.run(tmp_path, cases.ABOUT)
        for page in read(tmp_path).values():
            assert ("Synthetic data." in page.text) == synthetic


def test_missing_windows_are_told(tmp_path: Path) -> None:
    cases.leave(tmp_path, missing_windows=["20240309T080000Z_20240309T100000Z"])
    report_incidents.run(tmp_path, cases.ABOUT)
    text = read(tmp_path)["incidents"].text
    assert "Earlier windows are missing" in text
    assert "20240309T080000Z_20240309T100000Z" in text


def test_without_a_map_of_the_time_before_that_is_said(tmp_path: Path) -> None:
    cases.leave(tmp_path, map_before=None)
    moved = tmp_path / "service_map/moved.json"
    content = read_json(moved)
    assert content["diff"] is None
    write_json(moved, {**content, "compared_with": None})
    group = tmp_path / "evidence/group_incidents.json"
    write_json(group, {**read_json(group), "inputs": {}})
    report_incidents.run(tmp_path, cases.ABOUT)
    assert "no map of the time before" in read(tmp_path)["service_map"].text

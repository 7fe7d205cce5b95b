"""The benchmark on intrusion alerts, on a small synthetic scenario of the same form."""

import json
import sys

import pandas as pd
import pytest

from benchmarks import ait_alerts
from benchmarks.ait_data import read, steps, yardstick

DAY = 86_400
BEGIN = 1_700_006_400
ATTACK = BEGIN + 2 * DAY
COLUMNS = ["time", "name", "ip", "host", "short", "time_label", "event_label"]


def line(at, name, host="web", phase="false_positive", event="-"):
    return (at, name, "10.0.0.1", host, name[:3], phase, event)


@pytest.fixture
def folder(tmp_path):
    rows = [line(BEGIN + 1800 * i, "Noise") for i in range(4 * 48)]
    rows += [
        line(ATTACK, "Service stopped", phase="stop", event="steal"),
        line(ATTACK + 600, "Scan", phase="scan"),
        line(ATTACK + 620, "Scan", host="db", phase="scan", event="scan"),
        line(ATTACK + 621, "Noise", phase="scan"),
        line(ATTACK + 5000, "Noise", phase="hidden", event="hidden"),
    ]
    data = tmp_path / "bench" / "ait_alerts"
    data.mkdir(parents=True)
    table = pd.DataFrame(sorted(rows), columns=COLUMNS)
    table.to_csv(data / "small.csv.gz", index=False)
    return tmp_path


def run(folder, monkeypatch, capsys):
    arguments = ["ait_alerts", "--data", str(folder / "bench"), "--out", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    ait_alerts.main()
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_last_line_says_pages_and_steps_of_each_scenario(folder, monkeypatch, capsys):
    result = run(folder, monkeypatch, capsys)
    (small,) = result["scenarios"]
    # Noise on two days, one service stopped, a scan of two hosts; the page of the first step, of
    # the scan's first host, of its second one.
    assert (small["yardstick_pages"], small["pages"]) == (5, 3)
    assert (small["steps"], small["steps_paged"], small["missed"]) == (3, 2, ["hidden"])
    assert result["mean_ratio"] == result["worst_ratio"] == 0.6


def test_what_became_of_each_alert_adds_up_to_the_pages(folder, monkeypatch, capsys):
    run(folder, monkeypatch, capsys)
    alerts = pd.read_csv(folder / "out" / "small.csv", dtype={"rule": str})
    pages = pd.read_csv(folder / "out" / "small_pages.csv")
    assert sorted(alerts.loc[alerts["paged"], "page"].unique()) == pages["page"].tolist()
    assert (alerts.loc[alerts["paged"], "page_time"] >= alerts.loc[alerts["paged"], "time"]).all()
    quiet = alerts[alerts["status"] == "demoted"]
    assert len(quiet)
    assert quiet["rule"].str.startswith("demotion-").all()
    assert not alerts.loc[~alerts["judged"], "paged"].any()


def test_a_page_after_the_step_or_before_the_labelled_alert_does_not_count(folder):
    scenario = read(folder / "bench" / "ait_alerts" / "small.csv.gz")
    at = scenario.rows["time"].to_numpy()
    scan = (scenario.rows["event_label"] == "scan").to_numpy()
    for moment, counts in ((0, True), (1, True), (2, False), (-1, False)):
        page_time = at * 0 - 1
        page_time[scan] = at[scan] + moment
        assert steps(scenario, page_time)["scan"]["paged"] is counts


def test_the_yardstick_pages_once_for_name_host_and_day(folder):
    scenario = read(folder / "bench" / "ait_alerts" / "small.csv.gz")
    paged = scenario.rows[yardstick(scenario)]
    assert (paged["time"] >= ATTACK).all()
    assert not paged.assign(day=paged["time"] // DAY)[["name", "host", "day"]].duplicated().any()

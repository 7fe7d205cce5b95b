"""The benchmark on intrusion alerts, on a small synthetic scenario of the same form."""

import json
import os
import re
import sys
from datetime import datetime

import pandas as pd
import pytest

from benchmarks import ait_alerts
from benchmarks.ait_data import read, silent_for_a_day, steps, yardstick
from pipelines.aiops.params import AiopsParams

DAY = 86_400
BEGIN = 1_700_006_400
ATTACK = BEGIN + 3 * DAY + 7200
COLUMNS = ["time", "name", "ip", "host", "short", "time_label", "event_label"]


def line(at, name, host="web", phase="false_positive", event="-"):
    return (at, name, "10.0.0.1", host, name[:3], phase, event)


@pytest.fixture
def file(tmp_path):
    rows = [line(BEGIN + 1800 * i, "Noise") for i in range(5 * 48)]
    # Every few hours two detections of a host begin together, of each host every 27 hours.
    for hour in range(0, 5 * 24, 3):
        at, host = BEGIN + 3600 * hour + 60, f"pc{hour % 27}"
        rows += [line(at, name, host) for name in ("Login", "Sudo")]
    rows += [
        line(ATTACK, "Service stopped", phase="stop", event="steal"),
        line(ATTACK + 600, "Scan", phase="scan"),
        line(ATTACK + 620, "Scan", host="db", phase="scan", event="scan"),
        line(ATTACK + 625, "Noise", phase="scan"),
        line(ATTACK + 5000, "Noise", phase="hidden", event="hidden"),
    ]
    data = tmp_path / "bench" / "ait_alerts"
    data.mkdir(parents=True)
    path = data / "small.csv.gz"
    pd.DataFrame(sorted(rows), columns=COLUMNS).to_csv(path, index=False)
    return path


def test_the_documented_recipe_goes_through_all_stages_and_is_judged(
    file, tmp_path, monkeypatch, capsys
):
    here = os.getcwd()
    arguments = ["ait_alerts", "--scenario", str(file), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        ait_alerts.main()
    finally:
        os.chdir(here)
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    # Two days, 46 hours: 16 pairs, noise on both, a service that stopped, a scan of two hosts.
    assert row["yardstick_pages"] == 32 - 2 + 2 + 3
    # Two detections that begin at once are one page. Noise is never silent for a day, so that what
    # hides in it isn't paged; the scan of the second host is: it is another alert.
    assert row["recipe"]["pages"] == 15 + 3
    assert (row["steps"], row["recipe"]["missed"]) == (3, ["hidden"])
    assert row["plain_rule"] == row["recipe"]
    alerts = pd.read_csv(tmp_path / "out" / "small.csv")
    pages = pd.read_csv(tmp_path / "out" / "small_pages.csv")
    assert len(pages) == row["recipe"]["pages"]
    told = alerts[alerts["paged"]]
    assert len(told)
    assert set(told["page_time"]) <= set(pages["time"])
    assert (told["page_time"] >= told["time"]).all()
    assert not alerts.loc[~alerts["judged"], "paged"].any()


def test_the_recipe_of_the_docs_is_valid_and_says_the_same_length_everywhere():
    alertmanager, own = ait_alerts.recipe()
    params = AiopsParams.model_validate(own["aiops"])
    (source,) = params.telemetry.sources
    (receiver,) = params.export_rules.paging_receivers
    assert f"receiver: {receiver}" in alertmanager
    assert "hold" not in params.mine_rules.families
    posted = re.findall(r'"(?:starts|ends)At": "(.*?)"', ait_alerts.RECIPE.read_text())
    start, end = (datetime.fromisoformat(moment) for moment in posted)
    assert (end - start).total_seconds() == source.hold_seconds


def test_a_page_after_the_step_or_before_the_labelled_alert_does_not_count(file):
    scenario = read(file)
    at = scenario.rows["time"].to_numpy()
    scan = (scenario.rows["event_label"] == "scan").to_numpy()
    for moment, counts in ((0, True), (5, True), (6, False), (-1, False)):
        page_time = at * 0 - 1
        page_time[scan] = at[scan] + moment
        assert steps(scenario, page_time)["scan"]["paged"] is counts


def test_the_yardstick_pages_once_for_name_host_and_day(file):
    scenario = read(file)
    paged = scenario.rows[yardstick(scenario)]
    assert (paged["time"] >= ATTACK).all()
    assert not paged.assign(day=paged["time"] // DAY)[["name", "host", "day"]].duplicated().any()


def test_the_plain_rule_pages_what_was_silent_for_a_day(file):
    scenario = read(file)
    rows = scenario.rows[silent_for_a_day(scenario)]
    assert (rows["name"] == "Noise").sum() == 1
    assert (rows["name"] == "Login").sum() == (scenario.rows["name"] == "Login").sum()

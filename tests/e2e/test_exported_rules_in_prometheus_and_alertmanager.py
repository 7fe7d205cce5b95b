"""Exported rules are taken by a real Alertmanager, and a real Prometheus evaluates them.

Needs the Debian packages ``prometheus-alertmanager`` (with amtool) and ``prometheus`` (with
promtool).
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pipelines.aiops.alerting.config import interval_of, parse_config, routes_of
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.export.bundle import GUARDS, Sources, make_bundle
from pipelines.aiops.alerting.export.guard_rules import hours_expression
from pipelines.aiops.alerting.export.spelling import duration
from pipelines.aiops.alerting.export.write import export
from pipelines.aiops.alerting.rules import Guard, Rule
from tests.unit.aiops.alerting.export import configs
from tests.unit.aiops.alerting.export.make import (
    ALL,
    AWKWARD,
    KNOWN,
    duplicate,
    flapping,
    m,
    quiet,
    recurring,
    transient,
)

pytestmark = pytest.mark.e2e

REQUIRED = "SIGNALBOX_REQUIRE_SYSTEM_PACKAGES"
FIELD = "event.custom_details.{label}"
AWKWARD_RULE = quiet("alertname = X", n=7).model_copy(
    update={"matchers": (*m("alertname = X"), m(f"label = {AWKWARD}")[0])}
)
RULE_FILE = """\
groups:
- name: shop
  interval: 30s
  rules:
  # blips
  - alert: Blip
    expr: blip > 0
    for: 1m
    labels: {severity: page}
  - alert: Flap
    expr: flap > 0   # a comment
    labels:
      severity: page
  - alert: Chatter
    expr: chatter > 0
"""


def need(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    reason = f"{' and '.join(missing)} missing: apt-get install prometheus prometheus-alertmanager"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, place: Path) -> str:
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@contextmanager
def alertmanager(config: Path, place: Path) -> Iterator[httpx.Client]:
    """Start Alertmanager on loopback; end it at the end."""
    port = free_port()
    with (place / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus-alertmanager",
                f"--config.file={config}",
                f"--storage.path={place / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                wait_for(client, process, place / "alertmanager.log")
                yield client
        finally:
            process.terminate()
            process.wait(20)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if client.get("/-/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(log.read_text(errors="replace")[-2000:])


@pytest.mark.parametrize("name", configs.ALL)
def test_amtool_takes_every_merged_configuration(name: str, tmp_path: Path) -> None:
    need("amtool", "promtool")
    sources = Sources(configs.ALL[name], "alertmanager.yml", {"rules.yml": RULE_FILE}, KNOWN)
    rules = [*ALL, AWKWARD_RULE]
    _, checks = export(tmp_path / "out", sources, rules, step=60, label_field=FIELD)
    assert {one.outcome for one in checks} == {"ok"}
    assert len(checks) == 3


@pytest.mark.parametrize("labels", [
    {"alertname": "Chatter", "team": "db"},
    {"alertname": "Latency", "service": "a", "team": "db"},
    {"alertname": "Latency", "service": "b.c", "severity": "critical"},
    {"alertname": "Latency", "service": "a", "severity": "critical"},
    {"alertname": "New"},
])  # fmt: skip
def test_amtool_routes_as_our_model_does(labels: dict[str, str], tmp_path: Path) -> None:
    need("amtool")
    text = make_bundle(
        Sources(configs.FULL, "alertmanager.yml", {}, KNOWN), ALL, 60, FIELD
    ).alertmanager.text
    (tmp_path / "am.yml").write_text(text)
    told = [f"{name}={value}" for name, value in labels.items()]
    found = run("amtool", "config", "routes", "test", "--config.file=am.yml", *told, place=tmp_path)
    top = parse_config(text, "am.yml").route
    nodes = dict(top.walk())
    assert found.strip().split(",") == [nodes[p].receiver for p in routes_of(top, labels)]


def test_a_running_alertmanager_loads_it_and_routes_awkward_values(tmp_path: Path) -> None:
    need("prometheus-alertmanager")
    rules: list[Rule] = [
        AWKWARD_RULE,
        duplicate("alertname = Y", group_wait_seconds=1, group_by=()),
        recurring("alertname = Z"),
    ]
    text = make_bundle(
        Sources(configs.SMALL, "alertmanager.yml", {}, KNOWN), rules, 60, FIELD
    ).alertmanager.text
    (tmp_path / "am.yml").write_text(text)
    alerts = [
        {"labels": {"alertname": "X", "label": AWKWARD}},
        {"labels": {"alertname": "X", "label": "another"}},
        {"labels": {"alertname": "Y", "n": "1"}},
        {"labels": {"alertname": "Y", "n": "2"}},
    ]
    with alertmanager(tmp_path / "am.yml", tmp_path) as client:
        client.post("/api/v2/alerts", json=alerts).raise_for_status()
        deadline, groups = time.monotonic() + 15, []
        while time.monotonic() < deadline and len(groups) < 3:
            groups = client.get("/api/v2/alerts/groups").json()
            time.sleep(0.2)
    found = {
        (group["receiver"]["name"], len(group["alerts"])): group["alerts"][0]["labels"]
        for group in groups
    }
    assert found["signalbox-quiet", 1]["label"] == AWKWARD
    assert found["a", 2]["alertname"] == "Y"
    assert found["a", 1]["label"] == "another"


def promtool_test(place: Path, groups: list[dict[str, Any]], **files: str) -> None:
    """Let promtool evaluate rule files on written-out series."""
    for name, text in files.items():
        (place / f"{name}.yml").write_text(text)
    tests = {
        "rule_files": [f"{name}.yml" for name in files],
        "evaluation_interval": "30s",
        "tests": groups,
    }
    (place / "tests.yml").write_text(yaml.safe_dump(tests))
    run("promtool", "test", "rules", "tests.yml", place=place)


def fires(at: str, alert: str, *labels: dict[str, str]) -> dict[str, Any]:
    return {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": x} for x in labels]}


def merged(*rules: Rule) -> str:
    sources = Sources(configs.SMALL, "am.yml", {"rules.yml": RULE_FILE}, KNOWN)
    return make_bundle(sources, rules, 30, FIELD).rule_files.texts["rules.yml"]


def test_prometheus_waits_as_long_as_the_rule_says(tmp_path: Path) -> None:
    need("promtool")
    series = [{"series": 'blip{s="a"}', "values": "0 1x20 0x20"}]
    page = {"severity": "page", "s": "a"}
    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [fires("2m", "Blip"), fires("3m", "Blip"), fires("4m", "Blip", page)],
    }
    promtool_test(tmp_path, [group], rules=merged(transient("alertname = Blip", wait=120)))
    before = {**group, "alert_rule_test": [fires("2m", "Blip", page)]}
    promtool_test(tmp_path, [before], rules=RULE_FILE)


def test_prometheus_keeps_a_flapping_alert_firing(tmp_path: Path) -> None:
    need("promtool")
    series = [{"series": 'flap{s="a"}', "values": "1 0 0 1 0x20"}]
    page = {"severity": "page", "s": "a"}
    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [
            fires("0s", "Flap", page),
            fires("1m", "Flap", page),
            fires("2m", "Flap", page),
            fires("5m", "Flap"),
        ],
    }
    promtool_test(tmp_path, [group], rules=merged(flapping("alertname = Flap", keep=90)))
    before = {**group, "alert_rule_test": [fires("1m", "Flap")]}
    promtool_test(tmp_path, [before], rules=RULE_FILE)


def test_a_split_changes_only_the_alerts_that_are_meant(tmp_path: Path) -> None:
    need("promtool")
    odd = 'c"d\\e|f'
    rule = transient("alertname = Blip", wait=120).model_copy(
        update={"matchers": (*m("alertname = Blip"), m(f"s = {odd}")[0])}
    )
    second = transient("alertname = Blip", "s =~ a|b\\.c", "t != x", n=2, wait=240)
    values = "1x40"
    labels = [{"s": odd}, {"s": "a"}, {"s": "a", "t": "x"}, {"s": "bxc"}, {"t": "y"}]
    series = [
        {"series": f"blip{{{','.join(f'{k}={json.dumps(v)}' for k, v in one.items())}}}",
         "values": values} for one in labels
    ]  # fmt: skip
    page = [{"severity": "page", **one} for one in labels]
    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [
            fires("1m", "Blip", *page[2:]),
            fires("3m", "Blip", *page[2:], page[0]),
            fires("5m", "Blip", *page),
        ],
    }
    promtool_test(tmp_path, [group], rules=merged(rule, second))


def test_the_guard_counts_starts_and_pages_when_there_are_more_than_ever(tmp_path: Path) -> None:
    need("promtool")
    guard = Guard(by=("cluster",), window_seconds=600, max_count=2)
    rule = quiet("alertname = Chatter", guard=guard)
    sources = Sources(configs.SMALL, "am.yml", {"rules.yml": RULE_FILE}, KNOWN)
    bundle = make_bundle(sources, [rule], 30, FIELD)
    expression = yaml.safe_load(bundle.guards[GUARDS])["groups"][0]["rules"][0]["expr"]
    count = expression.removesuffix(" > 2")
    series = [
        {"series": 'chatter{cluster="c",pod="1"}', "values": "0 1 0 1 0x60"},
        {"series": 'chatter{cluster="c",pod="2"}', "values": "0 0 0 0 0 0 1x60"},
        {"series": 'chatter{cluster="d",pod="1"}', "values": "0 1x60"},
    ]
    told = {"rule": "demotion-1", "cluster": "c", "severity": "critical"}

    def counted(c: int, d: int) -> list[dict[str, Any]]:
        return [{"labels": f'{{cluster="{k}"}}', "value": v} for k, v in (("c", c), ("d", d)) if v]

    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [
            fires("2m", "SignalboxGuard"),
            fires("4m", "SignalboxGuard", told),
            fires("11m", "SignalboxGuard"),
        ],
        "promql_expr_test": [
            {"expr": count, "eval_time": "1m", "exp_samples": counted(1, 1)},
            {"expr": count, "eval_time": "2m", "exp_samples": counted(2, 1)},
            {"expr": count, "eval_time": "4m", "exp_samples": counted(3, 1)},
        ],
    }
    annotations = yaml.safe_load(bundle.guards[GUARDS])["groups"][0]["rules"][0]["annotations"]
    group["alert_rule_test"][1]["exp_alerts"][0]["exp_annotations"] = annotations
    promtool_test(tmp_path, [group], rules=RULE_FILE, guards=bundle.guards[GUARDS])


def still(at: str, rule: Rule, limit: str, *labels: dict[str, str]) -> dict[str, Any]:
    said = {
        "summary": f"An alert that rule {rule.id} hides fires for longer than {limit}",
        "description": rule.sentence,
    }
    told = [{"exp_labels": {"rule": rule.id, **x}, "exp_annotations": said} for x in labels]
    return {"eval_time": at, "alertname": "SignalboxStillFiring", "exp_alerts": told}


def guards_of(*rules: Rule) -> str:
    sources = Sources(configs.SMALL, "am.yml", {"rules.yml": RULE_FILE}, KNOWN)
    return make_bundle(sources, rules, 30, FIELD).guards[GUARDS]


def test_an_alert_that_lasts_longer_than_ever_is_told_with_its_labels(tmp_path: Path) -> None:
    """Guards may be evaluated before the alerts that they read: they are a step late then."""
    need("promtool")
    guard = Guard(window_seconds=600, max_count=5, max_seconds=300)
    rule = quiet("pod =~ 1|2", guard=guard, sentence="Uses {{ odd }} text.")
    series = [
        {"series": 'chatter{pod="1"}', "values": "0 1x8 0 1x8 0x20"},
        {"series": 'chatter{pod="2",rule="old"}', "values": "0x20 1x20 0x20"},
    ]
    told = {"pod": "2", "alert": "Chatter"}
    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [
            still(duration(300), rule, "5m"),
            still(duration(570), rule, "5m"),
            still(duration(630 + 240), rule, "5m"),
            still(duration(630 + 330), rule, "5m", told),
            still(duration(630 + 600), rule, "5m", told),
            still(duration(630 + 690), rule, "5m"),
        ],
    }
    promtool_test(tmp_path, [group], rules=RULE_FILE, guards=guards_of(rule))


@pytest.mark.parametrize(("zone", "begins"), [("UTC", 600), ("Asia/Kolkata", 600)])
def test_a_mute_time_rule_is_guarded_in_its_hours_only(
    zone: str, begins: int, tmp_path: Path
) -> None:
    """promtool's clock begins in 1970; it is muted from ten minutes later for half an hour."""
    need("promtool")
    guard = Guard(window_seconds=3600, max_count=0, max_seconds=300)
    minute = begins // 60 + {"UTC": 0, "Asia/Kolkata": 330}[zone]
    rule = recurring("alertname = Chatter").model_copy(
        update={"guard": guard, "start_minute": minute, "end_minute": minute + 30,
                "timezone": zone, "weekdays": (3, 4), "sentence": "At ten past."}
    )  # fmt: skip
    count = yaml.safe_load(guards_of(rule))["groups"][0]["rules"][0]["expr"].removesuffix(" > 0")
    series = [
        {"series": 'chatter{pod="1"}', "values": "1x200"},
        {"series": 'chatter{pod="2"}', "values": "0x39 1x4 0x150"},
    ]
    told = {"pod": "1", "alert": "Chatter"}
    group = {
        "interval": "30s",
        "input_series": series,
        "alert_rule_test": [
            still(duration(begins - 30), rule, "5m"),
            still(duration(begins + 270), rule, "5m"),
            still(duration(begins + 300), rule, "5m", told),
            still(duration(begins + 1770), rule, "5m", told),
            still(duration(begins + 1800), rule, "5m"),
        ],
        "promql_expr_test": [
            {"expr": count, "eval_time": duration(begins + 300), "exp_samples": []},
            {"expr": count, "eval_time": duration(begins + 1200),
             "exp_samples": [{"labels": "{}", "value": 1}]},
        ],
    }  # fmt: skip
    promtool_test(tmp_path, [group], rules=RULE_FILE, guards=guards_of(rule))


def test_hours_of_a_zone_follow_its_changes(tmp_path: Path) -> None:
    """Paris on 29 and 30 March 2026, either side of the change, and an autumn Monday."""
    need("promtool")
    rule = recurring("alertname = X").model_copy(
        update={"weekdays": (0, 5, 6), "start_minute": 120, "end_minute": 240,
                "timezone": "Europe/Paris"}
    )  # fmt: skip
    first, last = (int(datetime(2026, m, 1, tzinfo=UTC).timestamp()) * 10**6 for m in (1, 12))
    spans = stretches(interval_of(rule).ranges, first, last)
    moments = [
        datetime(2026, 3, 28, 0, tzinfo=UTC) + timedelta(minutes=30 * k) for k in range(150)
    ] + [datetime(2026, 10, 26, 0, tzinfo=UTC) + timedelta(minutes=30 * k) for k in range(60)]
    expression = hours_expression(rule)
    tests = []
    for moment in moments:
        second = int(moment.timestamp())
        inside = any(a <= second * 10**6 < b for a, b in spans)
        expr = f"count({expression.replace('time()', str(second))})"
        samples = [{"labels": "{}", "value": 1}] if inside else []
        tests.append({"expr": expr, "eval_time": "0s", "exp_samples": samples})
    assert {bool(each["exp_samples"]) for each in tests} == {True, False}
    promtool_test(tmp_path, [{"interval": "30s", "input_series": [], "promql_expr_test": tests}])

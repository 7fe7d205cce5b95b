"""Exported rules are taken by a real Alertmanager, and a real Prometheus pages by them.

promtool evaluates the nine rules on written-out ``ALERTS``, tick by tick, and their pages are those
of the replay. Then a made-up day, a second for half a minute, goes through a running Prometheus
(with external labels) and a running Alertmanager with the exported files. Needs the Debian packages
``prometheus-alertmanager`` (with amtool) and ``prometheus`` (with promtool).
"""

import json
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipelines.aiops.alerting.config import PAGE_NAME, SECOND, parse_config, routes_of
from pipelines.aiops.alerting.export.bundle import PROMETHEUS_RULES, Sources, make_bundle
from pipelines.aiops.alerting.export.read_back import exported_files, files_of, read_back
from pipelines.aiops.alerting.export.write import export, read_sources, sources_of
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.replay.held_pages import HeldPages, add_held_pages
from pipelines.aiops.alerting.replay.lifetimes import fire
from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.rules import HoldRule, Rule, read_rules
from pipelines.aiops.lake.frame import AlertFrame, Labels
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.params.artifacts import EXPORT, HISTORY, RULE_SET
from pipelines.core.time import DAY_US
from tests.support.alert_worlds import WORLDS, judge, params_of, with_chat
from tests.support.alertmanager_server import alertmanager, need_program, webhook_receiver
from tests.support.prometheus_server import (
    Plan,
    asked,
    exporter,
    health_of_rules,
    prometheus,
)
from tests.unit.aiops.alerting.export import configs
from tests.unit.aiops.alerting.export.make import ALL, AWKWARD, KNOWN, hold, m

pytestmark = pytest.mark.e2e

FIELD = "event.custom_details.{label}"
AWKWARD_RULE = hold("alertname = X", n=7).model_copy(
    update={"matchers": (*m("alertname = X"), m(f"label = {AWKWARD}")[0])}
)


def run(*command: str, place: Path) -> str:
    for program in command[:1]:
        need_program(program)
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def frame_of(rows: Sequence[tuple[int, float, float]], labels: list[Labels]) -> AlertFrame:
    """Frame from (series, start, end) in seconds."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    unknown = np.full(len(table), -1)
    return AlertFrame(
        table[:, 0].astype(np.int32),
        (table[:, 1] * SECOND).astype(np.int64),
        (table[:, 2] * SECOND).astype(np.int64),
        unknown.astype(np.int8),
        unknown.astype(np.int32),
        labels,
        [],
    )


@pytest.mark.parametrize("name", configs.ALL)
def test_amtool_and_promtool_take_every_export(name: str, tmp_path: Path) -> None:
    need_program("amtool")
    need_program("promtool")
    sources = Sources(configs.ALL[name], "alertmanager.yml", KNOWN)
    rules = [*ALL, AWKWARD_RULE]
    _, checks = export(tmp_path / "out", sources, rules, step=30, label_field=FIELD)
    assert [one.outcome for one in checks] == ["ok", "ok"]
    assert "9 rules found" in checks[1].says


@pytest.mark.parametrize("labels", [
    {"alertname": "Latency", "service": "a", "team": "db"},
    {"alertname": "Latency", "service": "b.c"},
    {"alertname": "Latency", "service": "a", "severity": "critical"},
    {"alertname": PAGE_NAME, "service": "a", "pager": "team"},
    {"alertname": PAGE_NAME, "service": "a", "pager": "db not in offhours"},
    {"alertname": "New"},
])  # fmt: skip
def test_amtool_routes_as_our_model_does(labels: dict[str, str], tmp_path: Path) -> None:
    text = make_bundle(
        Sources(configs.FULL, "alertmanager.yml", KNOWN), ALL, 30, FIELD
    ).alertmanager.text
    (tmp_path / "am.yml").write_text(text)
    told = [f"{name}={value}" for name, value in labels.items()]
    found = run("amtool", "config", "routes", "test", "--config.file=am.yml", *told, place=tmp_path)
    top = parse_config(text, "am.yml").route
    nodes = dict(top.walk())
    assert found.strip().split(",") == [nodes[p].receiver for p in routes_of(top, labels)]


PAGING = """\
route:
  receiver: team
  group_by: [alertname, service]
  group_wait: 0s
  group_interval: 5s
receivers:
  - name: team
    webhook_configs: [{url: 'TEAM'}]
  - name: chat
    webhook_configs: [{url: 'CHAT'}]
"""
STEP = 30
TICKS = 80


def series_of(spans: Sequence[tuple[float, float]], ticks: int) -> str:
    """Samples of one alert's ``ALERTS`` at each tick; a marker of staleness where it ends."""
    fires = [any(a <= t * STEP < b for a, b in spans) for t in range(ticks)]
    samples = []
    for tick, now in enumerate(fires):
        samples.append("1" if now else "stale" if tick and fires[tick - 1] else "_")
    return " ".join(samples)


def made_up_history(seed: int) -> tuple[list[Labels], list[tuple[int, int, int]]]:
    """Alerts of three services and four names that begin and end at ticks, and never touch."""
    draw = random.Random(seed)
    labels = [
        {"alertname": name, "service": service, "pod": pod}
        for name in ("A", "B", "C", "D")
        for service in ("x", "y", "z")
        for pod in ("1", "2", "3")
    ]
    rows = []
    for number in draw.sample(range(len(labels)), 14):
        at = draw.randrange(1, 30)
        while at < TICKS - 4:
            lasts = draw.choice((1, 1, 2, 3, 8, 14))
            rows.append((number, at * STEP, (at + lasts) * STEP))
            at += lasts + draw.choice((2, 3, 9, 25))
    return labels, rows


SHORT = {
    "wait_seconds": 150, "again_seconds": 300, "fresh_seconds": 120, "names": 2, "instances": 2,
    "services": 2, "storm_seconds": 60, "rate_seconds": 300, "usual_rates": 2, "rise": 1,
    "window_seconds": 600,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_prometheus_pages_when_the_replay_says_so(seed: int, tmp_path: Path) -> None:
    """The rules and their model, side by side: which pages fire at every tick."""
    settings = {**SHORT, "names": 2 + seed % 2, "instances": 2 + seed % 3, "services": 2 + seed % 4}
    rules: list[Rule] = [
        hold("alertname = A", "service =~ x|y", n=1, **settings),
        hold("alertname = B", "service =~ x|y|z", "pod =~ 1|2", n=2, **settings),
        hold("alertname = C", "service = z", n=3, **settings),
    ]
    sources = Sources(PAGING, "am.yml", KNOWN, ("team",))
    files = files_of(make_bundle(sources, rules, STEP, FIELD), sources)
    labels, rows = made_up_history(seed)
    frame, until = frame_of(rows, labels), TICKS * STEP * SECOND
    periods = fire(frame, until)
    (held,) = read_back(files, rules).held
    _, _, pages = add_held_pages([held], LabelTable(frame.labels), periods, until)
    assert len(pages.labels) > 3
    asks = [asked_of_promtool(pages, held.external, tick) for tick in range(TICKS)]
    series = alerts_series(labels, rows, TICKS)
    promtool_test(
        tmp_path,
        files.prometheus[PROMETHEUS_RULES],
        {"input_series": series, "promql_expr_test": asks},
    )


def asked_of_promtool(pages: HeldPages, external: Mapping[str, str], tick: int) -> dict[str, Any]:
    """Which pages Prometheus must have at a tick; it doesn't see the labels that it adds."""
    now = tick * STEP * SECOND
    there = [
        {label: value for label, value in one.items() if label not in external}
        for one, start, end in zip(pages.labels, pages.starts, pages.ends, strict=True)
        if start <= now < end
    ]
    return {
        "expr": f'ALERTS{{alertname="{PAGE_NAME}"}}',
        "eval_time": f"{tick * STEP}s",
        "exp_samples": [
            {"labels": "ALERTS" + _braces({"alertstate": "firing", **one}), "value": 1}
            for one in there
        ],
    }


def alerts_series(
    labels: Sequence[Labels], rows: Sequence[tuple[int, float, float]], ticks: int
) -> list[dict[str, str]]:
    """Write out ``ALERTS`` of (series, start, end) in seconds, for promtool."""
    spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for number, start, end in rows:
        spans[number].append((start, end))
    return [
        {"series": "ALERTS" + _braces({"alertstate": "firing", **labels[number]}),
         "values": series_of(found, ticks)}
        for number, found in spans.items()
    ]  # fmt: skip


def test_what_was_mined_pages_in_prometheus_as_in_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days of a company's history, with labels as its Prometheus has them."""
    world = with_chat(WORLDS / "mini_guard", tmp_path / "world")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    judge(world, project)
    sources = sources_of(params_of(world).export_rules)
    files, rules = exported_files(EXPORT, sources), read_rules(RULE_SET)
    frame = read_history(HISTORY)
    (held,) = read_back(files, rules, {name for one in frame.labels for name in one}).held
    days = 2 * DAY_US
    begin = int(np.median(frame.starts)) // DAY_US * DAY_US
    inside = (frame.starts >= begin) & (frame.starts < begin + days)
    rows = [
        (series, start / SECOND, end / SECOND)
        for series, start, end in zip(
            frame.series[inside].tolist(),
            (frame.starts[inside] - begin).tolist(),
            (np.minimum(frame.ends[inside], begin + days) - begin).tolist(),
            strict=True,
        )
    ]
    early = frame_of(rows, list(frame.labels))
    _, _, pages = add_held_pages([held], LabelTable(early.labels), fire(early, days), days)
    assert len(pages.labels) > 3
    own = [{k: v for k, v in one.items() if k not in held.external} for one in early.labels]
    ticks = days // SECOND // STEP
    promtool_test(
        tmp_path,
        files.prometheus[PROMETHEUS_RULES],
        {
            "input_series": alerts_series(own, rows, ticks),
            "promql_expr_test": [
                asked_of_promtool(pages, held.external, tick) for tick in range(ticks)
            ],
        },
    )


def _braces(labels: Labels) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def promtool_test(place: Path, rules: str, group: dict[str, Any]) -> None:
    """Let promtool evaluate a rule file on written-out series."""
    (place / "rules.yml").write_text(rules)
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{STEP}s",
        "tests": [{"interval": f"{STEP}s", **group}],
    }
    (place / "tests.yml").write_text(yaml.safe_dump(tests))
    run("promtool", "test", "rules", "tests.yml", place=place)


SEARCH = "https://chat.example.com/search?q={alertname}+{service}&in=alerts"


@pytest.mark.parametrize("address", ["", SEARCH])
def test_a_page_names_the_alerts_that_it_stands_for(address: str, tmp_path: Path) -> None:
    """Which, since when, on how many pods, and where chat was told."""
    rule = hold("alertname = A B", "service = x & y", to="team", **SHORT)
    rule = rule.model_copy(update={"chat_url": address})
    sources = Sources(PAGING, "am.yml", KNOWN, ("team",))
    text = make_bundle(sources, [rule], STEP, FIELD).prometheus[PROMETHEUS_RULES]
    series = []
    for name, pod, first in (("A B", "1", 2), ("A B", "2", 4), ("Other", "1", 4)):
        labels = {"alertname": name, "service": "x & y", "pod": pod}
        gap = " ".join(["_"] * first)
        series += [
            {"series": f"ALERTS{_braces({'alertstate': 'firing', **labels})}",
             "values": f"{gap} 1x20"},
            {"series": f"ALERTS_FOR_STATE{_braces(labels)}",
             "values": f"{gap} {first * STEP}x20"},
        ]  # fmt: skip
    links = {
        name: f" https://chat.example.com/search?q={name}+x+%26+y&in=alerts" if address else ""
        for name in ("A+B", "Other")
    }
    page = {
        "exp_labels": {"service": "x & y", "pager": "team", "since": str(4 * STEP)},
        "exp_annotations": {
            "summary": "x & y: 3 alerts fire",
            "description": (
                f"- A B: 2 firing, since 1970-01-01 00:01:00 +0000 UTC{links['A+B']}\n"
                f"- Other: 1 firing, since 1970-01-01 00:02:00 +0000 UTC{links['Other']}\n"
                "Chat (receiver chat) was told of each at once. This page stands for them: they "
                "last, more than one came, or they came back, soon or more often than usual."
            ),
        },
    }
    group = {
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": f"{3 * STEP}s", "alertname": PAGE_NAME, "exp_alerts": []},
            {"eval_time": f"{4 * STEP}s", "alertname": PAGE_NAME, "exp_alerts": [page]},
        ],
    }
    promtool_test(tmp_path, text, group)


FAST = {
    "wait_seconds": 10, "again_seconds": 25, "fresh_seconds": 8, "names": 2, "instances": 3,
    "services": 9, "window_seconds": 30,
}  # fmt: skip
LASTS = 50
NEAR = 3.5
"""Seconds between a real page and the replay's: Prometheus looks once a second, thrice in a row."""


def _alert(name: str, service: str, pod: str = "1") -> dict[str, str]:
    return {"alertname": name, "severity": "page", "service": service, "pod": pod}


PLAN: Plan = [
    (_alert("Spike", "short"), [(3, 8)]),
    (_alert("Spike", "long"), [(3, 28)]),
    (_alert("Spike", "again"), [(3, 7), (16, 20)]),
    (_alert("Spike", "company"), [(3, 14)]),
    (_alert("Slow", "company"), [(6, 14)]),
    (_alert("Spike", "pods", "1"), [(12, 18)]),
    (_alert("Spike", "pods", "2"), [(12, 18)]),
    (_alert("Spike", "pods", "3"), [(13, 18)]),
    (_alert("Down", "new"), [(5, 20)]),
    (_alert("Spike", "never-held"), [(6, 9)]),
]
RULE_FILE = """\
groups:
  - name: shop
    rules:
      - {alert: Spike, expr: spike > 0, labels: {severity: page}}
      - {alert: Slow, expr: slow > 0, labels: {severity: page}}
      - {alert: Down, expr: down > 0, labels: {severity: page}}
"""
SERVICES = "service =~ short|long|again|company|pods"
FAST_RULES: list[HoldRule] = [
    hold("alertname = Spike", SERVICES, "cluster =~ eu|us", **FAST),
    hold("alertname = Slow", SERVICES, n=2, **FAST),
]


def test_pages_of_real_servers_are_those_of_the_replay(tmp_path: Path) -> None:
    need_program("prometheus")
    need_program()
    own = tmp_path / "own"
    own.mkdir()
    clocks = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    base = {"global": {**clocks, "external_labels": {"cluster": "eu"}}}
    (own / "prometheus.yml").write_text(yaml.safe_dump(base))
    with webhook_receiver() as hook, exporter(PLAN, ("alertname", "severity")) as shown:
        text = PAGING.replace("TEAM", hook.url("team")).replace("CHAT", hook.url("chat"))
        (own / "alertmanager.yml").write_text(text)
        sources = read_sources(
            str(own / "alertmanager.yml"), [str(own / "prometheus.yml")], ["team"]
        )
        out = tmp_path / "export"
        summary, _ = export(out, sources, FAST_RULES, step=1, label_field=FIELD)
        assert summary.not_exported == 0, summary.rules
        files = exported_files(out, sources)
        (tmp_path / "rules.yml").write_text(RULE_FILE)
        (tmp_path / "signalbox.yml").write_text(files.prometheus[PROMETHEUS_RULES])
        with alertmanager(files.alertmanager, tmp_path) as alerting:
            target = alerting.url.removeprefix("http://")
            running = {
                **base,
                "rule_files": ["rules.yml", "signalbox.yml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]},
                "scrape_configs": [{
                    "job_name": "shop",
                    "static_configs": [{"targets": [f"127.0.0.1:{shown.port}"]}],
                    "metric_relabel_configs": [{"action": "labeldrop", "regex": "instance|job"}],
                }],
            }  # fmt: skip
            with prometheus(yaml.safe_dump(running), tmp_path) as url:
                shown.play(LASTS)
                recorded = asked(url, f"last_over_time(signalbox:held[{LASTS + 20}s])")
                health = health_of_rules(url)
    assert recorded
    assert all("cluster" not in one["metric"] for one in recorded)
    assert len(health) == 12
    assert set(health.values()) == {"ok"}, health

    begin = shown.begin
    labels = [{**one, "cluster": "eu"} for one, _ in PLAN]
    rows = [(n, begin + a, begin + b) for n, (_, spans) in enumerate(PLAN) for a, b in spans]
    deployed = read_back(files, FAST_RULES)
    frame = frame_of(rows, labels)
    made = replay(
        frame, deployed.config, until=round((begin + LASTS) * SECOND), applied=True,
        held=deployed.held,
    )  # fmt: skip
    # When people were first told of each service, by the alert itself or by a page for it.
    heard: dict[str, dict[str, list[float]]] = {
        "team": defaultdict(list),
        "chat": defaultdict(list),
    }
    for at, receiver, told in hook.calls:
        for alert in told["alerts"]:
            if alert["status"] == "firing":
                heard[receiver][alert["labels"]["service"]].append(at / SECOND - begin)
                assert alert["labels"]["cluster"] == "eu"
    first: dict[str, float] = {}
    for row, at in enumerate(made.alerts["first_page"].tolist()):
        if at >= 0:
            service = labels[frame.series[row]]["service"]
            first[service] = min(first.get(service, at / SECOND - begin), at / SECOND - begin)
    real = {service: min(times) for service, times in heard["team"].items()}
    print(json.dumps({"real": real, "replay": first, "chat": heard["chat"]}))
    assert set(real) == set(first) == {"long", "again", "company", "pods", "new", "never-held"}
    assert all(abs(real[service] - first[service]) < NEAR for service in real)
    # Chat hears of every held alert at once, and of nothing else.
    assert set(heard["chat"]) == {"short", "long", "again", "company", "pods"}
    begins = {"short": 3, "long": 3, "again": 3, "company": 3, "pods": 12}
    assert all(min(heard["chat"][name]) - at < NEAR for name, at in begins.items())
    # One page a service: none is repeated, and none of them is told of in pieces.
    pages = [alert["labels"] for _, receiver, told in hook.calls if receiver == "team"
             for alert in told["alerts"] if alert["labels"]["alertname"] == PAGE_NAME
             and alert["status"] == "firing"]  # fmt: skip
    assert sorted(page["service"] for page in pages) == ["again", "company", "long", "pods"]
    # The page says what fires.
    said = [alert["annotations"] for _, _, told in hook.calls for alert in told["alerts"]
            if alert["labels"].get("service") == "company"
            and alert["labels"]["alertname"] == PAGE_NAME]  # fmt: skip
    assert said[0]["summary"] == "company: 2 alerts fire"
    assert "- Slow: 1 firing, since " in said[0]["description"]
    assert "- Spike: 1 firing, since " in said[0]["description"]


def test_a_running_alertmanager_loads_it_and_routes_awkward_values(tmp_path: Path) -> None:
    need_program()
    with webhook_receiver() as hook:
        text = PAGING.replace("TEAM", hook.url("team")).replace("CHAT", hook.url("chat"))
        sources = Sources(text, "alertmanager.yml", KNOWN)
        merged = make_bundle(sources, [AWKWARD_RULE], 30, FIELD).alertmanager.text
        with alertmanager(merged, tmp_path) as client:
            client.call("alerts", [
                {"labels": {"alertname": "X", "label": AWKWARD}},
                {"labels": {"alertname": "X", "label": "another"}},
                {"labels": {"alertname": PAGE_NAME, "pager": "team", "since": "1"}},
            ])  # fmt: skip
            for _ in range(100):
                if len(hook.calls) >= 3:
                    break
                time.sleep(0.1)
    told = {
        (receiver, alert["labels"]["alertname"]): alert["labels"].get("label")
        for _, receiver, call in hook.calls
        for alert in call["alerts"]
    }
    assert told == {("chat", "X"): AWKWARD, ("team", "X"): "another", ("team", PAGE_NAME): None}

"""What exported files do in a real Prometheus and a real Alertmanager is what their replay says.

A second stands for a minute: an exporter shows conditions that come and go as planned, Prometheus
(with external labels) evaluates the exported rule file and the guards, and Alertmanager routes by
the exported ``alertmanager.yml``. The same plan as a history is replayed through the same files,
read back from their bytes. Once the plan is made up to have every kind of rule in it; once it is a
stretch of a world's judged days, and the rules are those that were mined from its earlier ones.

Planned are whole seconds; the servers see each change at their next look, all by the same delay,
and no alert ends near a flush of its group. Needs the Debian packages ``prometheus`` and
``prometheus-alertmanager``.
"""

import contextlib
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipelines.aiops.alerting.config import SECOND, parse_config
from pipelines.aiops.alerting.export.read_back import exported_files, read_back
from pipelines.aiops.alerting.export.write import export, read_sources
from pipelines.aiops.alerting.replay import Replay, replay
from pipelines.aiops.alerting.rules import Guard, Rule, read_rules
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.params.artifacts import RULE_SET
from pipelines.aiops.replay_rules import backtest_on_last
from tests.support.alert_worlds import WORLDS, judge, params_of
from tests.support.alertmanager_server import alertmanager, need_program, webhook_receiver
from tests.unit.aiops.alerting.export.make import duplicate, flapping, quiet, transient

pytestmark = pytest.mark.e2e

LASTS = 100
NEAR, NEAR_GUARD = 1.5, 3.5
"""Seconds between a real page and the replay's; guards look at what was evaluated a step before,
in a subquery whose steps are whole seconds."""

Plan = Sequence[tuple[dict[str, str], Sequence[tuple[int, int]]]]
"""Labels of each alert as its Prometheus has them, and when its condition holds, in seconds."""


@dataclass(frozen=True)
class Company:
    """What happens at a company, how it is told of it today, and rules on top of that.

    `alertmanager` makes its ``alertmanager.yml`` of a function from a receiver's name to its URL.
    """

    plan: Plan
    alertmanager: Callable[[Callable[[str], str]], str]
    external: dict[str, str]
    rules: Sequence[Rule]
    lasts: int

    def rule_file(self) -> str:
        severities = {labels["alertname"]: labels["severity"] for labels, _ in self.plan}
        rules = [
            {"alert": name, "expr": f"{name.lower()} > 0", "labels": {"severity": severity}}
            for name, severity in severities.items()
        ]
        groups = [{"name": "shop", "interval": "1s", "rules": rules}]
        return yaml.safe_dump({"groups": groups}, sort_keys=False)

    def prometheus(self, rule_files: list[str], **more) -> str:
        pace = {"evaluation_interval": "1s", "scrape_interval": "1s"}
        settings = {**pace, "external_labels": self.external}
        return json.dumps({"global": settings, "rule_files": rule_files, **more})

    def history(self, begin: float) -> AlertFrame:
        """Return the plan as Alertmanager would have recorded it today."""
        labels = [{**own, **self.external} for own, _ in self.plan]
        rows = [(n, *span) for n, (_, spans) in enumerate(self.plan) for span in spans]
        series, starts, ends = np.array(rows, dtype=np.int64).T
        start = round(begin * 1e6)
        nothing = np.full(len(rows), -1)
        return AlertFrame(
            series.astype(np.int32), start + starts * SECOND, start + ends * SECOND,
            nothing.astype(np.int8), nothing.astype(np.int32), labels, [],
        )  # fmt: skip


def routes(route: dict, receivers: Sequence[str]) -> Callable[[Callable[[str], str]], str]:
    def text(url: Callable[[str], str]) -> str:
        listed = [{"name": one, "webhook_configs": [{"url": url(one)}]} for one in receivers]
        return yaml.safe_dump({"route": route, "receivers": listed}, sort_keys=False)

    return text


def alert(name: str, severity: str = "warning", /, **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, **labels}


def made_up(_folder: Path) -> Company:
    """Every kind of rule that Prometheus takes part in, and a grouping."""
    plan = (
        (alert("Chatter", service="shop", pod="1"), [(4, 8), (30, 46)]),
        (alert("Chatter", service="shop", pod="2"), [(32, 46)]),
        (alert("Chatter", service="shop", pod="3"), [(34, 46)]),
        (alert("Chatter", service="shop", pod="5"), [(60, 94)]),
        (alert("Blip", service="bills", kind="batch"), [(10, 16), (40, 64)]),
        (alert("Blip", service="pay", kind="web"), [(20, 28)]),
        (alert("Latency", service="a"), [(15, 70)]),
        (alert("Latency", service="b"), [(17, 70)]),
        (alert("Latency", service="c"), [(16, 70)]),
        (alert("Latency", service="d"), [(30, 70)]),
        (alert("Flap", service="f"), [(20, 25), (29, 34), (38, 43)]),
        (alert("Down", "critical", service="x"), [(55, 78)]),
        (alert("Note", "info", service="n"), [(12, 20)]),
    )
    route = {
        "receiver": "on-call",
        "group_by": ["alertname", "service"],
        "group_wait": "1s",
        "group_interval": "5s",
        "repeat_interval": "4h",
        "routes": [{"receiver": "chat", "matchers": ['severity="info"']}],
    }
    rules = [
        quiet(
            "alertname = Chatter", "cluster = eu",
            guard=Guard(by=("cluster",), window_seconds=22, max_count=2, max_seconds=25),
        ),
        transient("alertname = Blip", "cluster = eu", "kind = batch", wait=10),
        flapping("alertname = Flap", keep=10),
        duplicate(
            "alertname = Latency", "region = eu-central-1", group_wait_seconds=6,
            group_interval_seconds=20, repeat_interval_seconds=3600,
        ),
    ]  # fmt: skip
    external = {"cluster": "eu", "region": "eu-central-1"}
    return Company(plan, routes(route, ["on-call", "chat"]), external, rules, 100)


def mined(folder: Path) -> Company:
    """A stretch of a world's judged days in which a guard has to page, with the mined rules."""
    world = WORLDS / "mini_guard"
    (folder / "project").mkdir()
    with contextlib.chdir(folder / "project"):
        judge(world, Path())
        rules = [in_seconds(rule) for rule in read_rules(RULE_SET)]
        judged = backtest_on_last(params_of(world))
    frame, minute = judged.rows, 60 * SECOND
    names = np.array([frame.labels[series]["alertname"] for series in frame.series])
    chatter, down = (np.sort(frame.starts[names == name]) for name in ("Chatter", "Down"))
    # More of what is hidden than ever within three minutes, and a plain incident in the next hour.
    storms = chatter[:-10][chatter[10:] - chatter[:-10] < 3 * minute]
    storm = next(at for at in storms[storms > judged.window.start]
                 if np.any((down > at) & (down < at + 60 * minute)))  # fmt: skip
    start, lasts = storm - 15 * minute, 85
    plan: dict[int, list[tuple[int, int]]] = {}
    for row in np.flatnonzero((frame.ends > start) & (frame.starts < start + lasts * minute)):
        span = [round((times[row] - start) / minute) for times in (frame.starts, frame.ends)]
        assert 0 < span[0] < span[1]
        plan.setdefault(int(frame.series[row]), []).append((span[0], span[1]))
    external = {"cluster": "eu-prod"}
    own = [
        ({key: value for key, value in frame.labels[series].items() if key != "cluster"}, spans)
        for series, spans in plan.items()
    ]
    # As the world's own file, in seconds.
    route = {
        "receiver": "on-call",
        "group_by": ["..."],
        "group_wait": "167ms",
        "group_interval": "1s",
        "repeat_interval": "4m",
    }
    return Company(own, routes(route, ["on-call"]), external, rules, lasts)


def in_seconds(rule: Rule) -> Rule:
    """Let a minute of the rule's durations be a second."""

    def scaled(told: dict) -> dict:
        return {
            name: max(round(value / 60), 1)
            for name, value in told.items()
            if name.endswith("_seconds") and value is not None
        }

    changes = scaled(rule.model_dump())
    guard = getattr(rule, "guard", None)
    if guard is not None:
        changes["guard"] = guard.model_copy(update=scaled(guard.model_dump()))
    return rule.model_copy(update=changes)


RULE_LABELS = ("alertname", "severity")
"""Labels that the rule gives; the others are of its metric."""


@dataclass
class Exporter:
    """Shows the plan's conditions from `begin` on (seconds since 1970); none before."""

    plan: Plan
    port: int = 0
    begin: float = float("inf")
    seen: list[float] = field(default_factory=list)

    def text(self) -> str:
        now = time.time()
        self.seen.append(now)
        lines = []
        for labels, spans in self.plan:
            holds = any(start <= now - self.begin < end for start, end in spans)
            own = {key: value for key, value in labels.items() if key not in RULE_LABELS}
            inside = ",".join(f'{key}="{value}"' for key, value in own.items())
            lines.append(f"{labels['alertname'].lower()}{{{inside}}} {int(holds)}\n")
        return "".join(lines)


@contextlib.contextmanager
def exporter(plan: Plan) -> Iterator[Exporter]:
    shown = Exporter(plan)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shown.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def prometheus(config: str, folder: Path) -> Iterator[str]:
    """Start one on loopback; end it at the end."""
    program = need_program("prometheus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file, log = folder / "running.yml", folder / "prometheus.log"
    file.write_text(config)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        returned = process.poll()
        process.terminate()
        process.wait(timeout=20)
        assert returned is None, log.read_text(errors="replace")[-2000:]


def asked(url: str, query: str) -> list:
    with urllib.request.urlopen(
        f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10
    ) as answer:
        return json.loads(answer.read())["data"]["result"]


def play(shown: Exporter, lasts: int) -> None:
    """Let the plan begin half a second after a scrape, and wait until it is over."""
    deadline = time.monotonic() + 40
    while len(shown.seen) < 4:
        assert time.monotonic() < deadline, "Prometheus doesn't scrape"
        time.sleep(0.1)
    shown.begin = shown.seen[-1] + 2.5
    time.sleep(max(shown.begin + lasts + 1 - time.time(), 0))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def delay_of(plan: Plan, calls: list, begin: float) -> float:
    """How much later than planned Prometheus sees things; what is told of ``Down`` says it."""
    planned = next(spans[0][0] for labels, spans in plan if labels["alertname"] == "Down")
    told = next(
        alert for _, _, told in calls for alert in told["alerts"]
        if alert["labels"]["alertname"] == "Down"
    )  # fmt: skip
    return seconds(told["startsAt"]) - begin - planned


def sent(calls: list, begin: float) -> list[tuple[str, int, int, float]]:
    """Return receiver, alerts firing, alerts resolved and second of each notification."""
    found = []
    for at, receiver, told in calls:
        states = Counter(alert["status"] for alert in told["alerts"])
        found.append((receiver, states["firing"], states["resolved"], at / 1e6 - begin))
    return sorted(found)


def predicted(made: Replay, begin: float) -> list[tuple[str, int, int, float]]:
    table = made.notifications
    seconds_of = table["time"] / 1e6 - begin
    return sorted(
        zip(table["receiver"], table["firing"], table["resolved"], seconds_of, strict=True)
    )


def first_named(calls: list, labels: dict[str, str], start: float, end: float) -> float | None:
    """When people were first told that an alert fires, between two moments."""
    times = [
        at / 1e6 for at, receiver, told in calls if receiver == "on-call"
        for alert in told["alerts"]
        if alert["status"] == "firing" and alert["labels"] == labels and start <= at / 1e6 < end
    ]  # fmt: skip
    return min(times, default=None)


@pytest.mark.parametrize("company_of", [made_up, mined])
def test_pages_and_guards_of_real_servers_are_those_of_the_replay(
    company_of: Callable[[Path], Company], tmp_path: Path
) -> None:
    need_program("prometheus")
    need_program()
    company = company_of(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "rules.yml").write_text(company.rule_file())
    (own / "prometheus.yml").write_text(company.prometheus(["rules.yml"]))
    with webhook_receiver() as hook, exporter(company.plan) as shown:
        (own / "alertmanager.yml").write_text(company.alertmanager(hook.url))
        sources = read_sources(str(own / "alertmanager.yml"), [], [str(own / "prometheus.yml")])
        out = tmp_path / "export"
        summary, _ = export(out, sources, company.rules, step=1, label_field="event.{label}")
        assert summary.not_exported == 0, summary.rules
        files = exported_files(out, sources)
        for name, text in {"rules.yml": next(iter(files.rule_files.values())),
                           "guards.yml": next(iter(files.guards.values()))}.items():  # fmt: skip
            (tmp_path / name).write_text(text)
        with alertmanager(files.alertmanager, tmp_path) as alerting:
            targets = {"static_configs": [{"targets": [alerting.url.removeprefix("http://")]}]}
            scraped = {
                "job_name": "shop",
                "static_configs": [{"targets": [f"127.0.0.1:{shown.port}"]}],
                "metric_relabel_configs": [{"action": "labeldrop", "regex": "instance|job"}],
            }
            running = company.prometheus(
                ["rules.yml", "guards.yml"],
                alerting={"alertmanagers": [targets]},
                scrape_configs=[scraped],
            )
            with prometheus(running, tmp_path) as url:
                play(shown, company.lasts)
                own_alerts = asked(url, f"last_over_time(ALERTS[{company.lasts + 20}s])")
    calls = [call for call in hook.calls if call[0] <= (shown.begin + company.lasts) * 1e6]
    delay = delay_of(company.plan, calls, shown.begin)
    assert 0 <= delay < NEAR_GUARD
    begin = shown.begin + delay
    frame, until = company.history(begin), round((begin + company.lasts - delay) * 1e6)
    labels = {name for one in frame.labels for name in one}
    deployed = read_back(files, company.rules, labels)
    made = replay(frame, deployed.config, rules=deployed.rules, until=until, applied=True)

    # External labels reach Alertmanager, and no expression of Prometheus.
    assert all("cluster" not in one["metric"] for one in own_alerts)
    guards = {one["metric"]["alertname"] for one in own_alerts
              if one["metric"]["alertname"].startswith("Signalbox")}  # fmt: skip
    assert guards == {"SignalboxGuard", "SignalboxStillFiring"}

    real, ours = sent(calls, begin), predicted(made, begin)
    print(json.dumps({"delay": delay, "real": real, "replay": ours}, default=float))
    assert [one[:3] for one in real] == [one[:3] for one in ours]
    apart = [abs(a[3] - b[3]) for a, b in zip(real, ours, strict=True)]
    assert max(apart) < NEAR_GUARD
    told = [{alert["labels"]["alertname"] for alert in call[2]["alerts"]} for call in calls]
    assert "Chatter" not in set().union(*told)
    assert set().union(*told) >= {"SignalboxGuard", "SignalboxStillFiring", "Down"}
    for row, first in enumerate(made.alerts["first_page"] / 1e6):
        named = frame.labels[frame.series[row]]
        if named["alertname"] == "Chatter":
            continue
        start, end = (float(times[row]) / 1e6 for times in (frame.starts, frame.ends))
        page = first_named(calls, named, start, end)
        assert (page is None) == (first < 0), (named, start - begin, page)
        assert page is None or abs(page - first) < NEAR, (named, page - begin, first - begin)

    # Of what is hidden people hear by the guards, and only of what was more than ever.
    hidden = made.alerts[[frame.labels[n]["alertname"] == "Chatter" for n in frame.series]]
    reported = Counter(first >= 0 for first in hidden["first_page"])
    assert reported == {made_up: {False: 1, True: 4}, mined: {True: 30}}[company_of]
    # Without the rules it has all been paged by name.
    today = parse_config((own / "alertmanager.yml").read_text(), "alertmanager.yml")
    before = replay(frame, today, until=until)
    assert (before.alerts["first_page"][hidden.index] >= 0).all()

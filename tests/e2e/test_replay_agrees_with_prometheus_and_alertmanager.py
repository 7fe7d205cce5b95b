"""What exported files do in a real Prometheus and a real Alertmanager is what their replay says.

A small company's morning, a second of which stands for a minute: an exporter shows conditions that
come and go as planned, Prometheus (with external labels) evaluates the exported rule file and the
guards, and Alertmanager routes by the exported ``alertmanager.yml``. The same plan as a history is
replayed through the same files, read back from their bytes.

Planned are whole seconds; the servers see each change at their next look, all by the same delay,
and no alert ends near a flush of its group. Needs the Debian packages ``prometheus`` and
``prometheus-alertmanager``.
"""

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from pipelines.aiops.alerting.rules import Guard, Rule
from pipelines.aiops.lake.frame import AlertFrame
from tests.support.alertmanager_server import alertmanager, need_program, webhook_receiver
from tests.unit.aiops.alerting.export.make import duplicate, flapping, quiet, transient

pytestmark = pytest.mark.e2e

LASTS = 100
NEAR, NEAR_GUARD = 1.5, 3.5
"""Seconds between a real page and the replay's; guards look at what was evaluated a step before,
in a subquery whose steps are whole seconds."""

PLAN = (
    # alert, its other labels, when its condition holds (seconds)
    ("Chatter", {"service": "shop", "pod": "1"}, [(4, 8), (30, 46)]),
    ("Chatter", {"service": "shop", "pod": "2"}, [(32, 46)]),
    ("Chatter", {"service": "shop", "pod": "3"}, [(34, 46)]),
    ("Chatter", {"service": "shop", "pod": "5"}, [(60, 94)]),
    ("Blip", {"service": "bills", "kind": "batch"}, [(10, 16), (40, 64)]),
    ("Blip", {"service": "pay", "kind": "web"}, [(20, 28)]),
    ("Latency", {"service": "a"}, [(15, 70)]),
    ("Latency", {"service": "b"}, [(17, 70)]),
    ("Latency", {"service": "c"}, [(16, 70)]),
    ("Latency", {"service": "d"}, [(30, 70)]),
    ("Flap", {"service": "f"}, [(20, 25), (29, 34), (38, 43)]),
    ("Down", {"service": "x"}, [(55, 78)]),
    ("Note", {"service": "n"}, [(12, 20)]),
)
SEVERITY = {"Down": "critical", "Note": "info"}
EXTERNAL = {"cluster": "eu", "region": "eu-central-1"}
RULES: list[Rule] = [
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


def alert_rules() -> str:
    rules = [
        {
            "alert": name,
            "expr": f"{name.lower()} > 0",
            "labels": {"severity": SEVERITY.get(name, "warning")},
        }
        for name in dict.fromkeys(name for name, _, _ in PLAN)
    ]
    groups = [{"name": "shop", "interval": "1s", "rules": rules}]
    return yaml.safe_dump({"groups": groups}, sort_keys=False)


def routes(url) -> str:
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "on-call",
                "group_by": ["alertname", "service"],
                "group_wait": "1s",
                "group_interval": "5s",
                "repeat_interval": "4h",
                "routes": [{"receiver": "chat", "matchers": ['severity="info"']}],
            },
            "receivers": [
                {"name": name, "webhook_configs": [{"url": url(name)}]}
                for name in ("on-call", "chat")
            ],
        },
        sort_keys=False,
    )


def server_config(rule_files: list[str], **more) -> str:
    return json.dumps(
        {
            "global": {
                "evaluation_interval": "1s",
                "scrape_interval": "1s",
                "external_labels": EXTERNAL,
            },
            "rule_files": rule_files,
            **more,
        }
    )


@dataclass
class Exporter:
    """Shows the plan's conditions from `begin` on (seconds since 1970); none before."""

    port: int = 0
    begin: float = float("inf")
    seen: list[float] = field(default_factory=list)

    def text(self) -> str:
        now = time.time()
        self.seen.append(now)
        lines = []
        for name, labels, spans in PLAN:
            holds = any(start <= now - self.begin < end for start, end in spans)
            inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
            lines.append(f"{name.lower()}{{{inside}}} {int(holds)}\n")
        return "".join(lines)


@contextmanager
def exporter() -> Iterator[Exporter]:
    shown = Exporter()

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


@contextmanager
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
    with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=10) as answer:
        return json.loads(answer.read())["data"]["result"]


def play(shown: Exporter) -> None:
    """Let the plan begin half a second after a scrape, and wait until it is over."""
    deadline = time.monotonic() + 40
    while len(shown.seen) < 4:
        assert time.monotonic() < deadline, "Prometheus doesn't scrape"
        time.sleep(0.1)
    shown.begin = shown.seen[-1] + 2.5
    time.sleep(max(shown.begin + LASTS + 1 - time.time(), 0))


def history(begin: float) -> AlertFrame:
    """Return the plan as Alertmanager would have recorded it today."""
    labels = [
        {"alertname": name, "severity": SEVERITY.get(name, "warning"), **own, **EXTERNAL}
        for name, own, _ in PLAN
    ]
    rows = [(n, *span) for n, (_, _, spans) in enumerate(PLAN) for span in spans]
    series, starts, ends = np.array(rows, dtype=np.int64).T
    start = round(begin * 1e6)
    nothing = np.full(len(rows), -1)
    return AlertFrame(
        series.astype(np.int32), start + starts * SECOND, start + ends * SECOND,
        nothing.astype(np.int8), nothing.astype(np.int32), labels, [],
    )  # fmt: skip


def seconds(text: str) -> float:
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").timestamp()


def delay_of(calls: list, begin: float) -> float:
    """How much later than planned Prometheus sees things; what is told of ``Down`` says it."""
    (_, _, spans) = next(one for one in PLAN if one[0] == "Down")
    alert = next(
        alert for _, _, told in calls for alert in told["alerts"]
        if alert["labels"]["alertname"] == "Down"
    )  # fmt: skip
    return seconds(alert["startsAt"]) - begin - spans[0][0]


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


def test_pages_and_guards_of_real_servers_are_those_of_the_replay(tmp_path: Path) -> None:
    need_program("prometheus")
    own = tmp_path / "own"
    own.mkdir()
    (own / "rules.yml").write_text(alert_rules())
    (own / "prometheus.yml").write_text(server_config(["rules.yml"]))
    with webhook_receiver() as hook, exporter() as shown:
        (own / "alertmanager.yml").write_text(routes(hook.url))
        sources = read_sources(str(own / "alertmanager.yml"), [], [str(own / "prometheus.yml")])
        out = tmp_path / "export"
        summary, _ = export(out, sources, RULES, step=1, label_field="event.{label}")
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
            running = server_config(
                ["rules.yml", "guards.yml"],
                alerting={"alertmanagers": [targets]},
                scrape_configs=[scraped],
            )
            with prometheus(running, tmp_path) as url:
                play(shown)
                own_alerts = asked(url, f"last_over_time(ALERTS[{LASTS + 20}s])")
    calls = [call for call in hook.calls if call[0] <= (shown.begin + LASTS) * 1e6]
    delay = delay_of(calls, shown.begin)
    assert 0 <= delay < NEAR_GUARD
    begin = shown.begin + delay
    frame, until = history(begin), round((begin + LASTS - delay) * 1e6)
    labels = {name for one in frame.labels for name in one}
    deployed = read_back(files, RULES, labels)
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
    assert set().union(*told) >= {"SignalboxGuard", "SignalboxStillFiring", "Blip", "Latency"}
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
    assert [first >= 0 for first in hidden["first_page"]] == [False, True, True, True, True]
    # And it isn't what happens without the rules.
    today = parse_config((own / "alertmanager.yml").read_text(), "alertmanager.yml")
    before = replay(frame, today, until=until)
    assert before.stages["pages"] > made.stages["pages"]

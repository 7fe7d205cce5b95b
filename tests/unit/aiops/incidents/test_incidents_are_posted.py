import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.aiops.incidents.model import Cause, Incident, Similar
from pipelines.aiops.incidents.posting import alertmanager_payload, post, webhook_payload
from pipelines.core.errors import SignalboxError

INCIDENT = Incident(
    id="0123456789abcdef",
    title="store: Slow",
    start_us=1_700_000_000_000_000,
    end_us=1_700_000_060_000_000,
    affected=("store", "shop"),
    exposed=("web",),
    findings=("f1",),
    timeline=(),
    causes=(Cause("store", "latency", 12.0, ("slow " * 500,)),),
    similar=(Similar("T1", 0.9, ("service store",), "restart", "restarted it"),),
)


class Server:
    def __init__(self, answer: int) -> None:
        self.received: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.received.append(self.rfile.read(length).decode())
                self.send_response(answer)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/api/v2/alerts"


@pytest.fixture(params=[200])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    one = Server(request.param)
    thread = threading.Thread(target=one.http.serve_forever, daemon=True)
    thread.start()
    yield one
    one.http.shutdown()
    one.http.server_close()


def test_by_default_nothing_is_sent(server: Server) -> None:
    done = post(server.url, webhook_payload(INCIDENT), [server.url])
    assert done.dry_run
    assert json.loads(done.body)["incident"]["id"] == INCIDENT.id
    assert server.received == []


def test_what_is_sent_is_what_the_dry_run_said(server: Server) -> None:
    payload = alertmanager_payload(INCIDENT)
    done = post(server.url, payload, [server.url], dry_run=False)
    assert done.status == 200
    assert server.received == [post(server.url, payload, [server.url]).body]


@pytest.mark.parametrize("server", [302, 500], indirect=True)
def test_redirects_and_refusals_are_errors(server: Server) -> None:
    with pytest.raises(SignalboxError, match="not sent"):
        post(server.url, [], [server.url], dry_run=False)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example.com/hook",
        "http://hooks.example.com:81/hook",
        "https://hooks.example.com/hook",
        "http://hooks.example.com/hooked",
        "http://hooks.example.com/hook/../other",
        "http://hooks.example.com@evil.example.com/hook",
        "http://u:p@hooks.example.com/hook",
        "file:///etc/passwd",
        "",
    ],
)
def test_addresses_that_are_not_listed_are_refused_even_dry(url: str) -> None:
    with pytest.raises(SignalboxError, match="allow-list"):
        post(url, [], ["http://hooks.example.com/hook"])


def test_addresses_below_a_listed_one_are_allowed() -> None:
    assert post("http://hooks.example.com:80/hook/a", [], ["http://hooks.example.com/hook"]).dry_run


def test_an_alert_has_stable_labels_short_notes_and_the_last_fix() -> None:
    (alert,) = alertmanager_payload(INCIDENT)
    assert alert["labels"] == {
        "alertname": "SignalboxIncident",
        "incident": INCIDENT.id,
        "service": "store",
    }
    assert alert["startsAt"] == "2023-11-14T22:13:20.000+00:00"
    assert all(len(text) <= 1000 for text in alert["annotations"].values())
    assert "restart" in alert["annotations"]["fixed_before"]

"""``signalbox ui``: a port that is taken, and an Airflow that is another project's."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from pipelines.cli import airflow_stack, main
from pipelines.cli.airflow_stack import Stack, is_free, running, started
from pipelines.core.errors import SignalboxError

HEALTHY = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "dag_processor")}


class Airflow(BaseHTTPRequestHandler):
    """The two pages that are asked for, with one password."""

    secret = "ours"

    def do_GET(self) -> None:
        self._answer(200, HEALTHY)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(201 if body["password"] == self.secret else 401, {"access_token": "t"})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Return a stack of this very process, as its state file names it."""
    monkeypatch.setattr(airflow_stack, "_STATE", tmp_path / "stack.json")
    monkeypatch.setattr(airflow_stack, "password", lambda: "ours")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found = Stack(server.server_port, os.getpid(), psutil.Process().create_time())
    write(tmp_path, found)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def write(tmp_path: Path, stack: Stack) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(vars(stack)))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_stack_of_this_project_is_recognised(stack: Stack) -> None:
    assert running() == stack


def test_an_airflow_with_another_password_is_not_ours(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Airflow, "secret", "theirs")
    assert running() is None


def test_a_process_that_got_the_number_later_is_not_ours(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, Stack(stack.port, stack.owner, stack.since - 3600))
    assert running() is None


def test_a_clock_that_was_set_meanwhile_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    set_back = Stack(stack.port, stack.owner, stack.since - 2)
    write(tmp_path, set_back)
    assert running() == set_back


def test_a_state_file_of_an_older_version_is_no_stack(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"port": stack.port, "owner": stack.owner}))
    assert running() is None


def test_a_port_is_free_until_somebody_listens(taken: int) -> None:
    assert not is_free(taken)
    assert is_free(airflow_stack.free_port())


def test_a_stack_does_not_start_on_a_port_that_is_taken(taken: int) -> None:
    with pytest.raises(SignalboxError, match=f"port {taken} is taken"), started(taken):
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Start nothing; note which port was asked for. None stands for a free one."""
    ports: list[int | None] = []

    @contextmanager
    def start(port: int | None = None) -> Iterator[Stack]:
        ports.append(port)
        yield Stack(port or 1234, 1, 0.0)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(airflow_stack, "running", lambda: None)
    monkeypatch.setattr(airflow_stack, "started", start)
    monkeypatch.setattr(airflow_stack, "password", lambda: "ours")
    monkeypatch.setattr(main.time, "sleep", interrupt)
    return ports


def ui(*words: str) -> Any:
    return CliRunner().invoke(main.app, ["ui", *words])


def test_a_free_port_is_taken_where_the_usual_one_is_not(
    asked: list[int | None], taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "USUAL_PORT", taken)
    done = ui()
    assert asked == [None]
    assert f"port {taken} is taken by another program; Airflow gets a free one" in done.stdout
    assert "address:  http://127.0.0.1:1234" in done.stdout
    assert done.exit_code == 130


def test_the_usual_port_is_taken_where_it_is_free(
    asked: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = airflow_stack.free_port()
    monkeypatch.setattr(main, "USUAL_PORT", usual)
    ui()
    assert asked == [usual]


def test_a_port_that_is_asked_for_and_taken_is_an_error_that_names_it(
    asked: list[int | None], taken: int
) -> None:
    done = ui("--port", str(taken))
    assert (done.exit_code, asked) == (1, [])
    assert f"--port {taken}: taken by another program" in done.stderr


def test_json_is_alone_on_stdout(asked: list[int | None]) -> None:
    done = ui("--port", "0", "--json")
    assert json.loads(done.stdout) == {
        "address": "http://127.0.0.1:1234", "port": 1234, "user": "admin", "password": "ours",
        "started": True,
    }  # fmt: skip
    assert "end with Ctrl-C" in done.stderr


def test_where_ours_runs_it_is_only_said_where(stack: Stack) -> None:
    done = ui("--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["port"], found["started"]) == (stack.port, False)
    assert "runs already" in done.stderr
    refused = ui("--port", "1")
    assert refused.exit_code == 1
    assert f"runs already, at {stack.address}" in refused.stderr

"""``signalbox incidents``: list, show, post."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import app

US = 1_000_000
EARLY, LATE = "20260412T100000Z_20260412T110000Z", "20260412T110000Z_20260412T120000Z"
AT = 1_775_988_000 * US


def incident(name: str, start_us: int, title: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "title": title, "start_us": start_us, "end_us": start_us + 600 * US,
        "affected": ["pay"], "exposed": ["web"], "findings": ["f"],
        "timeline": [{"at_us": start_us, "what": "change", "service": "pay", "sentence": "2.4.0"}],
        "causes": [{"service": "pay", "metric": "", "score": 4.2, "evidence": ["it was first"]}],
        "similar": [{"id": "T1", "score": 0.8, "shared": ["pay"], "fix": "rollback",
                     "resolution": ""}],
        **more,
    }  # fmt: skip


def write(place: Path, window: str, *incidents: dict[str, Any]) -> None:
    start, end = (f"{t[:4]}-{t[4:6]}-{t[6:11]}:{t[11:13]}:{t[13:]}" for t in window.split("_"))
    content = {"format": "signalbox.incidents/1", "window": {"start": start, "end": end},
               "incidents": list(incidents), "inputs": {}, "counts": {}, "graph": {"calls": []},
               "findings": {}, "synthetic": True}  # fmt: skip
    (place / "incidents").mkdir(parents=True)
    (place / "incidents/incidents.json").write_text(json.dumps(content))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(params())
    write(tmp_path / "out" / EARLY, EARLY, incident("abc1", AT, "old words"))
    write(tmp_path / "out" / LATE, LATE, incident("abc1", AT, "Payments \x1b[31mfail"),
          incident("abd2", AT + 3600 * US, "Search slow", causes=[], similar=[]))  # fmt: skip
    return tmp_path


def params(**post: Any) -> str:
    return json.dumps(
        {"aiops": {"analysis": {"results": "out"}, "group_incidents": {"post": post}}}
    )


def signalbox(project: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["incidents", *arguments, "--project", str(project)])


def test_the_newest_comes_first_and_the_latest_window_tells(project: Path) -> None:
    lines = signalbox(project, "list").output.splitlines()
    assert [line.split()[0] for line in lines] == ["abd2", "abc1"]
    assert "Payments" in lines[1]
    assert "\x1b" not in lines[1]
    early = json.loads(signalbox(project, "list", "--window", EARLY, "--json").output)
    assert [one["title"] for one in early] == ["old words"]


def test_one_is_shown_with_causes_timeline_and_what_helped(project: Path) -> None:
    text = signalbox(project, "show", "abc").output
    for told in ("affected: pay", "exposed:  web", "1. pay (4.2)", "it was first", "pay: 2.4.0",
                 "T1 (0.80): rollback", "report: not written yet"):  # fmt: skip
        assert told in text
    assert "\x1b" not in text
    told = json.loads(signalbox(project, "show", "abd2", "--json").output)
    assert told["window"]["start"] == "2026-04-12T11:00:00Z"
    assert told["report"].endswith(f"{LATE}/reports/incidents.html")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "zzz"], "there is no incident 'zzz'"),
        (["show", "ab"], "may be abd2, abc1"),
        (["list", "--window", "x"], "names no window"),
        (["list", "--window", "20260413T100000Z_20260413T110000Z"], "no incidents in"),
        (["post"], "urls is empty"),
    ],
)
def test_errors_are_one_line(project: Path, arguments: list[str], told: str) -> None:
    done = signalbox(project, *arguments)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_without_any_it_says_how_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(params())
    assert "unpause the DAGs" in signalbox(tmp_path, "list").output


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(project: Path) -> None:
    url = "http://127.0.0.1:9/hook"  # nobody listens there
    (project / "params.yaml").write_text(params(urls=[url], allowed=[url]))
    done = signalbox(project, "post")
    assert done.exit_code == 0, done.output
    assert done.output.count("would be sent (dry_run)") == 2
    (project / "params.yaml").write_text(params(urls=[url], allowed=[url], dry_run=False))
    assert "was not sent" in signalbox(project, "post").output
    (project / "params.yaml").write_text(params(urls=[url]))
    assert "not on the allow-list" in signalbox(project, "post").output

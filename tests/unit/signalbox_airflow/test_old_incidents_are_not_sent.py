"""The task ``post_incidents``: an hour of today is sent on, a backfill of last month is not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from pipelines.aiops.lake.window import Window
from signalbox_airflow.analysis_work import post

URL = "http://127.0.0.1:9/hook"  # nobody listens there


def project(place: Path, window: Window, *allowed: str) -> Path:
    """A project with one incident in a window."""
    about = {"urls": [URL], "allowed": list(allowed), "dry_run": True}
    params = {"analysis": {"results": "out"}, "group_incidents": {"post": about}}
    (place / "params.yaml").write_text(json.dumps({"aiops": params}))
    incident = {"id": "a", "title": "Slow", "start_us": window.start_us, "end_us": window.end_us,
                "affected": ["pay"], "exposed": [], "findings": ["f"], "timeline": [],
                "causes": [], "similar": []}  # fmt: skip
    content = {"format": "signalbox.incidents/1", "window": window.as_json(),
               "incidents": [incident], "inputs": {}, "counts": {}, "graph": {"calls": []},
               "findings": {}, "synthetic": True}  # fmt: skip
    (place / "out" / window.name / "incidents").mkdir(parents=True)
    (place / "out" / window.name / "incidents/incidents.json").write_text(json.dumps(content))
    return place


def ended(hours: int) -> Window:
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours)
    return Window(end - timedelta(hours=1), end)


def test_a_new_one_is_sent_and_what_was_sent_is_told_without_its_body(tmp_path: Path) -> None:
    window = ended(2)
    assert post(project(tmp_path, window, URL), window.name) == [
        {"url": URL, "incident": "a", "dry_run": True, "status": None}
    ]


def test_an_address_that_is_not_allowed_fails_the_task(tmp_path: Path) -> None:
    window = ended(2)
    with pytest.raises(AirflowFailException, match="not on the allow-list"):
        post(project(tmp_path, window), window.name)


def test_an_old_one_is_not_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    window = ended(30)
    assert post(project(tmp_path, window), window.name) == []
    assert "signalbox incidents post" in capsys.readouterr().out

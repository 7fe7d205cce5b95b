"""Feedback on pages: said by who is logged in and may, only from our own pages, and escaped."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from pipelines.aiops.incidents.model import FORMAT
from pipelines.aiops.lake.feedback import Answer, read_answers
from pipelines.aiops.params.artifacts import INCIDENTS
from signalbox_airflow import analysis_pages
from signalbox_airflow.pages import access, feedback
from signalbox_airflow.pages.app import make_app
from signalbox_airflow.pages.stored import with_answers

WINDOW = "20260412T100000Z_20260412T110000Z"
WITH = f"window={WINDOW}"
PAGE = f"/incidents/{WINDOW}/i1"
REPORT = (
    '<header><div class="decision open"><p>1 incident</p></div></header>'
    '<main id="main"><a href="anomalies.html#a">plot</a><a href="incidents.html">all</a></main>'
)


class User:
    def __init__(self, name: str) -> None:
        self.name = name

    def get_id(self) -> str:
        return f"id of {self.name}"

    def get_name(self) -> str:
        return self.name


_NOTHING: dict[str, list[Any]] = {key: [] for key in ("exposed", "timeline", "similar")}


def finding(id_: str, sentence: str) -> dict[str, Any]:
    return {
        "id": id_, "signal": "metric", "kind": "spike", "service": "web", "instance": "",
        "labels": {}, "start_us": 0, "end_us": 1, "score": 4.0, "sentence": sentence,
    }  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(
        "aiops: {analysis: {results: out}, telemetry: {lake: lake}}\n"
    )
    path = tmp_path / "out" / WINDOW / INCIDENTS
    path.parent.mkdir(parents=True)
    cause = {"service": "<u>db</u>", "metric": "m", "score": 3.0, "evidence": ["<i>slow</i>"]}
    incident = {
        **_NOTHING, "id": "i1", "title": "<b>web</b> is slow", "start_us": 0, "end_us": 9,
        "affected": ["web"], "findings": ["f1"], "causes": [cause],
    }  # fmt: skip
    path.write_text(
        json.dumps(
            {
                "format": FORMAT,
                "window": {"start": "2026-04-12T10:00:00Z", "end": "2026-04-12T11:00:00Z"},
                "inputs": {}, "counts": {}, "graph": {"calls": []}, "synthetic": False,
                "findings": {"f1": finding("f1", "It <s>burst</s>.")},
                "incidents": [incident],
            }
        )
    )  # fmt: skip
    (tmp_path / "out" / WINDOW / "reports").mkdir()
    (tmp_path / "out" / WINDOW / "reports/incidents.html").write_text(REPORT)
    return tmp_path


class Asked:
    """Pages as somebody sees them, who may edit DAGs or not."""

    def __init__(self, project: Path) -> None:
        self.app = make_app(project)
        self.be("ann")
        self.client = TestClient(self.app, base_url="http://airflow.example")

    def be(self, name: str, *, edits: bool = True) -> None:
        given = self.app.dependency_overrides
        given[get_user] = lambda: User(name)
        given[access.visible_to] = lambda: lambda _: True
        given[feedback.edits_of] = lambda: lambda _: edits

    def say(self, headers: dict[str, str] | None = None, **fields: str) -> Any:
        own = {"about": "incident", "subject": "i1", "window": WINDOW, "verdict": "right",
               "token": feedback.token("id of ann")}  # fmt: skip
        sent = {"sec-fetch-site": "same-origin"} if headers is None else headers
        return self.client.post(
            "/feedback", data={**own, **fields}, headers=sent, follow_redirects=False
        )


@pytest.fixture
def asked(project: Path) -> Asked:
    return Asked(project)


def said(project: Path) -> list[Answer]:
    return read_answers(project / "lake")[0]


def test_what_is_said_is_kept_with_who_and_when(asked: Asked, project: Path) -> None:
    before = datetime.now(UTC)
    reply = asked.say(verdict="wrong_cause", cause="cache", note="it was the cache")
    assert reply.status_code == 303
    assert reply.headers["location"] == f"/signalbox/incidents/{WINDOW}/i1#judge-incident-i1"
    (one,) = said(project)
    assert (one.by, one.verdict, one.cause, one.note) == (
        "ann", "wrong_cause", "cache", "it was the cache",
    )  # fmt: skip
    assert before <= one.at <= datetime.now(UTC)
    assert one.detectors == ("metric: spike",)
    assert one.title == "<b>web</b> is slow"


def test_the_form_of_the_page_can_be_sent(asked: Asked, project: Path) -> None:
    import re

    html = asked.client.get(PAGE).text
    form = re.search(r'<form class="judge".*?</form>', html, re.DOTALL)
    assert form
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
    assert 'action="/signalbox/feedback"' in form[0]
    reply = asked.client.post(
        "/feedback",
        data={**fields, "verdict": "noise", "cause": "", "note": ""},
        headers={"origin": "http://airflow.example"},
        follow_redirects=False,
    )
    assert reply.status_code == 303
    assert [one.verdict for one in said(project)] == ["noise"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://airflow.example"},
        {"origin": "http://evil.example"},
        {"origin": "http://airflow.example.evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_another_sites_page_is_refused(
    asked: Asked, project: Path, headers: dict[str, str]
) -> None:
    assert asked.say(headers).status_code == 403
    assert said(project) == []


@pytest.mark.parametrize(
    "token",
    [
        "",
        "1.2",
        "x",
        "²." + "0" * 64,
        feedback.token("id of bob"),
        feedback.token("id of ann", datetime.now(UTC) - timedelta(hours=13)),
        feedback.token("id of ann")[:-1] + "é",
        f"{9 * 10**12}.{feedback.token('id of ann').partition('.')[2]}",
    ],
    ids=["none", "short", "text", "digits", "another's", "old", "changed", "later"],
)
def test_without_a_token_of_ones_own_it_is_refused(asked: Asked, project: Path, token: str) -> None:
    assert asked.say(token=token).status_code == 403
    assert said(project) == []


def test_whoever_may_not_edit_the_dag_sees_no_form_and_is_refused(
    asked: Asked, project: Path
) -> None:
    asked.be("ann", edits=False)
    html = asked.client.get(PAGE).text
    assert "<form" not in html
    assert "may edit the DAG incidents" in html
    assert asked.say().status_code == 403
    assert said(project) == []


def test_without_a_login_nothing_is_shown_or_kept(asked: Asked, project: Path) -> None:
    del asked.app.dependency_overrides[get_user]
    assert asked.client.get(PAGE).status_code == 401
    assert asked.say().status_code == 401
    assert said(project) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"subject": "i2"}, 404),
        ({"about": "finding", "subject": "f2"}, 404),
        ({"about": "release"}, 400),
        ({"verdict": "harmful"}, 400),
        ({"verdict": ""}, 400),
        ({"note": "x" * 501}, 400),
        ({"note": "x" * 9000}, 413),
        ({"window": "20260413T100000Z_20260413T110000Z"}, 404),
        ({"window": "../.."}, 404),
    ],
)
def test_only_what_is_there_can_be_judged(
    asked: Asked, project: Path, fields: dict[str, str], status: int
) -> None:
    assert asked.say(None, **fields).status_code == status
    assert said(project) == []


def test_other_forms_of_posts_are_refused(asked: Asked, project: Path) -> None:
    reply = asked.client.post(
        "/feedback", json={"about": "incident"}, headers={"sec-fetch-site": "same-origin"}
    )
    assert reply.status_code == 415
    assert said(project) == []


def test_a_cause_is_kept_only_with_its_verdict(asked: Asked, project: Path) -> None:
    asked.say(verdict="noise", cause="db")
    assert [one.cause for one in said(project)] == [""]


def test_names_and_sentences_are_escaped(asked: Asked) -> None:
    asked.be("<script>a</script>")
    asked.say(
        verdict="wrong_cause", cause='"><img src=x>', note="<script>b</script>",
        token=feedback.token("id of <script>a</script>"),
    )  # fmt: skip
    for address in (PAGE, f"/incidents/{WINDOW}"):
        html = asked.client.get(address).text
        for raw in ("<script>a", "<script>b", "<img", "<b>web", "<u>db", "<i>slow", "<s>burst"):
            assert raw not in html
    html = asked.client.get(PAGE).text
    assert "&lt;script&gt;a&lt;/script&gt;" in html
    assert "&lt;script&gt;b&lt;/script&gt;" in html


def test_findings_are_judged_beside_their_incident(asked: Asked, project: Path) -> None:
    reply = asked.say(about="finding", subject="f1", verdict="noise")
    assert reply.headers["location"].endswith("/i1#judge-finding-f1")
    assert 'id="judge-finding-f1"' in asked.client.get(PAGE).text
    (one,) = said(project)
    assert (one.about, one.subject, one.detectors) == ("finding", "f1", ("metric: spike",))


def test_what_was_said_stands_on_the_windows_page_and_above_its_report(
    asked: Asked, project: Path
) -> None:
    report = REPORT.encode()
    assert with_answers(project, WINDOW, report) == report
    asked.say(verdict="noise")
    assert "noise 1" in asked.client.get(f"/incidents/{WINDOW}").text
    html = with_answers(project, WINDOW, report).decode()
    assert "What people say" in html
    assert "&lt;b&gt;web&lt;/b&gt; is slow" in html
    other = "20260413T100000Z_20260413T110000Z"
    assert with_answers(project, other, report) == report


def test_a_windows_own_page_leads_to_pages_of_the_frame(asked: Asked) -> None:
    html = asked.client.get(f"/incidents/{WINDOW}").text
    assert f'href="/signalbox/incidents/{WINDOW}/anomalies#a"' in html
    assert f'href="{analysis_pages.frame_address(WINDOW, "incidents.html")}"' in html
    assert f'href="{analysis_pages.address(WINDOW)}"' in html
    assert html.count("<main") == 1


@pytest.mark.parametrize(
    "address",
    [
        "/incidents/nothing", f"/incidents/{WINDOW}/none", f"/incidents/{WINDOW}/anomalies",
        f"/service-map/{WINDOW}", "/service-map/nothing", "/incidents/%2e%2e",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(asked: Asked, address: str) -> None:
    assert asked.client.get(address).status_code == 404


def test_whoever_may_not_see_the_dag_sees_none_of_its_pages(asked: Asked) -> None:
    asked.app.dependency_overrides[access.visible_to] = lambda: lambda _: False
    for address in ("/incidents", f"/incidents/{WINDOW}", PAGE, "/service-map", "/rules", "/kpis"):
        assert asked.client.get(address).status_code == 403

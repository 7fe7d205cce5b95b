"""One Airflow of several projects: the pages of the menu are about the one that was chosen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

from signalbox_airflow.pages.layout import page
from signalbox_airflow.report_page import CURRENT, PREFIX, Lazy


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made = []
    for name in ("churn", "fraud"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dvc.yaml").touch()
        (tmp_path / name / "release.yaml").write_text(f"project: {{name: {name}}}\n")
        made.append(tmp_path / name)
    monkeypatch.setenv("SIGNALBOX_PROJECT", str(made[0]))
    monkeypatch.setenv("SIGNALBOX_PROJECTS", ":".join(map(str, made)))
    return made


def shows(project: Path) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        text = f"{project.name} {CURRENT.get()} {Request(scope).url.path}"
        await PlainTextResponse(text)(scope, receive, send)

    return app


@pytest.fixture
def client(projects: list[Path]) -> TestClient:
    return TestClient(Starlette(routes=[Mount(PREFIX, Lazy(shows))]), follow_redirects=False)


def test_the_first_is_shown_until_another_is_chosen(client: TestClient) -> None:
    assert client.get(f"{PREFIX}/kpis").text == f"churn churn {PREFIX}/kpis"
    chosen = client.get(f"{PREFIX}/projects/fraud")
    assert (chosen.status_code, chosen.headers["location"]) == (303, f"{PREFIX}/")
    assert client.get(f"{PREFIX}/kpis").text == f"fraud fraud {PREFIX}/kpis"
    client.get(f"{PREFIX}/projects/churn")
    assert client.get(f"{PREFIX}/").text.startswith("churn churn ")


@pytest.mark.parametrize("name", ["other", "../fraud", "fraud/x", ""])
def test_only_a_projects_name_chooses_and_nothing_else_is_opened(
    client: TestClient, name: str
) -> None:
    assert client.get(f"{PREFIX}/projects/{name}").status_code == 200
    assert "signalbox_project" not in client.cookies
    client.cookies.set("signalbox_project", name)
    assert client.get(f"{PREFIX}/").text.startswith("churn churn ")


def test_the_frame_lists_them_and_says_which_one_it_is(projects: list[Path]) -> None:
    token = CURRENT.set("fraud")
    html = page("KPIs", "kpis", "")
    CURRENT.reset(token)
    assert f'<a href="{PREFIX}/projects/churn">churn</a>' in html
    assert f'<a href="{PREFIX}/projects/fraud" aria-current="true">fraud</a>' in html


def test_a_single_project_needs_no_choice(
    projects: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_PROJECTS", str(projects[0]))
    assert "/projects/" not in page("KPIs", "kpis", "")

"""Pages in Airflow's menu: only for those who are logged in, only what exists, names escaped."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient
from markupsafe import Markup, escape

from pipelines.release.ledger import Ledger
from pipelines.release.ledger.describe import describe
from pipelines.reporting.page import TEMPLATES
from signalbox_airflow import analysis_pages
from signalbox_airflow.pages import access, layout
from signalbox_airflow.pages.app import make_app
from signalbox_airflow.report_page import PREFIX
from tests.support.judged_runs import ask, figure, judged_run, release_candidate
from tests.unit.release.lifecycle.product import PRODUCT, git, make_project

EVIL = '"><script>alert(1)</script>'
PAGES = ("/", "/releases", "/ledger", "/reports", "/incidents")
OURS = [*PAGES, f"/releases/{PRODUCT}/compare", f"/report/{PRODUCT}/{'a' * 40}/x.html"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    made = make_project(tmp_path / "project")
    (made / "params.yaml").write_text("aiops: {analysis: {results: results}}\n")
    return made


@pytest.fixture
def app(project: Path) -> Iterator[FastAPI]:
    made = make_app(project)
    user = SimpleNamespace(get_id=lambda: "alice", get_name=lambda: "alice")
    made.dependency_overrides[get_user] = lambda: user
    made.dependency_overrides[access.visible_to] = lambda: lambda dag: True
    yield made
    made.dependency_overrides.clear()


@pytest.fixture
def get(app: FastAPI) -> Callable[..., str]:
    client = TestClient(app)

    def read(address: str, status: int = 200) -> str:
        reply = client.get(address)
        assert reply.status_code == status, reply.text
        return reply.text

    return read


Get = Callable[..., str]


@pytest.fixture
def two(project: Path) -> Path:
    """Return a project with v1.0.0, a rejected run and a question about it."""
    old = figure("evaluate.roc_auc", 0.8, 0.78, 0.82)
    new = figure("evaluate.roc_auc", 0.9, 0.88, 0.92, slice=EVIL)
    release_candidate(project, judged_run(project, 1, figures=(old,)))
    ask(project, judged_run(project, 2, "review", figures=(new,), seed=7))
    return project


@pytest.mark.parametrize("address", OURS)
def test_without_a_login_nothing_is_shown(project: Path, address: str) -> None:
    client = TestClient(make_app(project))
    reply = client.get(address)
    assert reply.status_code == 401
    assert "Log in" in reply.text
    assert str(project) not in reply.text


@pytest.mark.parametrize("address", PAGES)
def test_pages_of_an_empty_project_say_what_is_not_there_yet(get: Get, address: str) -> None:
    html = get(address)
    assert re.search(r"not|nothing|no |yet", html.partition("<h1>")[2], re.IGNORECASE)


@pytest.mark.parametrize("address", ["/", "/releases", "/reports", "/ledger"])
def test_a_reader_sees_nothing_of_a_dag_that_is_not_theirs(
    app: FastAPI, get: Get, two: Path, address: str
) -> None:
    assert re.search("Model release|model_release", get(address).partition("<h1>")[2])
    app.dependency_overrides[access.visible_to] = lambda: lambda dag: dag != PRODUCT
    assert not re.search("Model release|model_release", get(address).partition("<h1>")[2])


@pytest.mark.parametrize(
    "address", [f"/releases/{PRODUCT}/compare", f"/report/{PRODUCT}/{'a' * 40}/x.html"]
)
def test_an_address_of_a_dag_that_is_not_theirs_is_refused(
    app: FastAPI, get: Get, two: Path, address: str
) -> None:
    app.dependency_overrides[access.visible_to] = lambda: lambda dag: False
    assert "may not see" in get(address, 403)


def test_the_overview_tells_what_is_in_production_and_what_waits_for_me(
    get: Get, two: Path
) -> None:
    html = get("/")
    assert "<strong>v1.0.0</strong>" in html
    assert "1 question open" in html
    assert "waits for you" in html
    task = f"/dags/{PRODUCT}/runs/run_2/tasks/approve_release/required_actions"
    assert f'<a href="{task}" target="_top">' in html


def test_damage_of_the_ledger_is_on_the_overview_and_names_the_entry(get: Get, two: Path) -> None:
    file = two / "ledger/ledger.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    lines[3] = lines[3].replace("run_1", "run_9")
    file.write_text("".join(lines))
    assert "entry 4" in get("/")
    html = get("/ledger")
    assert "Entry 4 doesn’t hold" in html
    assert "The ledger holds" not in html


def test_what_cannot_be_read_does_not_hide_the_rest(get: Get, two: Path) -> None:
    (two / "monitoring").mkdir()
    (two / "monitoring/2026-01-01.json").write_text("[]")
    html = get("/")
    assert "cannot be read" in html
    assert "2026-01-01.json" in html
    assert "<strong>v1.0.0</strong>" in html


def test_releases_lists_versions_runs_and_their_reports(get: Get, two: Path) -> None:
    html = get("/releases")
    commit = git(two, "rev-parse", f"refs/runs/{PRODUCT}/run_1")
    address = f"/report/{PRODUCT}/{commit}/model_release.html"
    assert f'href="{PREFIX}{address}"' in html
    assert get(address) == "<title>run 1</title>"
    assert "v1.0.0<br>in production" in html
    assert "run_2" in html
    assert "entries hold" in html


def test_two_versions_stand_side_by_side(get: Get, two: Path) -> None:
    html = get(f"/releases/{PRODUCT}/compare?a=v1.0.0&b={PRODUCT}/run_2")
    for shown in ("0.780 to 0.820", "0.880 to 0.920", "apart", "train.seed", "models/model.skops"):
        assert shown in html
    # The models of this test are none, and the page says so instead of failing.
    assert "The models cannot be compared row by row" in html
    form = get(f"/releases/{PRODUCT}/compare")
    assert form.count("<option") == 4


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        f"/releases/{EVIL}/compare",
        f"/releases/{PRODUCT}/compare?a=v1.0.0&b={EVIL}",
        f"/releases/{PRODUCT}/compare?a=HEAD&b=v1.0.0",
        f"/report/{PRODUCT}/HEAD/model_release.html",
        f"/report/{PRODUCT}/{'a' * 40}/model_release.html",
        "/report/ledger/HEAD/x.html",
        f"/ledger?kind={EVIL}",
    ],
)
def test_names_that_do_not_exist_are_not_found_and_come_back_escaped(
    get: Get, two: Path, address: str
) -> None:
    html = get(address, 404)
    assert "<script>alert" not in html
    assert "Not found" in html


def test_no_other_file_of_a_run_is_given_out(get: Get, two: Path) -> None:
    commit = git(two, "rev-parse", f"refs/runs/{PRODUCT}/run_1")
    for file in ("model.skops", "gate.json", "..%2Fparams.yaml", "dvc.lock"):
        get(f"/report/{PRODUCT}/{commit}/{file}", 404)
    assert get(f"/report/{PRODUCT}/{commit}/drift.html") == "<title>drift 1</title>"


def test_names_from_data_are_escaped(get: Get, two: Path) -> None:
    html = get(f"/releases/{PRODUCT}/compare?a=v1.0.0&b={PRODUCT}/run_2")
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert (
        "<script>"
        not in layout.page(EVIL, "", EVIL, kind=EVIL).partition("<h1>")[2].partition("</main>")[0]
    )


def test_entries_are_sentences_and_can_be_chosen_by_kind(get: Get, two: Path) -> None:
    entries = Ledger.of(two).entries()
    said = {entry.kind: str(escape(describe(entry))) for entry in entries}
    html = get("/ledger")
    assert said["release"] in html
    assert said["question"] in html
    only = get("/ledger?kind=release&last=50").partition("<table")[2]
    assert said["release"] in only
    assert said["question"] not in only
    get("/ledger?last=0", 422)


def test_reports_are_those_of_the_newest_run_and_of_versions(get: Get, two: Path) -> None:
    judged_run(two, 3, "reject")
    html = get("/reports")
    commits = {n: git(two, "rev-parse", f"refs/runs/{PRODUCT}/run_{n}") for n in (1, 2, 3)}
    links = set(re.findall(rf"/report/{PRODUCT}/([0-9a-f]+)/(\w+)\.html", html))
    assert links == {(commits[n], name) for n in (1, 3) for name in ("model_release", "drift")}


def test_only_known_scripts_run_and_no_other_site_can_frame_a_page(app: FastAPI) -> None:
    reply = TestClient(app).get("/")
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";")
    )
    assert re.fullmatch(r"'sha256-[\w+/]+='", policy["script-src"])
    assert policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == policy["frame-ancestors"] == "'self'"
    more = layout.page_headers("service_map.js")["Content-Security-Policy"]
    assert more.count("'sha256-") == 2
    shown = layout.page("Map", "service-map", "", script="service_map.js")
    assert (TEMPLATES / "service_map.js").read_text(encoding="utf-8") in shown


def test_every_page_can_be_used_without_a_mouse(get: Get) -> None:
    html = get("/releases")
    assert html.index('class="skip" href="#main"') < html.index("<nav")
    assert 'id="main"' in html
    assert html.count('aria-current="page"') == 1
    assert html.count("<h1>") == 1
    assert 'lang="en"' in html


def test_old_addresses_lead_to_the_pages_of_today(project: Path) -> None:
    old = analysis_pages.make_app(project)
    anonymous = TestClient(old).get("/", follow_redirects=False)
    assert anonymous.status_code == 401
    for route in old.routes:
        for dependency in route.dependant.dependencies:
            old.dependency_overrides[dependency.call] = lambda: None
    reply = TestClient(old).get("/", follow_redirects=False)
    assert (reply.status_code, reply.headers["Location"]) == (307, f"{PREFIX}/incidents")


def test_text_is_escaped_wherever_a_helper_takes_it() -> None:
    drawn = [
        layout.link("/ledger", EVIL, kind=EVIL),
        layout.airflow_link(f"/dags/{EVIL}", EVIL),
        layout.card(EVIL, "good", EVIL),
        layout.listed([EVIL]),
        layout.word("bad", EVIL),
    ]
    for html in drawn:
        assert isinstance(html, Markup)
        assert "<script>" not in html


def test_the_frame_styles_no_class_of_a_block_by_its_bare_name() -> None:
    """A name of both would draw, say, a table as a grid of the overview's cards."""
    frame = (layout.HERE / "pages.css").read_text(encoding="utf-8")
    bare = set(re.findall(r"^ *\.([a-z]+)(?= *[{,])", frame, re.MULTILINE))
    assert {"bar", "deck"} <= bare
    blocks = (TEMPLATES / "blocks.html").read_text(encoding="utf-8")
    of_blocks = set(re.findall(r'(?:class="|")([a-z]+)"?(?: if|["{ ])', blocks))
    assert {"cards", "facts", "scroll", "headline"} <= of_blocks
    assert not bare & of_blocks

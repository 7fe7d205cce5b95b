"""Windows' pages in Airflow's UI: only ours, only of windows, nothing else of the project."""

from pathlib import Path

import pytest

from analysis_dags import pages
from pipelines.base.errors import SignalboxError

WINDOW = "20260412T100000Z_20260412T110000Z"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("aiops: {analysis: {results: out}}\n")
    for name in (WINDOW, "20260412T110000Z_20260412T120000Z", "<b>", "notes"):
        (tmp_path / "out" / name / "reports").mkdir(parents=True)
    (tmp_path / "out" / WINDOW / "reports/incidents.html").write_text("<p>here</p>")
    (tmp_path / "out" / WINDOW / "reports/secret.html").write_text("no")
    return tmp_path


def test_a_page_of_a_window_is_read(project: Path) -> None:
    assert pages.read_page(project, WINDOW, "incidents.html") == b"<p>here</p>"
    assert pages.address(WINDOW) == f"/signalbox-results/{WINDOW}/incidents.html"


@pytest.mark.parametrize(
    ("window", "page", "told"),
    [
        (WINDOW, "service_map.html", "has no service_map.html yet"),
        (WINDOW, "secret.html", "no such page"),
        (WINDOW, "../../../params.yaml", "no such page"),
        ("..", "incidents.html", "names no window"),
        ("notes", "incidents.html", "names no window"),
        ("20260412T120000Z_20260412T130000Z", "incidents.html", "run the DAG incidents"),
    ],
)
def test_nothing_else_is_read(project: Path, window: str, page: str, told: str) -> None:
    with pytest.raises(SignalboxError, match=told):
        pages.read_page(project, window, page)


def test_windows_with_pages_are_listed(project: Path) -> None:
    html = pages.list_windows(project)
    assert html.count("<li>") == 1
    assert f'href="{pages.address(WINDOW)}"' in html
    assert "2026-04-12 10:00 to 2026-04-12 11:00 UTC" in html
    assert "<b>" not in html


def test_without_results_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    assert "unpause telemetry_anomalies" in pages.list_windows(tmp_path)

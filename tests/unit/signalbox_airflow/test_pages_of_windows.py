"""Windows' pages in Airflow's UI: only ours, only of windows, nothing else of the project."""

import json
from pathlib import Path

import pytest

from pipelines.aiops.incidents.model import FORMAT
from pipelines.aiops.params.artifacts import INCIDENTS
from pipelines.core.errors import SignalboxError
from signalbox_airflow import analysis_pages
from signalbox_airflow.pages.layout import draw_page

WINDOW = "20260412T100000Z_20260412T110000Z"

IN_FRAME = f"/signalbox/incidents/{WINDOW}"


def drawn(project: Path) -> str:
    return str(draw_page(analysis_pages.list_windows(project)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("aiops: {analysis: {results: out}}\n")
    for name in (WINDOW, "20260412T110000Z_20260412T120000Z", "<b>", "notes"):
        (tmp_path / "out" / name / "reports").mkdir(parents=True)
    (tmp_path / "out" / WINDOW / "reports/incidents.html").write_text("<p>here</p>")
    (tmp_path / "out" / WINDOW / "reports/secret.html").write_text("no")
    return tmp_path


def test_a_page_of_a_window_is_read(project: Path) -> None:
    assert analysis_pages.read_page(project, WINDOW, "incidents.html") == b"<p>here</p>"
    assert analysis_pages.address(WINDOW) == f"/signalbox-results/{WINDOW}/incidents.html"


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
        analysis_pages.read_page(project, window, page)


def test_windows_with_pages_are_listed_with_their_worst_incident(project: Path) -> None:
    path = project / "out" / WINDOW / INCIDENTS
    path.parent.mkdir()
    path.write_text(json.dumps(TOLD))
    html = drawn(project)
    assert html.count("<tr") == 2  # head and one window
    assert f'href="{IN_FRAME}"' in html
    assert "2026-04-12 10:00 to 11:00" in html
    assert "2 incidents in the latest window" in html.replace("\N{NO-BREAK SPACE}", " ")
    assert "&lt;b&gt;worse&lt;/b&gt;" in html
    assert "<b>" not in html


def test_a_window_that_cannot_be_read_is_listed_all_the_same(project: Path) -> None:
    html = drawn(project)
    assert f'href="{IN_FRAME}"' in html
    assert "can’t be read" in html


def test_without_results_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    assert "Unpause the DAGs telemetry_anomalies" in drawn(tmp_path)


_NOTHING: dict[str, list[str]] = {
    key: [] for key in ("affected", "exposed", "findings", "timeline", "causes", "similar")
}
TOLD = {
    "format": FORMAT,
    "window": {"start": "2026-04-12T10:00:00Z", "end": "2026-04-12T11:00:00Z"},
    "inputs": {},
    "counts": {},
    "graph": {"calls": []},
    "findings": {"f": {"id": "f", "signal": "log", "kind": "burst", "service": "", "instance": "",
                       "labels": {}, "start_us": 0, "end_us": 1, "score": 4.0,
                       "sentence": "It burst."}},
    "incidents": [
        {**_NOTHING, "id": "a", "title": "small", "start_us": 0, "end_us": 1},
        {**_NOTHING, "id": "b", "title": "<b>worse</b>", "start_us": 2, "end_us": 3,
         "findings": ["f"]},
    ],
    "synthetic": False,
}  # fmt: skip

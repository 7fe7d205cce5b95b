"""All report files of released versions and of the newest judged runs, with dates."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pipelines.core.errors import SignalboxError
from pipelines.release.lifecycle import Choice, choices, reports_of, title_of
from pipelines.release.registry.read import product_names
from pipelines.reporting.blocks import Block, Column, Prose, Row, Section, Table, Text, join, paged
from signalbox_airflow import analysis_pages
from signalbox_airflow.pages.access import Project, Sees, respond
from signalbox_airflow.pages.layout import draw, link, page, when
from signalbox_airflow.pages.questions import verdict
from signalbox_airflow.pages.releases import report_link

_RUNS = 1
"""Runs that were never released: the newest; older ones have their report on the page Releases."""

router = APIRouter()


@router.get("/reports")
def show(project: Project, sees: Sees) -> HTMLResponse:
    """Answer with the list of reports."""
    blocks: list[Block] = [
        Section(name, title_of(name), _of_product(project, name))
        for name in product_names(project)
        if sees(name)
    ]
    if sees(analysis_pages.DAG):
        blocks.append(Section("windows", "Incidents and anomalies", _of_windows(project)))
    return respond(page("Reports", "reports", draw(*blocks)))


def _of_product(project: Path, product: str) -> list[Block]:
    known = choices(project, product)
    released = [choice for choice in known if choice.version]
    runs = [choice for choice in known if not choice.version][:_RUNS]
    rows = [row for choice in [*runs, *released] for row in _rows(project, product, choice)]
    if not rows:
        return [Prose("No run has been judged yet.")]
    columns = [Column("Report", wide=True), Column("Of"), Column("Date (UTC)"), Column("Gate"),
               Column("Size", numeric=True)]  # fmt: skip
    return paged(Table("The newest run, then released versions", columns, rows))


def _rows(project: Path, product: str, choice: Choice) -> list[Row]:
    of: Text = choice.version or f"newest run: {choice.name.partition('/')[2] or choice.name[:12]}"
    try:
        files = reports_of(project, product, choice.commit)
    except SignalboxError as error:
        return [Row([str(error), of, when(choice.time), verdict(choice.verdict), ""])]
    return [
        Row(
            [report_link(product, choice.commit, file.path, Path(file.path).name), of,
             when(choice.time), verdict(choice.verdict), _size(file.bytes)]
        )
        for file in files
    ]  # fmt: skip


def _size(size: int) -> str:
    return "–" if not size else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _of_windows(project: Path) -> list[Block]:
    from pipelines.aiops.lake.window import Window
    from pipelines.aiops.params.artifacts import ANOMALIES_HTML, INCIDENTS_HTML, SERVICE_MAP_HTML

    known, windows = analysis_pages.known_windows(project, 1)
    if not known:
        return [Prose("No window has been analysed yet; unpause the DAGs of the analysis.")]
    newest = known[0]
    name = Window(newest.start, newest.end).name
    pages = [path.name for path in (INCIDENTS_HTML, ANOMALIES_HTML, SERVICE_MAP_HTML)
             if analysis_pages.has_page(project, name, path.name)]  # fmt: skip
    rows = [
        Row([link(analysis_pages.frame_address(name, file), file),
             f"{newest.start:%Y-%m-%d %H:%M}"])
        for file in pages
    ]  # fmt: skip
    table = Table("Of the newest window", [Column("Report", wide=True), Column("From (UTC)")], rows)
    more = join(link("/incidents", f"All {windows} windows" if windows > 1 else "The window"))
    return [table, Prose(more)]

"""A window's own page inside the frame: what its stage wrote, with links to the frame's pages."""

import re
from pathlib import Path

from markupsafe import Markup

from pipelines.reporting.blocks import Prose
from pipelines.reporting.page import TEMPLATES
from signalbox_airflow.analysis_pages import address, frame_address, read_page
from signalbox_airflow.pages.layout import draw, link

_HEAD = re.compile(r'(<div class="decision .*?)</header>', re.DOTALL)
_MAIN = re.compile(r'<main id="main">(.*)</main>', re.DOTALL)
# In what people or data say a quotation mark is escaped, so this is ours.
_LINK = re.compile(r'href="(incidents|anomalies|service_map)\.html(?=["#])')
_SHEETS = {"incidents.html": "incidents.css", "service_map.html": "service_map.css"}


def stored_body(project: Path, window: str, page: str) -> Markup:
    """Take the body of a window's page, for the frame.

    Parameters
    ----------
    project : Path
        The project's folder.
    window : str
        Name of the window.
    page : str
        As in `frame_address`.

    Returns
    -------
    Markup
        Written by our own stage, which escapes whatever comes from data.

    Raises
    ------
    SignalboxError
        If there is no such window or page.
    """
    html = read_page(project, window, page).decode(errors="replace")
    head, main = _HEAD.search(html), _MAIN.search(html)
    alone = Markup('<p class="quiet">{}</p>').format(
        link(address(window, page), "This page alone, as its stage wrote it: to keep or to print")
    )
    if main is None:
        return draw(Prose("This window’s page is of an older form.")) + alone
    sheet = _SHEETS.get(page)
    style = (TEMPLATES / sheet).read_text(encoding="utf-8") if sheet else ""
    body = _LINK.sub(
        lambda found: f'href="{frame_address(window, found[1] + ".html")}',
        (head[1] if head else "") + main[1],
    )
    return Markup('<style>{}</style><div class="stored">{}</div>{}').format(
        Markup(style), Markup(body), alone
    )


def title_of(window: str) -> str:
    """Write a window's time.

    Raises
    ------
    SignalboxError
        If the text names no window.
    """
    from pipelines.aiops.lake.window import Window

    found = Window.parse(window)
    same_day = found.start.date() == found.end.date()
    end = f"{found.end:%H:%M}" if same_day else f"{found.end:%Y-%m-%d %H:%M}"
    return f"{found.start:%Y-%m-%d %H:%M} to {end}"


def with_answers(project: Path, window: str, html: bytes) -> bytes:
    """Put what people say of a window's incidents above its report, if they said anything.

    The file stays as its stage wrote it: people speak later than it was written.
    """
    from pipelines.aiops.lake.feedback import Answer, last_answers, read_answers
    from pipelines.aiops.report.incidents.links import anchor
    from pipelines.aiops.report.incidents.wording import shown
    from pipelines.reporting.blocks import link as to_anchor
    from signalbox_airflow.pages.feedback import said
    from signalbox_airflow.pages.subjects import lake_of

    of: dict[str, list[Answer]] = {}
    titles: dict[str, str] = {}
    for answer in last_answers(read_answers(lake_of(project))[0]):
        if answer.window == window and answer.about == "incident":
            of.setdefault(answer.subject, []).append(answer)
            titles[answer.subject] = answer.title
    if not of:
        return html
    parts = [
        Markup("<p>{}</p>{}").format(
            to_anchor(anchor("incident", id_), shown(titles[id_], 140)), said(of[id_])
        )
        for id_ in sorted(of)
    ]
    block = Markup('<section class="chapter"><h2>What people say</h2>{}</section>').format(
        Markup("").join(parts)
    )
    mark = b'<main id="main">'
    return html.replace(mark, mark + str(block).encode(), 1)

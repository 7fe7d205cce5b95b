"""The frame of every page: navigation, styles, and links that work inside Airflow's own frame.

Whatever comes from data, params or a person goes in as `str` and is escaped; markup is made only
by `pipelines.reporting.blocks` and by the helpers here.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from markupsafe import Markup, escape

from pipelines.core.project import airflow_projects, project_name
from pipelines.reporting.blocks import Block, Section, Text, Tone, icon
from pipelines.reporting.page import TEMPLATES, Banner, Page, script_source
from signalbox_airflow.report_page import CHOOSE, CURRENT, PREFIX, headers

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
NAVIGATION = (
    ("overview", "Overview", "/"),
    ("releases", "Releases", "/releases"),
    ("rules", "Alert rules", "/rules"),
    ("incidents", "Incidents", "/incidents"),
    ("service-map", "Service map", "/service-map"),
    ("kpis", "KPIs", "/kpis"),
    ("ledger", "Ledger", "/ledger"),
    ("reports", "Reports", "/reports"),
)
"""Key of a page, its name, and its address below `PREFIX`."""

_STYLES = (TEMPLATES / "style.css", TEMPLATES / "folds.css", HERE / "pages.css")
_SANDBOX = (
    "allow-scripts allow-same-origin allow-forms allow-downloads "
    "allow-top-navigation-by-user-activation"
)


def page(title: str, current: str, body: Markup | str, *, kind: str = "", script: str = "") -> str:
    """Draw a page in the frame.

    Parameters
    ----------
    title : str
        The page's only ``h1``, and the title of the tab.
    current : str
        Key in `NAVIGATION` of where the reader is; empty = on none of these pages.
    body : Markup or str
        What stands below the title, usually from `draw`; a `str` is escaped.
    kind : str, default ''
        A line above the title, for example that the data is synthetic.
    script : str, default ''
        Script in ``pipelines/reporting/templates`` beside the frame's own; see `page_headers`.

    Returns
    -------
    str
        The whole document.
    """
    scripts = [_frame_script(), *([_read(TEMPLATES, script)] if script else [])]
    template = _environment().get_template("frame.html")
    return template.render(
        title=title,
        current=current,
        body=body,
        kind=kind,
        navigation=[(key, name, PREFIX + path) for key, name, path in NAVIGATION],
        projects=_projects(),
        css=Markup(_css()),
        scripts=[Markup(text) for text in scripts],
    )


def _projects() -> list[tuple[str, str, bool]]:
    """List the projects of this Airflow, where each is chosen, and whether it is the page's.

    Returns
    -------
    list of tuple of (str, str, bool)
        Nothing if there is but one.
    """
    now = CURRENT.get()
    names = sorted(filter(None, map(project_name, airflow_projects())))
    found = [(name, f"{PREFIX}{CHOOSE}{name}", name == now) for name in names]
    return found if len(found) > 1 else []


def draw(*blocks: Block, depth: int = 2) -> Markup:
    """Draw blocks of a report.

    Parameters
    ----------
    *blocks : Block
        See `pipelines.reporting.blocks`.
    depth : int, default 2
        Level of the heading of a `Section` among them.

    Returns
    -------
    Markup
    """
    macro = getattr(_environment().get_template("blocks.html").module, "draw")  # noqa: B009
    return Markup("\n").join(Markup(macro(block, depth)) for block in blocks)


def draw_page(content: Page) -> Markup:
    """Draw what a report of one file has between its title and its foot, for use as a body."""
    chapters = [
        Section(chapter.anchor, chapter.title, chapter.blocks) for chapter in content.chapters
    ]
    return Markup("\n").join([banner(content.banner), draw(content.facts), draw(*chapters)])


def banner(said: Banner) -> Markup:
    """Draw what stands first on a page: how things are, in a few words."""
    paragraph = Markup("<p>{}</p>")
    return Markup('<div class="decision {}"><p class="verdict">{}{}</p>{}</div>').format(
        said.tone,
        icon(said.tone),
        Markup("<span>{}</span>").format(said.verdict),
        Markup("").join(paragraph.format(sentence) for sentence in said.sentences),
    )


def page_headers(script: str = "") -> dict[str, str]:
    """Return the headers of a page in the frame.

    Only the frame's script and the page's own run, whatever a page says; forms lead to pages of
    this origin; and no other site can show a page in a frame of its own.

    Parameters
    ----------
    script : str, default ''
        As given to `page`.
    """
    sources = " ".join(filter(None, (_hash_of_frame_script(), script_source(script))))
    found = headers(_SANDBOX, sources)
    policy = found["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'")
    return {**found, "Content-Security-Policy": f"{policy}; frame-ancestors 'self'"}


def link(path: str, text: Text, **query: str) -> Markup:
    """Link to a page of ours.

    Parameters
    ----------
    path : str
        Address below `PREFIX`, its parts quoted; or a whole one of Airflow's server that begins
        with ``/signalbox``.
    text : str or Markup
        Escaped unless it is markup.
    **query : str
        What stands behind the question mark.
    """
    address = path if path.startswith(PREFIX) else PREFIX + path
    return Markup('<a href="{}">{}</a>').format(
        f"{address}?{urlencode(query)}" if query else address, text
    )


def airflow_link(path: str, text: Text) -> Markup:
    """Link to one of Airflow's own pages, which replaces the frame instead of standing in it.

    Parameters
    ----------
    path : str
        Address on Airflow's server, its parts quoted, for example ``/dags/incidents``.
    text : str or Markup
        Escaped unless it is markup.
    """
    return Markup('<a href="{}" target="_top">{}</a>').format(path, text)


def shortened(hashed: object, length: int = 12) -> Markup:
    """Write the beginning of a hash; one click selects all of it to copy, a print has all of it.

    Parameters
    ----------
    hashed : object
        The hash.
    length : int, default 12
        Characters that are shown.
    """
    whole = str(hashed)
    if len(whole) <= length:
        return Markup("<code>{}</code>").format(whole)
    return Markup('<code class="long" title="{0}">{1}<span class="rest">{2}</span></code>').format(
        whole, whole[:length], whole[length:]
    )


def word(tone: Tone, text: Text) -> Markup:
    """Write a word with the shape that says the same as its colour.

    Parameters
    ----------
    tone : {'good', 'open', 'bad', 'quiet', 'info'}
    text : str or Markup
    """
    return Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), text)


def when(time: str) -> str:
    """Write a moment as people read it; UTC, to the minute.

    Parameters
    ----------
    time : str
        ISO 8601 with a time zone; what isn't comes back as it is.
    """
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M}"


def since(time: str, now: datetime) -> Markup:
    """Write since when something is so, and for how long that is.

    Parameters
    ----------
    time : str
        ISO 8601 with a time zone.
    now : datetime
        With its time zone.
    """
    return Markup('<span class="when">since {}</span>').format(ago(time, now))


def ago(time: str, now: datetime) -> str:
    """Write a moment and how long ago it is, for example ``2026-01-31 10:20 (3 h)``."""
    try:
        seconds = max((now - datetime.fromisoformat(time)).total_seconds(), 0)
    except (ValueError, TypeError):
        return time
    hours = seconds / 3600
    if hours < 1:
        span = f"{seconds / 60:.0f} min"
    elif hours < 48:
        span = f"{hours:.0f} h"
    else:
        span = f"{hours / 24:.0f} days"
    return f"{when(time)} ({span})"


def card(title: Text, tone: Tone, *parts: Text) -> Markup:
    """Draw a card: one question of the reader, and its answer.

    Parameters
    ----------
    title : str or Markup
    tone : {'good', 'open', 'bad', 'quiet', 'info'}
        Colour of its upper edge; the parts say the same in words.
    *parts : str or Markup
        From `draw` and `listed`; a `str` is escaped.
    """
    return Markup('<section class="card {}"><h2>{}</h2>{}</section>').format(
        tone, title, Markup("").join(escape(part) for part in parts)
    )


def cards(*drawn: Markup) -> Markup:
    """Draw cards side by side where there is room."""
    return Markup('<div class="deck">{}</div>').format(Markup("").join(drawn))


def listed(items: Iterable[Text]) -> Markup:
    """Draw a list of a card's points."""
    points = Markup("").join(Markup("<li>{}</li>").format(item) for item in items)
    return Markup("<ul>{}</ul>").format(points) if points else Markup("")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([HERE, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["icon"] = icon
    return environment


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


@cache
def _css() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in _STYLES)


@cache
def _frame_script() -> str:
    return _read(HERE, "frame.js")


@cache
def _hash_of_frame_script() -> str:
    import base64
    import hashlib

    digest = hashlib.sha256(_frame_script().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

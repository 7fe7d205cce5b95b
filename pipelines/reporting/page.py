"""A page: decision first, then chapters; drawn into one self-contained HTML file."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipelines.reporting.blocks import Chapter, Facts, Headline, Text, Tone, icon

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Banner:
    """The decision, as the first thing on the page.

    Attributes
    ----------
    verdict : str
        The decision in words.
    tone : {'good', 'open', 'bad', 'quiet', 'info'}
        Colour and shape.
    sentences : sequence of str or Markup
        Why.
    """

    verdict: str
    tone: Tone
    sentences: Sequence[Text]


@dataclass(frozen=True)
class Page:
    """Everything on a page.

    Attributes
    ----------
    kind : str
        What kind of document it is, for example "Model release report".
    title : str
        Title of the page.
    banner : Banner
        The decision.
    facts : Facts
        What the page is about.
    chapters : sequence of Chapter
        In order; they are numbered.
    foot : str or Markup
        Below the last chapter.
    notice_label : str
        Heading of the notice.
    notice : str or Markup
        What a reader must know about the data before anything else; empty = nothing.
    language : str
        Language of the text, as in HTML's ``lang``.
    headline : Headline or None
        The few numbers that matter most, right below the decision.
    styles : sequence of str
        Style sheets in ``templates/`` beside the one that every page has.
    script : str
        Script in ``templates/``; empty = none. It makes a page handier and holds nothing that
        can't be read without it.
    """

    kind: str
    title: str
    banner: Banner
    facts: Facts
    chapters: Sequence[Chapter]
    foot: Text
    notice_label: str = "About the data"
    notice: Text = ""
    language: str = "en"
    headline: Headline | None = None
    styles: Sequence[str] = ()
    script: str = ""


def render(page: Page) -> str:
    """Draw a page as HTML: no address to fetch, the same bytes for the same page.

    No script runs but the page's own, which the browser knows by its hash.

    Parameters
    ----------
    page : Page
        What stands on it.

    Returns
    -------
    str
        The whole document.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["icon"] = icon
    sheets = ("style.css", *page.styles)
    css = Markup("").join(
        Markup((TEMPLATES / sheet).read_text(encoding="utf-8")) for sheet in sheets
    )
    script = _script(page.script) if page.script else ""
    return environment.get_template("page.html").render(
        page=page, css=css, script=Markup(script), script_source=script_source(page.script)
    )


def _script(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def script_source(name: str) -> str:
    """Return the source expression of a script for Content-Security-Policy.

    Parameters
    ----------
    name : str
        File name; empty = no script.

    Returns
    -------
    str
        ``'sha256-…'``, the hash in base64; empty without a name.
    """
    if not name:
        return ""
    digest = hashlib.sha256(_script(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

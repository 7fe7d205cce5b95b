"""The pages of ``docs/`` at ``/signalbox-docs/<page>.md``: where the DAGs' descriptions link to.

For whoever is logged in to Airflow. Only names are taken from the address that a page of the
project has, and no script runs in them.
"""

from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from signalbox_airflow.parsing import DOCS
from signalbox_airflow.report_page import Lazy, headers

_STYLE = (
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b1f24;background:#fff}pre,table{overflow-x:auto;display:block}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9em}td,th{border:1px solid #c5cbd3;"
    "padding:.3rem .6rem;text-align:left;vertical-align:top}table{border-collapse:collapse}"
)


def make_app(project: Path) -> Any:
    """Return the web application."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    safe = headers("allow-same-origin", "'none'")

    @app.get("/{name}", dependencies=[Depends(get_user)])
    def page(name: str) -> Response:
        text = read_page(project, name)
        if text is None:
            return PlainTextResponse(f"there is no page docs/{name}", status_code=404)
        return HTMLResponse(as_html(name, text), headers=safe)

    return app


def read_page(project: Path, name: str) -> str | None:
    """Return the text of a page; None if the project has none of that name."""
    pages = {path.name: path for path in (project / "docs").glob("*.md")}
    return pages[name].read_text(encoding="utf-8") if name in pages else None


def as_html(name: str, markdown: str) -> str:
    """Return a page for a browser; as it was written where no reader of Markdown is installed."""
    from html import escape

    try:
        from markdown_it import MarkdownIt
    except ImportError:
        body = f"<pre>{escape(markdown)}</pre>"
    else:
        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )


class DocsPlugin(AirflowPlugin):
    """Registers the pages."""

    name = "signalbox_docs"
    fastapi_apps = [  # noqa: RUF012
        {"app": Lazy(make_app), "url_prefix": DOCS, "name": "Documentation of Signalbox"}
    ]

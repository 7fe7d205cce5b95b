"""Index page over all reports in ``reports/``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.core.files import sha256_path
from pipelines.mlops.compliance.requirement import RANK
from pipelines.release.products import registered
from pipelines.reporting.blocks import WORDS, Chapter, Column, Facts, Prose, Row, Table, badge
from pipelines.reporting.index import hash_text
from pipelines.reporting.page import Banner, Page

NAME = "index.html"
TITLES = {
    "incidents": "Incidents",
    "anomalies": "Anomalies in metrics and logs",
    "service_map": "Service map",
    "compliance": "Compliance",
    "drift": "Drift, column by column (Evidently)",
    "data_docs": "Rules on the data (Great Expectations)",
}
"""What readers call Signalbox's reports that are no product's; others go by their file's name."""


@dataclass(frozen=True)
class Listed:
    """A report in the folder."""

    title: str
    href: str
    sha256: str
    says: Markup | str


def find(folder: Path) -> list[Listed]:
    """Find reports: pages in the folder itself, and sites in folders below."""
    pages = [path for path in sorted(folder.glob("*.html")) if path.name != NAME]
    sites = sorted(folder.glob(f"*/{NAME}"))
    return [_page(path) for path in pages] + [_site(path) for path in sites]


def _page(path: Path) -> Listed:
    return Listed(_title(path.stem), path.name, sha256_path(path), _says(path.with_suffix(".json")))


def _site(path: Path) -> Listed:
    folder = path.parent
    return Listed(_title(folder.name), f"{folder.name}/{NAME}", sha256_path(folder), "")


def _title(stem: str) -> str:
    products = {
        Path(product.report).stem: product.title
        for product in registered().values()
        if product.report
    }
    return (products | TITLES).get(stem, stem.replace("_", " ").capitalize())


def _says(path: Path) -> Markup | str:
    """Say what a report comes to, as its JSON says; empty where it has none."""
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(record, dict):
        return ""
    if isinstance(record.get("says"), str):
        return str(record["says"])
    verdict = (record.get("decision") or {}).get("verdict")
    if verdict in WORDS:
        return badge(verdict)
    counts = record.get("counts")
    if isinstance(counts, dict) and counts:
        return ", ".join(f"{counts[word]} {word}" for word in RANK if word in counts)
    return ""


def _link(item: Listed) -> Markup:
    return Markup('<a href="{}">{}</a>').format(item.href, item.title)


def make_page(listed: list[Listed], title: str) -> Page:
    """Put the list on a page."""
    rows = [Row([_link(item), item.says, hash_text(item.sha256)]) for item in listed]
    count = len(listed)
    return Page(
        kind="Reports",
        title=title,
        banner=Banner(
            verdict=f"{count} report" + ("" if count == 1 else "s"),
            tone="info",
            sentences=["Each is a file or folder of its own and can be filed or sent as it is."],
        ),
        facts=Facts([]),
        chapters=[
            Chapter(
                "reports",
                "All reports",
                [
                    Table(
                        "Reports in this folder",
                        [Column("Report", wide=True), Column("Result"), Column("SHA-256")],
rows,
                    )
                    if rows
                    else Prose("None yet: run the pipeline.")
                ],
            )
        ],
        foot="Made by signalbox compliance from what lies in the folder.",
    )  # fmt: skip

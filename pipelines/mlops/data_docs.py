"""Great Expectations' Data Docs as an out: the same pages for the same data."""

import re
from pathlib import Path
from typing import Any

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOAD_TIME = re.compile(r"\b20\d{6}T\d{6}\.\d{6}Z")
_REMOTE_LOGO = re.compile(r"https://[^\"']*/logo-long\.png\?d=[^\"']*")
_FIXED_TIME = "20000101T000000.000000Z"
_UNUSED_IMAGES = ("*.gif", "iterative-dev-loop.png")


def build_data_docs(context: Any, folder: Path) -> None:
    """Build the Data Docs of `context` in `folder`, without times and random ids.

    Great Expectations writes a fresh UUID into every collapsible block, the time of loading, and a
    logo fetched from its own server with a time stamp; these become running numbers, a fixed
    time and the local copy of the logo.
    """
    context.add_data_docs_site(
        "signalbox",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
        },
    )
    context.build_data_docs(site_names=["signalbox"])
    for page in sorted(folder.rglob("*.html")):
        page.write_text(_reproducible(page, folder), encoding="utf-8")
    for pattern in _UNUSED_IMAGES:
        for image in folder.rglob(pattern):
            image.unlink()


def _reproducible(page: Path, folder: Path) -> str:
    text = page.read_text(encoding="utf-8")
    numbers: dict[str, str] = {}
    text = _UUID.sub(lambda m: numbers.setdefault(m.group(), f"id-{len(numbers)}"), text)
    up = "../" * (len(page.relative_to(folder).parts) - 1)
    text = _REMOTE_LOGO.sub(f"{up}static/images/logo-long.png", text)
    return _LOAD_TIME.sub(_FIXED_TIME, text)

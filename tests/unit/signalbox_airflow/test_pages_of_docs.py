"""The pages of docs/ that the DAGs' descriptions link to."""

from pathlib import Path

import pytest

from signalbox_airflow.docs_page import as_html, read_page
from tests.conftest import ROOT


def test_a_page_of_the_project_is_read() -> None:
    text = read_page(ROOT, "model-release.md")
    assert text is not None
    assert text.startswith("# ")


@pytest.mark.parametrize("name", ["nope.md", "make_params.py", "../README.md", "", ".", "a/b.md"])
def test_nothing_else_is_read(name: str) -> None:
    assert read_page(ROOT, name) is None


def test_a_project_without_docs_has_none(tmp_path: Path) -> None:
    assert read_page(tmp_path, "params.md") is None


def test_markup_in_a_page_stays_text_and_tables_are_tables() -> None:
    page = as_html(
        "<x>.md", "# Title\n\n<script>alert(1)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert "<h1>Title</h1>" in page
    assert "<td>1</td>" in page
    assert "<script" not in page
    assert "&lt;x&gt;.md" in page

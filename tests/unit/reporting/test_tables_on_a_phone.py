"""Which tables a phone shows as cards, and what stands beside what in them."""

import pytest
from markupsafe import Markup

from pipelines.reporting.blocks import Chapter, Column, Facts, Row, Table
from pipelines.reporting.page import Banner, Page, render


def table(columns: int, *, cards: bool | None = None, cell: str = "short") -> Table:
    heads = [Column(f"Head {number}") for number in range(columns)]
    return Table("Caption", heads, [Row(["name", *[cell] * (columns - 1)])], cards=cards)


def drawn(content: Table) -> str:
    chapters = [Chapter(anchor="one", title="One", blocks=[content])]
    return render(Page("Report", "Title", Banner("Fine", "good", []), Facts([]), chapters, ""))


@pytest.mark.parametrize(
    ("columns", "cards", "expected"),
    [(3, None, False), (4, None, True), (3, True, True), (9, False, False)],
)
def test_a_table_of_more_than_three_columns_is_cards_unless_it_says_otherwise(
    columns: int, cards: bool | None, expected: bool
) -> None:
    page = drawn(table(columns, cards=cards))
    assert ('<table class="cards" role="table">' in page) is expected
    assert ('data-label="Head 1"' in page) is expected


@pytest.mark.parametrize(
    ("cell", "brief"),
    [
        ("0.168 to 0.600", True),
        ("a sentence that needs the width of the card", False),
        (Markup("<strong title='as long as you like'>pass</strong>"), True),
    ],
)
def test_only_short_texts_share_a_line_of_a_card(cell: str, brief: bool) -> None:
    content = table(4, cell=cell)
    assert content.is_brief(1) is brief
    assert ('data-label="Head 1" class="brief"' in drawn(content)) is brief


def test_a_column_that_is_wide_or_a_chart_never_shares_a_line() -> None:
    heads = [Column("Name"), Column("Text", wide=True), Column("Plot", chart=True), Column("Word")]
    content = Table("Caption", heads, [Row(["a", "b", "c", "d"])])
    assert [content.is_brief(column) for column in range(4)] == [True, False, False, True]

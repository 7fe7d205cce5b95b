"""Which tables a phone shows as cards, and what stands beside what in them."""

import pytest
from markupsafe import Markup

from pipelines.reporting.blocks import (
    PAGE,
    SHOWN,
    Block,
    Chapter,
    Column,
    Facts,
    Fold,
    Row,
    Table,
    paged,
)
from pipelines.reporting.page import Banner, Page, render


def table(columns: int, *, cards: bool | None = None, cell: str = "short") -> Table:
    heads = [Column(f"Head {number}") for number in range(columns)]
    return Table("Caption", heads, [Row(["name", *[cell] * (columns - 1)])], cards=cards)


def drawn(content: Block) -> str:
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


def rows_and_labels(blocks: list[Block]) -> tuple[list[list[str]], list[str]]:
    """Names of the rows of each table, in order, and the labels of the folds between them."""
    tables: list[list[str]] = []
    labels: list[str] = []
    while blocks:
        first, *rest = blocks
        if isinstance(first, Fold):
            labels.append(str(first.label))
            blocks = [*first.blocks, *rest]
            continue
        assert isinstance(first, Table)
        tables.append([str(row.cells[0]) for row in first.rows])
        blocks = rest
    return tables, labels


def long_table(rows: int) -> Table:
    made = [Row([f"row {n}", "x"]) for n in range(rows)]
    return Table("Caption", [Column("Name"), Column("What")], made, note="Note.")


@pytest.mark.parametrize("rows", [0, 1, SHOWN, SHOWN + SHOWN // 2, 13, 28, 39, 60, 500, 2000])
def test_a_long_table_shows_every_row_once_in_order_behind_few_folds(rows: int) -> None:
    tables, labels = rows_and_labels(paged(long_table(rows)))
    assert [name for table in tables for name in table] == [f"row {n}" for n in range(rows)]
    assert len(labels) <= 7
    assert bool(labels) is (rows > SHOWN + SHOWN // 2)
    if labels:
        assert len(tables[0]) == SHOWN


def test_a_fold_says_how_many_rows_it_shows_and_how_many_there_are() -> None:
    _, labels = rows_and_labels(paged(long_table(500)))
    assert labels[0] == f"Show {PAGE} more of {500 - SHOWN}"
    assert labels[1] == f"Show {2 * PAGE} more of {500 - SHOWN - PAGE}"
    _, last = rows_and_labels(paged(long_table(SHOWN + PAGE)))
    assert last == [f"Show {PAGE} more"]


def test_the_note_of_a_long_table_stands_below_its_last_row() -> None:
    html = "".join(drawn(block) for block in paged(long_table(100)) if isinstance(block, Table))
    assert "Note." not in html
    page = drawn(paged(long_table(100))[1])
    assert page.count("Note.") == 1
    assert page.index("row 99") < page.index("Note.")
    assert "Caption, continued" in page

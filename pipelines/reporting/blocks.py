"""What a page is made of. Blocks hold content only; ``templates/blocks.html`` draws them.

Text is either `str`, which is escaped, or `Markup`, which only the helpers of this package make.
Whatever comes from data or params goes in as `str`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from markupsafe import Markup, escape

from pipelines.core.settings import is_filled_in

Text = str | Markup
Tone = Literal["good", "open", "bad", "quiet", "info"]


@dataclass(frozen=True)
class Prose:
    """A paragraph.

    Attributes
    ----------
    text : str or Markup
    quiet : bool
        Whether it is set in a softer colour.
    """

    kind: ClassVar[str] = "prose"
    text: Text
    quiet: bool = False


@dataclass(frozen=True)
class Items:
    """A list of short points.

    Attributes
    ----------
    items : sequence of str or Markup
    """

    kind: ClassVar[str] = "items"
    items: Sequence[Text]


@dataclass(frozen=True)
class Facts:
    """Terms and what they are.

    Attributes
    ----------
    items : sequence of tuple of (str, str or Markup)
        Term and explanation.
    """

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Code:
    """Lines to type.

    Attributes
    ----------
    lines : sequence of str
    label : str
        What the lines do.
    """

    kind: ClassVar[str] = "code"
    lines: Sequence[str]
    label: str


@dataclass(frozen=True)
class Callout:
    """Something a reader must not miss.

    Attributes
    ----------
    tone : {'good', 'open', 'bad', 'quiet', 'info'}
        Colour and shape.
    label : str
        Word that says what the colour says.
    text : str or Markup
    """

    kind: ClassVar[str] = "callout"
    tone: Tone
    label: str
    text: Text


@dataclass(frozen=True)
class Column:
    """Head of a table's column.

    Attributes
    ----------
    label : str or Markup
    numeric : bool
        Whether its cells are numbers, set flush right.
    chart : bool
        Whether its cells are charts.
    wide : bool
        Whether it holds text that needs room.
    """

    label: Text
    numeric: bool = False
    chart: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """Cells of a row; the first names the row.

    Attributes
    ----------
    cells : sequence of str or Markup
        One a column.
    anchor : str
        Id of the row on the page; empty = none.
    strong : bool
        Whether it stands out.
    """

    cells: Sequence[Text]
    anchor: str = ""
    strong: bool = False


_FIT_A_PHONE = 3
"""Columns that a screen of 390 px holds side by side."""
_BRIEF = 15
"""Characters that a third of such a screen holds in a line."""


@dataclass(frozen=True)
class Table:
    """A table; `mark` leads to the artifact its numbers come from.

    Attributes
    ----------
    caption : str or Markup
    columns : sequence of Column
    rows : sequence of Row
    mark : str or Markup
        Leads to the artifact that the numbers come from.
    note : str or Markup
        Text below the table.
    foot : sequence of str or Markup
        Cells of a last row; empty = none.
    small : bool
        Whether it is set in small type.
    cards : bool or None
        Whether a phone shows each row as a card, with its columns' heads at the cells, so that
        nothing of it has to be scrolled to sideways; None = if it has more than three columns.
    """

    kind: ClassVar[str] = "table"
    caption: Text
    columns: Sequence[Column]
    rows: Sequence[Row]
    mark: Text = ""
    note: Text = ""
    foot: Sequence[Text] = ()
    small: bool = False
    cards: bool | None = None

    @property
    def as_cards(self) -> bool:
        """Whether a phone shows each row as a card."""
        return len(self.columns) > _FIT_A_PHONE if self.cards is None else self.cards

    def is_brief(self, column: int) -> bool:
        """Whether all texts of a column are so short that a card holds three of them in a line.

        Parameters
        ----------
        column : int
            Its place, counted from 0.

        Returns
        -------
        bool
        """
        if self.columns[column].chart or self.columns[column].wide:
            return False
        cells = (str(row.cells[column]) for row in self.rows)
        return all("<div" not in c and len(Markup(c).striptags()) <= _BRIEF for c in cells)


@dataclass(frozen=True)
class Chart:
    """An SVG with a caption.

    Attributes
    ----------
    svg : Markup
    caption : str or Markup
    mark : str or Markup
        Leads to the artifact that the numbers come from.
    """

    svg: Markup
    caption: Text
    mark: Text = ""


@dataclass(frozen=True)
class Charts:
    """Charts side by side where there is room.

    Attributes
    ----------
    charts : sequence of Chart
    """

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Headline:
    """A few numbers that stand above everything else.

    Attributes
    ----------
    items : sequence of tuple of (str or Markup, str or Markup, str or Markup)
        What, how much, and what to add to it.
    """

    kind: ClassVar[str] = "headline"
    items: Sequence[tuple[Text, Text, Text]]


@dataclass(frozen=True)
class Fold:
    """Blocks that a screen shows on demand and a print shows always.

    Attributes
    ----------
    label : str or Markup
        What stands there while the blocks are hidden.
    blocks : sequence of Block
    """

    kind: ClassVar[str] = "fold"
    label: Text
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Section:
    """A part of a chapter.

    Attributes
    ----------
    anchor : str
        Id of the section on the page.
    title : str or Markup
    blocks : sequence of Block
    """

    kind: ClassVar[str] = "section"
    anchor: str
    title: Text
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Ranked:
    """Things in order, the first first.

    Attributes
    ----------
    items : sequence of tuple of (str or Markup, str or Markup, sequence of str or Markup)
        What, how much, and a line for each reason.
    """

    kind: ClassVar[str] = "ranked"
    items: Sequence[tuple[Text, Text, Sequence[Text]]]


Block = Prose | Items | Facts | Code | Callout | Table | Charts | Headline | Fold | Section | Ranked


@dataclass(frozen=True)
class Chapter:
    """A numbered chapter of the page.

    Attributes
    ----------
    anchor : str
        Id of the chapter on the page.
    title : str
    blocks : sequence of Block
    short : str
        Title in the table of contents, where it should be shorter.
    """

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)
    short: str = ""
    """Title in the table of contents, where it should be shorter."""


def folded(chapter: Chapter) -> Chapter:
    """Fold a chapter, but for what a reader must not miss: its callouts stay in sight.

    Parameters
    ----------
    chapter : Chapter

    Returns
    -------
    Chapter
    """
    urgent = [block for block in chapter.blocks if isinstance(block, Callout)]
    rest = [block for block in chapter.blocks if not isinstance(block, Callout)]
    if not rest:
        return chapter
    tables, charts = _counted(rest)
    parts = [
        f"{number} {word}{'' if number == 1 else 's'}"
        for number, word in ((tables, "table"), (charts, "chart"))
        if number
    ]
    holds = f" ({', '.join(parts)})" if parts else ""
    return replace(chapter, blocks=[*urgent, Fold(f"Show: {chapter.title}{holds}", rest)])


SHOWN, PAGE = 8, 20
"""Rows of a long table that stand open, and those behind the first of its folds."""


def paged(table: Table, shown: int = SHOWN, page: int = PAGE) -> list[Block]:
    """Show a long table's first rows; each fold behind them shows more, and holds the next fold.

    Parameters
    ----------
    table : Table
    shown : int, default `SHOWN`
        Rows that stand open; some more do where a fold would hide only a few.
    page : int, default `PAGE`
        Rows behind the first fold; each further one holds twice as many, so that folds don't nest
        without end.

    Returns
    -------
    list of Block
        The table alone if it is short.
    """
    if len(table.rows) <= shown + shown // 2:
        return [table]
    first = replace(table, rows=table.rows[:shown], note="", foot=())
    more = join(table.caption, ", continued")
    return [first, _more(replace(table, caption=more, mark="", rows=table.rows[shown:]), page)]


def _more(table: Table, page: int) -> "Fold":
    """Fold rows; behind the first `page` of them stands the next fold."""
    rows, rest = table.rows[:page], table.rows[page:]
    if len(rest) <= page // 2:
        return Fold(f"Show {len(table.rows):,} more", [table])
    label = f"Show {page:,} more of {len(table.rows):,}"
    shown = replace(table, rows=rows, note="", foot=())
    return Fold(label, [shown, _more(replace(table, rows=rest), 2 * page)])


def _counted(blocks: Sequence[Block]) -> tuple[int, int]:
    """Count tables and charts, also within sections and folds."""
    tables = charts = 0
    for block in blocks:
        if isinstance(block, Section | Fold):
            inner = _counted(block.blocks)
            tables, charts = tables + inner[0], charts + inner[1]
        tables += isinstance(block, Table)
        charts += len(block.charts) if isinstance(block, Charts) else 0
    return tables, charts


def name(text: object) -> Markup:
    """Set a name from the data apart, so that its writing direction can't disturb the line.

    Parameters
    ----------
    text : object
        The name; escaped.

    Returns
    -------
    Markup
    """
    return Markup("<bdi>{}</bdi>").format(str(text))


def identifier(text: object) -> Markup:
    """Write the name of a check, rule or figure; it may break after ``_``, ``.`` and ``:``.

    Parameters
    ----------
    text : object
        The name; escaped.

    Returns
    -------
    Markup
    """
    parts = re.split(r"(?<=[_.:])", str(text))
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(parts))


def names(values: Sequence[object]) -> Markup:
    """Write several names, separated by commas.

    Parameters
    ----------
    values : sequence of object
        The names; escaped.

    Returns
    -------
    Markup
    """
    return Markup(", ").join(name(value) for value in values)


def code(text: object) -> Markup:
    """Mark an identifier, path or command within a sentence.

    Parameters
    ----------
    text : object
        The identifier, path or command; escaped.

    Returns
    -------
    Markup
    """
    return Markup("<code>{}</code>").format(str(text))


def reason(text: object) -> Markup:
    """Write why a cell of numbers holds none; it may break over lines where numbers may not.

    Parameters
    ----------
    text : object
        The reason; escaped.

    Returns
    -------
    Markup
    """
    return Markup('<span class="reason">{}</span>').format(str(text))


def strong(text: object) -> Markup:
    """Emphasise the words that carry the sentence.

    Parameters
    ----------
    text : object
        The words; escaped unless they are markup.

    Returns
    -------
    Markup
    """
    return Markup("<strong>{}</strong>").format(text)


def join(*parts: Text) -> Markup:
    """Join parts of a sentence one after the other.

    Parameters
    ----------
    *parts : str or Markup
        Each is escaped unless it is markup.

    Returns
    -------
    Markup
    """
    return Markup("").join(escape(part) for part in parts)


def link(anchor: str, text: Text) -> Markup:
    """Link to an anchor on the page.

    Parameters
    ----------
    anchor : str
        Id of the element on the page.
    text : str or Markup
        Escaped unless it is markup.

    Returns
    -------
    Markup
    """
    return Markup('<a href="#{}">{}</a>').format(anchor, text)


WORDS: dict[str, tuple[str, Tone]] = {
    "pass": ("pass", "good"),
    "fail": ("fail", "bad"),
    "inconclusive": ("inconclusive", "open"),
    "not_applicable": ("not applicable", "quiet"),
    "approve": ("approve", "good"),
    "review": ("review", "open"),
    "reject": ("reject", "bad"),
}
"""Verdicts and decisions: the word, and the tone that repeats it in colour and shape."""

_ICONS: dict[Tone, str] = {
    "good": '<circle cx="8" cy="8" r="7"/><path d="M4.5 8.3l2.4 2.4 4.6-5.2"/>',
    "bad": '<path class="fill" d="M4.9 1h6.2L15 4.9v6.2L11.1 15H4.9L1 11.1V4.9z"/>'
    '<path d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"/>',
    "open": '<path class="fill" d="M8 .8L15.2 8 8 15.2.8 8z"/><path d="M8 4.2v4.6M8 11v.6"/>',
    "info": '<circle cx="8" cy="8" r="7"/><path d="M8 4.2v.6M8 7.2v4.6"/>',
    "quiet": '<circle cx="8" cy="8" r="7"/><path d="M4.5 8h7"/>',
}


def icon(tone: Tone) -> Markup:
    """Draw the shape that repeats a tone for those who don't see its colour; always beside a word.

    Parameters
    ----------
    tone : {'good', 'open', 'bad', 'quiet', 'info'}

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    return Markup(
        f'<svg class="icon {tone}" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
        f"{_ICONS[tone]}</svg>"
    )


def stated(text: str) -> Text:
    """Write what people have to fill in; where nobody did, in red and with a shape.

    Parameters
    ----------
    text : str
        A setting of a section that states facts (`pipelines.core.settings.FactsAboutData`).

    Returns
    -------
    Text
    """
    if is_filled_in(text) or not text:
        return text
    return Markup('<span class="badge bad">{}missing</span> {}').format(icon("bad"), text)


def badge(verdict: str) -> Markup:
    """Write a verdict or decision as a word with its shape.

    Parameters
    ----------
    verdict : str
        A key of `WORDS`.

    Returns
    -------
    Markup
    """
    word, tone = WORDS[verdict]
    return Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), word)

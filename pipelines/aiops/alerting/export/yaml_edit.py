"""Edits of a user's YAML that come out again to the byte: where, what, and how it is spelled.

Two kinds, neither of which needs to know YAML to be undone:

- a block between a ``# >>> signalbox`` and a ``# <<< signalbox`` line, whole lines;
- the same with ``:joined`` in its first mark, where the newline before it is ours too (inside
  ``[...]`` and ``{...}``, and at the end of a file without a newline).

ruamel.yaml reads the text into nodes that know their position; everything else is positions.
(Writing the file back through ruamel would re-indent and re-wrap lines that are none of our
business.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipelines.core.errors import SignalboxError

BEGIN, END, JOINED = "# >>> signalbox", "# <<< signalbox", ":joined"

_LINE = r"[^\r\n]*\r?\n"
_OURS = re.compile(
    rf"(?:\r?\n[ \t]*{BEGIN}{JOINED}|^[ \t]*{BEGIN}(?!{JOINED}))"
    rf"(?:(?!{BEGIN}).)*?^[ \t]*{END}{_LINE}",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(rf"^[ \t]*(?:{BEGIN}|{END})", re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """Text to put into a file.

    Of two edits at one position the deeper one comes first: it belongs to what ends there.

    Attributes
    ----------
    at : int
        Index of the character before which it comes.
    text : str
        What is put in.
    depth : int
        Column of what it belongs to.
    """

    at: int
    text: str
    depth: int = 0


def remove(text: str, name: str) -> str:
    """Take out everything of ours.

    Parameters
    ----------
    text : str
        A file, with or without our parts.
    name : str
        Its name, for messages.

    Returns
    -------
    str
        The user's text, to the byte.

    Raises
    ------
    SignalboxError
        If a mark has lost its partner: what is ours can't be told apart any more.
    """
    if BEGIN not in text and END not in text:
        return text
    bare = _OURS.sub("", text)
    found = _MARK.search(bare)
    if found is not None:
        line = bare.count("\n", 0, found.start()) + 1
        raise SignalboxError(
            f"{name}: a mark of Signalbox without its partner (about line {line}); restore the "
            f"file from its backup, or delete the lines between '{BEGIN}' and '{END}' by hand"
        )
    return bare


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits to a text; those at the same position and depth come in the order given.

    Parameters
    ----------
    text : str
        The text that the edits were made for.
    edits : iterable of Edit
        In any order.

    Returns
    -------
    str
        The text after the edits.
    """
    parts, done = [], 0
    for edit in sorted(edits, key=lambda change: (change.at, -change.depth)):
        parts += [text[done : edit.at], edit.text]
        done = edit.at
    return "".join([*parts, text[done:]])


def block(lines: Iterable[str], about: str, indent: int, newline: str) -> str:
    """Return lines between marks.

    Parameters
    ----------
    lines : iterable of str
        Without indentation and line endings.
    about : str
        What the first mark says.
    indent : int, characters
        Indentation of every line.
    newline : str
        The line ending that the file uses.

    Returns
    -------
    str
        Whole lines.
    """
    pad = " " * indent
    body = [f"{pad}{BEGIN} {about}", *(f"{pad}{line}" for line in lines), f"{pad}{END}"]
    return "".join(line.rstrip() + newline for line in body)


def joined(lines: Iterable[str], about: str, indent: int, newline: str) -> str:
    """Return lines between marks where the position isn't the begin of a line.

    Parameters
    ----------
    lines, about, indent, newline
        As for `block`.

    Returns
    -------
    str
        As `block`, with a newline of ours before it.
    """
    return newline + block(lines, f"\0{about}", indent, newline).replace(
        f"{BEGIN} \0", f"{BEGIN}{JOINED} ", 1
    )


def newline_of(text: str) -> str:
    """Return the line ending that a file uses.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    str
        That of its first line.
    """
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def one_line(text: str) -> str:
    """Return a text for a comment: one line, nothing that YAML or a terminal would take amiss.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Without our marks; what doesn't print and runs of blanks become one space.
    """
    spaced = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(spaced.replace(BEGIN, "").replace(END, "").split())


_BLANK = " \t\r\n"


class UnmergeableError(SignalboxError):
    """Nothing can be put in at this place without rewriting what the user wrote."""


@dataclass(frozen=True)
class Document:
    """A YAML text and its nodes.

    Attributes
    ----------
    text : str
        The whole file.
    name : str
        Its name, for messages.
    root : ruamel.yaml.nodes.MappingNode
        The mapping that the file holds.
    """

    text: str
    name: str
    root: MappingNode

    @property
    def newline(self) -> str:
        """The line ending that the file uses."""
        return newline_of(self.text)


@dataclass(frozen=True)
class Piece:
    """What is put in.

    Attributes
    ----------
    lines : tuple of str
        In block style, without indentation.
    flow : str
        The same in flow style, on one line.
    about : str
        What the mark says.
    """

    lines: tuple[str, ...]
    flow: str
    about: str

    def dashed(self) -> list[str]:
        """Return the lines as an item of a list."""
        return [f"- {self.lines[0]}", *(f"  {line}" for line in self.lines[1:])]


def load(text: str, name: str) -> Any:
    """Read a text as Prometheus and Alertmanager would.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        The file's name, for messages.

    Returns
    -------
    Any
        What YAML reads, merge keys and aliases resolved.

    Raises
    ------
    SignalboxError
        If it isn't YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SignalboxError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error


def read(text: str, name: str) -> Document:
    """Read a text that holds one mapping.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        The file's name, for messages.

    Returns
    -------
    Document
        The text and its nodes.

    Raises
    ------
    SignalboxError
        If it isn't YAML, holds several documents, or no mapping.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        raise SignalboxError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(root, MappingNode):
        raise SignalboxError(f"{name}: must be a mapping; nothing was changed")
    return Document(text, name, root)


def pair(node: MappingNode, key: str) -> tuple[Any, Any] | None:
    """Return the nodes of a key and its value.

    Parameters
    ----------
    node : ruamel.yaml.nodes.MappingNode
        The mapping.
    key : str
        Name of the key.

    Returns
    -------
    tuple of ruamel.yaml.nodes.Node or None
        None if the key doesn't stand in the mapping itself.
    """
    return next(((name, value) for name, value in node.value if _is(name, key)), None)


def _is(node: Node, key: str) -> bool:
    return isinstance(node, ScalarNode) and node.value == key


def start(node: Node) -> int:
    """Return the index of a node's first character.

    Parameters
    ----------
    node : ruamel.yaml.nodes.Node
        Any node; that of an alias is where its anchor stands.

    Returns
    -------
    int
        Index into the text.
    """
    return int(node.start_mark.index)


def line_start(text: str, at: int) -> int:
    """Return the index at which the line of `at` begins.

    Parameters
    ----------
    text : str
        The whole file.
    at : int
        Index into it.

    Returns
    -------
    int
        Index into the text.
    """
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Return the index after the newline of the line of `at`.

    Parameters
    ----------
    text : str
        The whole file.
    at : int
        Index into it.

    Returns
    -------
    int
        Index into the text; its length if no newline follows.
    """
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def own_end(doc: Document, node: Node) -> int:
    """Return where a node ends, without comments and blank lines after it.

    Parameters
    ----------
    doc : Document
        The text.
    node : ruamel.yaml.nodes.Node
        A node of it.

    Returns
    -------
    int
        Index after its last character.
    """
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", False):
        return int(node.end_mark.index)
    known = [own_end(doc, inner) for inner in _inner(node) if start(inner) >= start(node)]
    return max([_walked_back(doc.text, int(node.end_mark.index)), *known])


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for both in node.value for part in both]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _walked_back(text: str, at: int) -> int:
    """Index after the last line before `at` that is neither blank nor a comment."""
    at = line_start(text, at) if text[line_start(text, at) : at].strip() == "" else at
    while at > 0:
        begin = line_start(text, at - 1)
        line = text[begin:at].strip()
        if line and not line.startswith("#") and line != "...":
            return begin + len(text[begin:at].rstrip())
        at = begin
    return 0


def after(doc: Document, node: Node, lines: list[str], about: str, indent: int) -> Edit:
    """Put lines after a block node, below its last line.

    Parameters
    ----------
    doc : Document
        The text.
    node : ruamel.yaml.nodes.Node
        A node in block style.
    lines : list of str
        What is put in, without indentation.
    about : str
        What the mark says.
    indent : int, characters
        Indentation of the lines.

    Returns
    -------
    Edit
        For `apply`.
    """
    end = own_end(doc, node)
    at = end if end == line_start(doc.text, end) else line_end(doc.text, end)
    if at == len(doc.text) and not doc.text.endswith("\n"):
        return Edit(at, joined(lines, about, indent, doc.newline), depth=indent)
    return Edit(at, block(lines, about, indent, doc.newline), depth=indent)


def add_items(doc: Document, key: Node, items: SequenceNode, piece: Piece, *, first: bool) -> Edit:
    """Put an item into a sequence.

    Parameters
    ----------
    doc : Document
        The text.
    key : ruamel.yaml.nodes.Node
        The key whose value the sequence is; a first item comes right below it, so that comments
        stay with the item they stand above.
    items : ruamel.yaml.nodes.SequenceNode
        The sequence.
    piece : Piece
        The item.
    first : bool
        Whether it becomes the first item instead of the last one.

    Returns
    -------
    Edit
        For `apply`.

    Raises
    ------
    UnmergeableError
        If the sequence's first item shares a line with something else.
    """
    if items.flow_style:
        return _add_to_flow(doc, items, piece, first=first)
    indent = int(items.start_mark.column)
    if not first:
        return after(doc, items, piece.dashed(), piece.about, indent)
    at = line_end(doc.text, int(key.end_mark.index))
    if line_start(doc.text, start(items)) < at:
        raise _unmergeable(doc, items, "its first item shares a line with something else")
    return Edit(at, block(piece.dashed(), piece.about, indent, doc.newline))


def add_key(doc: Document, parent: MappingNode, piece: Piece) -> Edit:
    """Put a new key with its value into a mapping.

    Parameters
    ----------
    doc : Document
        The text.
    parent : ruamel.yaml.nodes.MappingNode
        The mapping.
    piece : Piece
        Key and value.

    Returns
    -------
    Edit
        For `apply`.

    Raises
    ------
    UnmergeableError
        If the mapping is in block style and empty.
    """
    if parent.flow_style:
        return _add_to_flow(doc, parent, piece, first=False)
    return after(doc, parent, list(piece.lines), piece.about, _column(doc, parent))


def fill_null(doc: Document, key: Node, piece: Piece) -> Edit:
    """Put a first item below a key that has no value.

    Parameters
    ----------
    doc : Document
        The text.
    key : ruamel.yaml.nodes.Node
        The key.
    piece : Piece
        The item.

    Returns
    -------
    Edit
        For `apply`.

    Raises
    ------
    UnmergeableError
        If null is written out as the key's value.
    """
    at = line_end(doc.text, int(key.end_mark.index))
    rest = doc.text[int(key.end_mark.index) : at].strip()
    if not rest.startswith(":") or rest[1:].strip()[:1] not in ("", "#"):
        raise _unmergeable(doc, key, "its value is written out as null")
    indent = int(key.start_mark.column) + 2
    make = block if doc.text[:at].endswith("\n") else joined
    return Edit(at, make(piece.dashed(), piece.about, indent, doc.newline))


def _column(doc: Document, node: MappingNode) -> int:
    if not node.value:
        raise _unmergeable(doc, node, "it is empty")
    return int(node.value[0][0].start_mark.column)


def _add_to_flow(doc: Document, node: Node, piece: Piece, *, first: bool) -> Edit:
    indent = int(node.start_mark.column) + 2
    if not node.value or first:
        comma = "," if node.value else ""
        text = joined([piece.flow + comma], piece.about, indent, doc.newline)
        return Edit(start(node) + 1, text)
    at = int(node.end_mark.index) - 1
    before = doc.text[:at].rstrip(_BLANK)
    comma = "" if before.endswith(",") else ", "
    return Edit(len(before), joined([comma + piece.flow], piece.about, indent, doc.newline))


def _unmergeable(doc: Document, node: Node, why: str) -> UnmergeableError:
    line = int(node.start_mark.line) + 1
    return UnmergeableError(f"{doc.name}: line {line}: nothing can be put in here: {why}")

"""Where in a YAML text something can be put in without touching a byte of what is there.

ruamel.yaml reads the text into nodes that know their place; everything else is positions. (Writing
the file back through ruamel would re-indent and re-wrap lines that are none of our business.)
"""

from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipelines.aiops.noise.export.marks import Edit, block, joined, newline_of
from pipelines.base.errors import SignalboxError

_BLANK = " \t\r\n"


class UnmergeableError(SignalboxError):
    """Nothing can be put in at this place without rewriting what the user wrote."""


@dataclass(frozen=True)
class Document:
    """A YAML text and its nodes."""

    text: str
    name: str
    root: MappingNode

    @property
    def newline(self) -> str:
        """The line ending that the file uses."""
        return newline_of(self.text)


@dataclass(frozen=True)
class Piece:
    """What is put in: its lines in block style, the same on one line, and what the mark says."""

    lines: tuple[str, ...]
    flow: str
    about: str

    def dashed(self) -> list[str]:
        """Lines as an item of a list."""
        return [f"- {self.lines[0]}", *(f"  {line}" for line in self.lines[1:])]


def read(text: str, name: str) -> Document:
    """Read a text that holds one mapping.

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


def child(node: Node, key: str) -> Node | None:
    """Value of a key that stands in the mapping itself, not in one that it merges."""
    if not isinstance(node, MappingNode):
        return None
    return next((value for name, value in node.value if _is(name, key)), None)


def pair(node: MappingNode, key: str) -> tuple[Any, Any] | None:
    """Key and value nodes."""
    return next(((name, value) for name, value in node.value if _is(name, key)), None)


def text_of(node: Node | None) -> str:
    """Text of a scalar; empty for everything else."""
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _is(node: Node, key: str) -> bool:
    return isinstance(node, ScalarNode) and node.value == key


def start(node: Node) -> int:
    """Index of a node's first character."""
    return int(node.start_mark.index)


def line_start(text: str, at: int) -> int:
    """Index at which the line of `at` begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Index after the newline of the line of `at`."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def own_end(doc: Document, node: Node) -> int:
    """Index after the last character of a node, without comments and blank lines after it."""
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", False):
        return int(node.end_mark.index)
    known = [own_end(doc, one) for one in _inner(node) if start(one) >= start(node)]
    return max([_walked_back(doc.text, int(node.end_mark.index)), *known])


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [one for both in node.value for one in both]
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
    """Put lines after a block node, below its last line."""
    end = own_end(doc, node)
    at = end if end == line_start(doc.text, end) else line_end(doc.text, end)
    if at == len(doc.text) and not doc.text.endswith("\n"):
        return Edit(at, joined(lines, about, indent, doc.newline), depth=indent)
    return Edit(at, block(lines, about, indent, doc.newline), depth=indent)


def add_items(doc: Document, key: Node, items: SequenceNode, piece: Piece, *, first: bool) -> Edit:
    """Put an item into a sequence.

    Parameters
    ----------
    key
        The key whose value the sequence is; a first item comes right below it, so that comments
        stay with the item they stand above.
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
    """Put a new key with its value into a mapping."""
    if parent.flow_style:
        return _add_to_flow(doc, parent, piece, first=False)
    return after(doc, parent, list(piece.lines), piece.about, _column(doc, parent))


def fill_null(doc: Document, key: Node, piece: Piece) -> Edit:
    """Put a first item below a key that has no value."""
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

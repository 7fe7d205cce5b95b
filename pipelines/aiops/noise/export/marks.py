"""Marks around what Signalbox put into a user's file, so that it comes out again to the byte.

Three kinds, none of which needs to know YAML to be undone:

- a block between a ``# >>> signalbox`` and a ``# <<< signalbox`` line, whole lines;
- the same with ``:joined`` in its first mark, where the newline before it is ours too (inside
  ``[...]`` and ``{...}``, and at the end of a file without a newline);
- a line of the user's that we replace stays as the comment ``#signalbox:was <line>``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.errors import SignalboxError

BEGIN, END, JOINED, WAS = "# >>> signalbox", "# <<< signalbox", ":joined", "#signalbox:was "

_LINE = r"[^\r\n]*\r?\n"
_OURS = re.compile(
    rf"(?:\r?\n[ \t]*{BEGIN}{JOINED}|^[ \t]*{BEGIN}(?!{JOINED}))"
    rf"(?:(?!{BEGIN}).)*?^[ \t]*{END}{_LINE}",
    re.MULTILINE | re.DOTALL,
)
_WAS = re.compile(rf"^{WAS}", re.MULTILINE)
_MARK = re.compile(rf"^[ \t]*(?:{BEGIN}|{END})", re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """Text to put into a file before the character at `at`, in place of what ends at `until`.

    Of two edits at one place the deeper one comes first: it belongs to what ends there.
    """

    at: int
    text: str
    until: int = -1
    depth: int = 0


def remove(text: str, name: str) -> str:
    """Take out everything of ours.

    Raises
    ------
    SignalboxError
        If a mark has lost its partner: what is ours can't be told any more.
    """
    if WAS not in text and BEGIN not in text and END not in text:
        return text
    bare = _WAS.sub("", _OURS.sub("", text))
    found = _MARK.search(bare)
    if found is not None:
        line = bare.count("\n", 0, found.start()) + 1
        raise SignalboxError(
            f"{name}: a mark of Signalbox without its partner (about line {line}); restore the "
            f"file from its backup, or delete the lines between '{BEGIN}' and '{END}' by hand"
        )
    return bare


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Carry out edits; those at the same place come in the order given."""
    parts, done = [], 0
    for edit in sorted(edits, key=lambda one: (one.at, -one.depth)):
        parts += [text[done : edit.at], edit.text]
        done = max(edit.at, edit.until)
    return "".join([*parts, text[done:]])


def block(lines: Iterable[str], about: str, indent: int, newline: str) -> str:
    """Lines between marks; `about` stands in the first mark."""
    pad = " " * indent
    body = [f"{pad}{BEGIN} {about}", *(f"{pad}{line}" for line in lines), f"{pad}{END}"]
    return "".join(line.rstrip() + newline for line in body)


def joined(lines: Iterable[str], about: str, indent: int, newline: str) -> str:
    """Like `block`, where the place isn't the begin of a line."""
    return newline + block(lines, f"\0{about}", indent, newline).replace(
        f"{BEGIN} \0", f"{BEGIN}{JOINED} ", 1
    )


def newline_of(text: str) -> str:
    """Return the line ending that the file uses."""
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def one_line(text: str) -> str:
    """Text for a comment: one line, nothing that YAML or a terminal would take amiss."""
    spaced = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(spaced.replace(BEGIN, "").replace(END, "").split())

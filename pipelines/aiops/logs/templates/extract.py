"""Values of a template's variables, read back from lines."""

from __future__ import annotations

import re
from typing import Any

from pipelines.aiops.logs.templates.rules import VARIABLE

MAX_SLOTS = 100
"""Variables that are told apart; what follows the last of them is its value."""

_BLANK = r"[\x00-\x1f\x7f\x{85}\p{Z}]"


def pattern_of(key: str) -> str:
    """Return the regular expression (RE2) whose groups ``v0``, ``v1``, … are a key's variables.

    Blanks of any length stand for a space; a value takes as little as it can. RE2 needs time in
    proportion to the line, whatever the line.
    """
    parts = [rf"(?s)^{_BLANK}*"]
    slot = 0
    for i, char in enumerate(key):
        if char == VARIABLE:
            gap = f"{_BLANK}*" if key[i - 1 : i] == "=" else ""
            parts.append(f"{gap}(?P<v{slot}>.*?)")
            slot += 1
            if slot == MAX_SLOTS:
                break
        elif char == " ":
            parts.append(f"{_BLANK}+")
        else:
            parts.append(re.escape(char))
    return "".join(parts) + rf"{_BLANK}*$"


def values_in(lines: Any, key: str) -> list[list[str]]:
    """Return for each slot of a key the values in lines of its template.

    Parameters
    ----------
    lines
        Arrow array of lines, already cut to what was mined.
    key
        The template's key.

    Returns
    -------
    list of list of str
        One list a slot, each as long as ``lines``. Empty where a line doesn't read back.
    """
    import pyarrow.compute as pc

    slots = min(key.count(VARIABLE), MAX_SLOTS)
    if not slots:
        return []
    found = pc.extract_regex(lines, pattern_of(key))
    columns = (pc.struct_field(found, f"v{slot}") for slot in range(slots))
    return [pc.fill_null(column, "").to_pylist() for column in columns]

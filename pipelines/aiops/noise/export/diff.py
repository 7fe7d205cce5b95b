"""What changes in the user's files, as a diff to read and to apply."""

import difflib
from collections.abc import Mapping


def unified(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Unified diff over files; empty where nothing changes."""
    parts = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        parts += _lines(name, old, new)
    return "".join(parts)


def _lines(name: str, old: str, new: str) -> list[str]:
    found = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found
    ]

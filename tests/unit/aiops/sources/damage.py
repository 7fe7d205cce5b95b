"""JSON with junk in it, as broken or hostile programs send it."""

import copy
from collections.abc import Iterator
from typing import Any

JUNK = [None, True, -1, 1.5, "--5", "²", "\ud800", "x" * 5000, "1" * 5000, [], [None], ["x"], {},
        {"values": "x"}]  # fmt: skip


def damaged(document: Any) -> Iterator[Any]:
    """Give the document with junk in the place of each of its values in turn."""
    for path in paths(document):
        for junk in JUNK:
            copied = copy.deepcopy(document)
            inner = copied
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            yield copied


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield (*above, key)
        yield from paths(value[key], (*above, key))

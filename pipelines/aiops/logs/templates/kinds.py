"""What kind of data stands in a slot: the narrowest kind that fits all values seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce

_UNIT_OF_TIME = r"(?:ns|us|µs|ms|msecs?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
_UNIT_OF_SIZE = r"(?:[kKMGTP]i?B?|bytes?|B)(?:/s)?"
_NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_HEXTET = r"[0-9A-Fa-f]{1,4}"

_KINDS: tuple[tuple[str, str], ...] = (
    ("number", rf"[<>]?{_NUMBER}%?"),
    ("masked", r"\S*<(?:mail|ip|card|token|secret|phone)>\S*"),
    ("boolean", r"[Tt]rue|TRUE|[Ff]alse|FALSE"),
    ("null", r"null|NULL|None|nil|NaN|"),
    ("uuid", r"(?:[\w]+-)?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    ("mac", r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,7}"),
    (
        "ip",
        r"/?\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?"
        rf"|(?:{_HEXTET}:){{7}}{_HEXTET}|(?=.*::)(?:{_HEXTET})?(?::{{1,2}}{_HEXTET})+(?:::)?",
    ),
    ("duration", rf"[<>]?{_NUMBER} ?{_UNIT_OF_TIME}|\d+:\d\d(?::\d\d)?(?:[.,]\d+)?"),
    ("size", rf"{_NUMBER} ?{_UNIT_OF_SIZE}(?: \({_NUMBER} ?{_UNIT_OF_SIZE}\))?"),
    (
        "time",
        r"\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T_ -]\d\d?[:.]\d\d(?:[:.]\d\d(?:[.,]\d+)?)?\S*)?"
        r"|(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? )?"
        r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* \d.*",
    ),
    ("hex", r"0[xX][0-9A-Fa-f]+|(?=.*\d)[0-9A-Fa-f]{6,}"),
    ("url", r"[a-zA-Z][a-zA-Z+.]*://\S*"),
    ("mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    ("quoted", r"\"[^\"]*\"|'[^']*'"),
    ("path", r"(?:\.{0,2}|~|[\w.-]+)?(?:/[^\s/]*)+|[A-Za-z]:\\.*|\\\\.*"),
    ("word", r"[^\W\d]+(?:[.'$-][^\W\d]+)*"),
    ("id", r"\S+"),
    ("text", r"(?s:.*)"),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _KINDS)
_WIDER = {
    frozenset(("number", "hex")): "hex",
    frozenset(("number", "duration")): "duration",
    frozenset(("number", "size")): "size",
    frozenset(("number", "path")): "id",
}
KINDS = tuple(name for name, _ in _KINDS)


def kind_of(value: str) -> str:
    """Return the narrowest kind that a value has."""
    return next(name for name, pattern in _COMPILED if pattern.fullmatch(value))


def joined(left: str, right: str) -> str:
    """Return the kind that holds values of both kinds.

    ``null`` (nothing, or an empty value) fits every kind.
    """
    if right in (left, "null"):
        return left
    if left == "null":
        return right
    if "text" in (left, right):
        return "text"
    return _WIDER.get(frozenset((left, right)), "id")


def kind_of_all(values: Iterable[str]) -> str:
    """Return the kind that holds all values; ``null`` if there are none."""
    return reduce(joined, (kind_of(value) for value in values), "null")

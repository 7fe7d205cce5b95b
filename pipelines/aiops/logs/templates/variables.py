"""Variables of templates: what looks like one, its values, and the kind of data they are.

Each rule is one sentence about logs, not about one program. They run on *shapes* (lines in which
every word that holds a digit is already ``VARIABLE``), so only distinct shapes pay for them.
Repeats are bounded and starts are anchored: the time for a line of junk stays linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from typing import Any

VARIABLE = "\x01"
"""Stands for a variable in shapes and keys; control characters of the input never get here."""

MARK = "\ue000"
"""What vectorised passes put in place of a figure, and behind a name that holds one."""

NAME_WITH_FIGURE = (
    r"(?:[A-Za-z_]+[G-Zg-z]|[A-Za-z_]*[G-Zg-z][A-Za-z_]*[A-Za-z])[0-9]{1,2}[A-Za-z_]*"
)
"""One or two digits in a word that can't be hexadecimal (eth0, ext3_readdir): maybe a constant."""

ASSIGNED_NAME = r"[A-Za-z_]+[0-9]{1,2}="
"""What stands before = names what follows: a0=, r24=."""

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_UNIT = (
    r"(?:[kKMGTP]?i?B(?:/s)?|bytes?|[kKMGT]?(?:bps|bit/s|Hz)|ns|us|µs|m?s|msecs?|secs?|seconds?"
    r"|mins?|minutes?|hours?|days?)"
)
_VALUE = (
    r"\"[^\"]{0,256}\"|'[^']{0,256}'"
    r"|(?!\w+=)[^\s,;(){}\[\]<>=\"']+(?:\{[^{}]{0,256}\})?"
)


@dataclass(frozen=True)
class MaskRule:
    """One rewrite.

    Attributes
    ----------
    name : str
    reason : str
        Why, in one sentence.
    pattern : str
        Regular expression of Python's ``re``.
    replacement : str
        What each match becomes.
    needs : str
        Text that is in every match; where it isn't, the rule isn't tried.
    """

    name: str
    reason: str
    pattern: str
    replacement: str = VARIABLE
    needs: str = ""


RULES: tuple[MaskRule, ...] = (
    MaskRule("space", "Runs of white space only align a message.", r"\s+", " "),
    MaskRule(
        "masked",
        "What the mask of personal data put there stands for data.",
        r"<(?:mail|ip|card|token|secret|phone)>",
        needs="<",
    ),
    MaskRule(
        "name",
        "A word with one or two digits may be a name.",
        rf"(?<!\w)({NAME_WITH_FIGURE}|{ASSIGNED_NAME}){MARK}(?!\w)",
        r"\1",
        needs=MARK,
    ),
    MaskRule(
        "number",
        "Any other word that holds a digit is data.",
        rf"(?<!\w)(?!{NAME_WITH_FIGURE}(?!\w)|{ASSIGNED_NAME})\w*\d\w*|\w*{MARK}\w*",
    ),
    MaskRule(
        "literal",
        "Truth values and nothing are values.",
        r"\b(?:[Tt]rue|TRUE|[Ff]alse|FALSE|null|NULL|None|nil|NaN)\b",
    ),
    MaskRule(
        "url",
        "An address is data from its scheme to the next space or bracket.",
        r"\b[a-zA-Z][a-zA-Z+.]{0,15}://[^\s,;)\]}>\"']*",
        needs=":",
    ),
    MaskRule(
        "mail",
        "name@host.domain is an address.",
        r"(?<![\w\x01.+-])[\w\x01.+-]{1,64}@[\w\x01-]+(?:\.[\w\x01-]+)+",
        needs="@",
    ),
    MaskRule(
        "windows_path",
        "A drive letter or two backslashes begin a path.",
        r"(?<![A-Za-z])[A-Za-z]:\\[^\s,;\"']*|\\\\[\w\x01.$-]+\\[^\s,;\"']*",
        needs="\\",
    ),
    MaskRule(
        "path",
        "A slash after a space, or words with two slashes, are a path (with its query).",
        r"(?<![\w.*\x01])(?:\.{0,2}|~|[A-Za-z_.\x01-]{1,40}(?=/[^/\s]{0,80}/))"
        r"(?:/[\w\x01.$@%+~=:?&*#-]*)*/[\w\x01.$@%+~=:?&*#-]*[\w\x01*]/?|(?<=[\s=(\"'])/(?=[\s,;)\"']|$)",
        needs="/",
    ),
    MaskRule(
        "octets",
        "Six or more pairs of hexadecimal digits are an address or a fingerprint.",
        r"(?<![\w\x01:])(?:[0-9A-Fa-f]{2}|\x01)(?::(?:[0-9A-Fa-f]{2}|\x01)){5,31}(?![\w\x01])",
        needs=":",
    ),
    MaskRule(
        "stamp",
        "A date and a time of day beside each other are one value.",
        r"\x01[-/.]\x01[-/.]\x01[ _]\x01:\x01(?:[:.,]\x01)*",
        needs=VARIABLE,
    ),
    MaskRule(
        "port",
        "A name with two dots before a port or a line is a place; colons begin an address.",
        r"(?<![\w\x01.$-])[\w\x01$-]+(?:\.[\w\x01$-]+){2,}:\x01(?!\w)|(?<!\S)::?\x01",
        needs=VARIABLE,
    ),
    MaskRule(
        "joined",
        "Words joined to data by - . @ / $ # ~ belong to it (node-7, core.12, Foo@3f).",
        r"(?:(?<![\w\x01])[\w\x01]+[-.@/$#~](?:[\w\x01]+[-.@/$#~]){0,8})?"
        r"\x01(?:[-.@/$#~][\w\x01]+){0,8}",
        needs=VARIABLE,
    ),
    MaskRule(
        "range",
        "A list in brackets behind a name is part of the name (node-[1-5]).",
        r"(?:(?<=\x01)|(?:(?<=\s)|(?<=:))[A-Za-z_]+-)\[[\x01, -]*\]",
        needs="[",
    ),
    MaskRule(
        "glued",
        "Data glued together by punctuation without a space is one value.",
        r"\x01(?:[.:,;/@_|#+*~%&?!-]+\x01)+",
        needs=VARIABLE,
    ),
    MaskRule(
        "date",
        "Names of days and months beside data are a date.",
        rf"(?:\b{_DAY},? )?\b{_MONTH} \x01(?:,? \x01)*(?: [A-Z]{{2,4}}\b)?(?: \x01)?"
        rf"|\b{_DAY},? (?=\x01)",
        needs=VARIABLE,
    ),
    MaskRule(
        "assigned",
        "What stands behind = is a value.",
        rf"(?<=[\w\]\x01 ])=(?!=)( *)(?:{_VALUE})(?!\w*=)",
        rf"=\1{VARIABLE}",
        needs="=",
    ),
    MaskRule("angles", "Angle brackets around data belong to it.", r"<\x01>", needs="<"),
    MaskRule(
        "sign",
        "A sign or a comparison before a figure belongs to it.",
        r"(?:(?<=[\s=:,(\[])|^)[-+#<>~](?=\x01)",
        "",
        needs=VARIABLE,
    ),
    MaskRule(
        "again",
        "What the rules above made adjacent is one value.",
        r"\x01(?:[.:,/@_|-]*\x01)+",
        needs=VARIABLE,
    ),
)

_FIGURE = rf"(?:(?<==) +)?\x01(?: ?{_UNIT}\b(?![-:=(])(?: \(\x01(?: ?{_UNIT})?\))?)?"
_NUMBERED = r"(?<![\w.$@/-])[A-Za-z_]+[0-9]{1,2}(?![\w=(.$@/-])"
_MISSING = r"(?<==)(?=[\s,;)\]}]|$)|(?<=\s[(\[])[^\w\x01()\[\]{}]*(?=[)\]])"
VALUES = re.compile(
    rf"{_FIGURE}(?:[.:,/@_ |*-]*{_FIGURE})*|{_NUMBERED}(?::\x01)?"
    rf"|{_MISSING}"
    r"|(?<=\[)[\w\x01.$-]+(?:, ?[\w\x01.$-]+)+(?=\])|(?<=\{ )\w+(?: \w+)*(?= \})"
)
"""What holds a value wherever it stands: a figure with its sign and unit, a name with a number, a
list of them of any length, nothing behind = and in brackets, words alone in brackets."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@cache
def compiled(
    left_out: frozenset[str] = frozenset(),
) -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """Return the rules ready to run.

    Parameters
    ----------
    left_out : frozenset of str
        Names of rules not to use (a benchmark asks what each is worth).

    Returns
    -------
    tuple of (re.Pattern, str, str)
        Pattern, replacement and what it needs, in the order in which they run.
    """
    return tuple(
        (re.compile(r.pattern), r.replacement, r.needs) for r in RULES if r.name not in left_out
    )


def key_of(shape: str, left_out: frozenset[str] = frozenset()) -> str:
    """Return the key of a shape: its constant text with ``VARIABLE`` for everything that varies.

    Parameters
    ----------
    shape : str
        A line's first row with every word that holds a digit replaced.
    left_out : frozenset of str
        Names of rules not to use.

    Returns
    -------
    str
    """
    key = _CONTROL.sub(" ", shape)
    for pattern, replacement, needs in compiled(left_out):
        if not needs or needs in key:
            key = pattern.sub(replacement, key)
    return key.strip()


@lru_cache(maxsize=65_536)
def coarse(key: str) -> tuple[str, tuple[str, ...]]:
    """Return what decides with which keys a key belongs together.

    Parameters
    ----------
    key : str

    Returns
    -------
    str
        The key with one ``VARIABLE`` for every value, list of values and missing value.
    tuple of str
        What stood in place of each variable.
    """
    pieces: list[str] = []

    def cut(match: re.Match[str]) -> str:
        pieces.append(match[0])
        return VARIABLE

    return VALUES.sub(cut, key), tuple(pieces)


def bare(key: str) -> str:
    """Return a key without units and with variables in place of names that hold a figure.

    Parameters
    ----------
    key : str

    Returns
    -------
    str
        Lists keep their length.
    """
    return _BARE.sub(VARIABLE, key)


_BARE = re.compile(rf"{_FIGURE}|{_NUMBERED}(?::\x01)?|{_MISSING}")

MAX_SLOTS = 100
"""Variables that are told apart; what follows the last of them is its value."""

_BLANK = r"[\x00-\x1f\x7f\x{85}\p{Z}]"


def pattern_of(key: str) -> str:
    """Return the regular expression whose groups ``v0``, ``v1``, … are a key's variables.

    Blanks of any length stand for a space; a value takes as little as it can. RE2 needs time in
    proportion to the line, whatever the line.

    Parameters
    ----------
    key : str
        Variables beyond `MAX_SLOTS` belong to the last group.

    Returns
    -------
    str
        RE2 syntax.
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
    lines : pyarrow string array, shape (lines,)
        Already cut to what was mined.
    key : str
        The template's key.

    Returns
    -------
    list of list of str, shape (slots, lines)
        Empty texts where a line doesn't read back.
    """
    import pyarrow.compute as pc

    slots = min(key.count(VARIABLE), MAX_SLOTS)
    if not slots:
        return []
    found = pc.extract_regex(lines, pattern_of(key))
    return [[value or "" for value in column.to_pylist()] for column in found.flatten()]


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
    """Return the narrowest kind that a value has.

    Parameters
    ----------
    value : str

    Returns
    -------
    str
        One of `KINDS`.
    """
    return next(name for name, pattern in _COMPILED if pattern.fullmatch(value))


def joined(left: str, right: str) -> str:
    """Return the kind that holds values of both kinds.

    Parameters
    ----------
    left, right : str
        Two of `KINDS`; ``null`` (nothing, or an empty value) fits every kind.

    Returns
    -------
    str
        One of `KINDS`.
    """
    if right in (left, "null"):
        return left
    if left == "null":
        return right
    if "text" in (left, right):
        return "text"
    return _WIDER.get(frozenset((left, right)), "id")


def kind_of_all(values: Iterable[str]) -> str:
    """Return the kind that holds all values.

    Parameters
    ----------
    values : iterable of str

    Returns
    -------
    str
        One of `KINDS`; ``null`` if there are no values.
    """
    return reduce(joined, (kind_of(value) for value in values), "null")

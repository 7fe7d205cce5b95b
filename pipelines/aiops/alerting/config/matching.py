r"""Matchers: read from strings, and whether a label set matches; Alertmanager's `pkg/labels`.

Regexes have Go's RE2 syntax and are matched against whole values, with Python's `re`. Where
the two differ we refuse rather than guess: what Python knows and RE2 doesn't (look-around,
back-references, atomic groups, possessive quantifiers, conditionals) is an error in
Alertmanager too; what RE2 knows and Python doesn't (``\pL``, ``\C``, ``[[:alpha:]]``, …) is
translated where that is exact (``\z``, POSIX classes in ASCII) and refused otherwise.

Strings have the form of `pkg/labels/parse.go`, which all versions read. Alertmanager 0.27
added a stricter form (UTF-8 names in quotes); it reads what it can in that form first. Both
agree on what this parser accepts, except for escapes in quotes that only Go knows
(``\x41``): those are kept as they stand, as versions before do.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from pipelines.aiops.alerting.config.model import Route
from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.errors import SignalboxError

_FOREIGN = re.compile(
    r"""\(\?(?:[=!>(\#]|<[=!]|P=)     # look-around, atomic, conditional, comment, reference
      | [*+?}]\+                      # possessive
      | \\(?:[1-9pPCQEXRKGhHNZgk]|u|U|a(?!\w)) # references, Unicode classes, quoting
    """,
    re.VERBOSE,
)
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_POSIX_CLASS = re.compile(r"\[:(\^?)(\w+):\]")


def _posix(found: re.Match[str]) -> str:
    negated, name = found.groups()
    if negated or name not in _POSIX:
        raise SignalboxError(f"regex class {found.group()} is not supported; write its characters")
    return _POSIX[name]


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Compile an anchored RE2 regex with Python's `re`.

    Parameters
    ----------
    pattern : str
        The regex as Alertmanager has it, without anchors.

    Returns
    -------
    re.Pattern
        For ``fullmatch``; classes like ``\d`` mean ASCII.

    Raises
    ------
    SignalboxError
        Invalid, or something the two engines understand differently.
    """
    bare = re.sub(r"\\\\", "", pattern)
    foreign = _FOREIGN.search(bare)
    if foreign:
        raise SignalboxError(
            f"regex {pattern!r} has {foreign.group()!r}, which Alertmanager (RE2) or Signalbox "
            "don't support; write it without"
        )
    translated = _POSIX_CLASS.sub(_posix, pattern).replace(r"\z", r"\Z")
    try:
        # ASCII: \d, \w, \s and \b mean ASCII in RE2.
        return re.compile(f"(?:{translated})", re.ASCII)
    except re.error as error:
        raise SignalboxError(f"regex {pattern!r} is invalid: {error}") from error


_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.S | re.A)

_Op = Literal["=", "!=", "=~", "!~"]
_OPS: dict[str, _Op] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}


def _split(text: str) -> list[str]:
    tokens, token, inside, escaped = [], "", False, False
    for char in text:
        if char == "," and not inside:
            tokens.append(token)
            token = ""
            continue
        if char == '"':
            inside = inside if escaped else not inside
            escaped = False
        else:
            escaped = not escaped if char == "\\" else False
        token += char
    return [*tokens, token.strip()] if token.strip() else tokens


def _unescaped(raw: str, where: str) -> str:
    quoted, value, escaped = raw.startswith('"'), "", False
    raw = raw[1:] if quoted else raw
    for position, char in enumerate(raw):
        last = position == len(raw) - 1
        if escaped:
            escaped = False
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(char, "\\" + char)
        elif char == "\\" and not last:
            escaped = True
        elif char == '"':
            if not (quoted and last):
                raise SignalboxError(f"{where}: unescaped double quote in {raw!r}")
            quoted = False
        else:
            value += char
    if quoted:
        raise SignalboxError(f"{where}: no closing double quote in {raw!r}")
    return value


def parse_matcher(text: str, where: str) -> Matcher:
    """Read one matcher like ``severity=~"warning|info"``.

    Parameters
    ----------
    text : str
        The matcher.
    where : str
        File and key, for messages.

    Returns
    -------
    Matcher
        With escapes resolved.

    Raises
    ------
    SignalboxError
        If it isn't a matcher, or its regex isn't one; the message starts with `where`.

    References
    ----------
    Alertmanager, `pkg/labels/parse.go`.
    """
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise SignalboxError(f'{where}: {text!r} is not a matcher; write one like severity="page"')
    label, op, raw = found.groups()
    return checked(Matcher(label=label, op=_OPS[op], value=_unescaped(raw, where)), where)


def parse_matchers(text: str, where: str) -> tuple[Matcher, ...]:
    """Read matchers separated by commas, with or without braces around them.

    Parameters
    ----------
    text : str
        The matchers.
    where : str
        File and key, for messages.

    Returns
    -------
    tuple of Matcher
        In the order of the text.

    Raises
    ------
    SignalboxError
        As `parse_matcher`.
    """
    bare = text.removeprefix("{").removesuffix("}")
    return tuple(parse_matcher(token, where) for token in _split(bare))


def checked(matcher: Matcher, where: str) -> Matcher:
    """Return the matcher, its regex compiled once so that an error names the position.

    Parameters
    ----------
    matcher : Matcher
        Of any operator.
    where : str
        File and key, for messages.

    Returns
    -------
    Matcher
        The same.

    Raises
    ------
    SignalboxError
        If its regex is invalid or not supported; the message starts with `where`.
    """
    if matcher.op in {"=~", "!~"}:
        try:
            compiled(matcher.value)
        except SignalboxError as error:
            raise SignalboxError(f"{where}: {error}") from error
    return matcher


_SYNTAX = frozenset("\\.+*?()[]{}^$")


@lru_cache(maxsize=16384)
def listed(pattern: str) -> tuple[str, ...] | None:
    r"""Return the values that a regex lists, or None if it isn't a plain list of values.

    Escaped characters in ``a|b\.c`` count as themselves.

    Parameters
    ----------
    pattern : str
        A regex.

    Returns
    -------
    tuple of str or None
        The alternatives, in their order.
    """
    found, current, rest = [], "", iter(pattern)
    for char in rest:
        if char == "\\":
            following = next(rest, "")
            if not following or following.isalnum():
                return None
            current += following
        elif char == "|":
            found.append(current)
            current = ""
        elif char in _SYNTAX:
            return None
        else:
            current += char
    return (*found, current)


def value_matches(matcher: Matcher, value: str) -> bool:
    """Return whether one value satisfies one matcher.

    Parameters
    ----------
    matcher : Matcher
        Its label doesn't matter here.
    value : str
        Value of the label; empty if the label is missing.

    Returns
    -------
    bool
        A regex must match the whole value.

    Raises
    ------
    SignalboxError
        If the matcher's regex is invalid or not supported.
    """
    if matcher.op in {"=", "!="}:
        return (value == matcher.value) == (matcher.op == "=")
    values = listed(matcher.value)
    if values is None:
        found = compiled(matcher.value).fullmatch(value) is not None
    else:
        found = value in values
    return found == (matcher.op == "=~")


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether a label set satisfies all matchers; no matchers match everything.

    Parameters
    ----------
    matchers : sequence of Matcher
        All must be satisfied.
    labels : mapping of str to str
        A missing label counts as empty.

    Returns
    -------
    bool
        Whether all are satisfied.

    Raises
    ------
    SignalboxError
        If a matcher's regex is invalid or not supported.
    """
    return all(value_matches(each, labels.get(each.label, "")) for each in matchers)


def routes_of(
    route: Route, labels: Mapping[str, str], path: tuple[int, ...] = ()
) -> list[tuple[int, ...]]:
    """Find the routes an alert ends at.

    Parameters
    ----------
    route : Route
        Top of the tree that is searched.
    labels : mapping of str to str
        The alert's labels.
    path : tuple of int
        Path of `route` itself; empty for the top.

    Returns
    -------
    list of tuple of int
        Paths, depth first: positions among siblings. Empty if `route` doesn't match.

    References
    ----------
    Alertmanager, `dispatch/route.go`, ``Route.Match``.
    """
    if not matches(route.matchers, labels):
        return []
    found: list[tuple[int, ...]] = []
    for position, child in enumerate(route.routes):
        below = routes_of(child, labels, (*path, position))
        found += below
        if below and not child.continues:
            break
    return found or [path]

r"""Matchers as strings; Alertmanager's `pkg/labels/parse.go`, which all versions read.

Alertmanager 0.27 added a stricter form (UTF-8 names in quotes); it reads what it can in that form
first. Both agree on what this parser accepts, except for escapes in quotes that only Go knows
(``\x41``): those are kept as they stand, as versions before do.
"""

import re
from typing import Literal

from pipelines.aiops.noise.alertmanager.regex import compiled
from pipelines.aiops.noise.rules import Matcher
from pipelines.base.errors import SignalboxError

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
    """Read one matcher like ``severity=~"warning|info"``."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise SignalboxError(f'{where}: {text!r} is not a matcher; write one like severity="page"')
    label, op, raw = found.groups()
    return checked(Matcher(label=label, op=_OPS[op], value=_unescaped(raw, where)), where)


def parse_matchers(text: str, where: str) -> tuple[Matcher, ...]:
    """Read matchers separated by commas, with or without braces around them."""
    bare = text.removeprefix("{").removesuffix("}")
    return tuple(parse_matcher(token, where) for token in _split(bare))


def checked(matcher: Matcher, where: str) -> Matcher:
    """Return the matcher, its regex compiled once so that an error names the place."""
    if matcher.op in {"=~", "!~"}:
        try:
            compiled(matcher.value)
        except SignalboxError as error:
            raise SignalboxError(f"{where}: {error}") from error
    return matcher

"""How values are spelled for their readers: YAML scalars, matchers, selectors, RE2, durations."""

import re
from typing import Any

from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.time import PROMETHEUS_HOURS, prometheus

_YAML = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def yaml_scalar(text: str) -> str:
    """Return a string as YAML that YAML 1.1 and 1.2 read the same way, on one line.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Bare, or in single or double quotes.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable() and "\ufeff" not in text:
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_yaml_char(char) for char in text) + '"'


def _yaml_char(char: str) -> str:
    if char in _YAML:
        return _YAML[char]
    if char.isprintable() and char != "\ufeff":
        return char
    return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"


def quoted(text: str) -> str:
    """Return a string in double quotes as both of Alertmanager's parsers and PromQL read it.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        With backslashes, double quotes and newlines escaped.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def matcher_text(matcher: Matcher) -> str:
    """Return a matcher as Alertmanager reads it; label names it can't spell bare are quoted.

    Parameters
    ----------
    matcher : Matcher
        Of any operator.

    Returns
    -------
    str
        For example ``severity="page"``.
    """
    bare = _CLASSIC.fullmatch(matcher.label)
    label = matcher.label if bare else quoted(matcher.label)
    return f"{label}{matcher.op}{quoted(matcher.value)}"


def selector(metric: str, matchers: tuple[Matcher, ...]) -> str:
    """Return a PromQL selector.

    Parameters
    ----------
    metric : str
        Name of the metric; may be empty.
    matchers : tuple of Matcher
        What stands in its braces.

    Returns
    -------
    str
        For example ``ALERTS{alertstate="firing"}``.
    """
    inner = ",".join(f"{matcher.label}{matcher.op}{quoted(matcher.value)}" for matcher in matchers)
    return f"{metric}{{{inner}}}"


def re2_problem(pattern: str) -> str:
    """Return why a pattern isn't one that RE2 takes.

    Parameters
    ----------
    pattern : str
        A regex.

    Returns
    -------
    str
        The reason; empty if nothing is known against it.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    bare = re.sub(r"\\\\", "", pattern)
    if re.search(r"\(\?(?:[=!]|<[=!]|\(|P=|>)|\\[1-9]", bare):
        return "RE2 has no look-around and no back-references"
    return ""


def duration(seconds: int) -> str:
    """Write seconds as Prometheus does: 90 → ``1m30s``, 0 → ``0s``.

    Parameters
    ----------
    seconds : int
        Not negative.

    Returns
    -------
    str
        Hours are the largest unit.
    """
    return prometheus(seconds, PROMETHEUS_HOURS)


_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_MILLIS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)


def millis_of(text: str) -> int | None:
    """Read a Prometheus duration.

    Parameters
    ----------
    text : str
        For example ``1m30s``; ``0`` needs no unit.

    Returns
    -------
    int or None, milliseconds
        None if it isn't a duration.
    """
    found = _DURATION.fullmatch(text.strip())
    if text.strip() == "0":
        return 0
    if found is None or not any(found.groups()):
        return None
    return sum(int(n or 0) * size for n, size in zip(found.groups(), _MILLIS, strict=True))


def seconds_of(text: str) -> int | None:
    """Read a Prometheus duration.

    Parameters
    ----------
    text : str
        For example ``1m30s``; ``0`` needs no unit.

    Returns
    -------
    int or None, seconds
        Rounded up to whole seconds; None if it isn't a duration.
    """
    millis = millis_of(text)
    return None if millis is None else -(-millis // 1000)


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SELECTED = re.compile(rf"([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)({_QUOTED})(,|\Z)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def unquoted(text: str) -> str:
    """Read a string in double quotes, as `quoted` writes it.

    Parameters
    ----------
    text : str
        With its quotes.

    Returns
    -------
    str
        What it means.
    """
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text[1:-1], flags=re.S)


def selected(text: str, metric: str) -> tuple[Matcher, ...] | None:
    """Read a selector as `selector` writes it.

    Parameters
    ----------
    text : str
        For example ``ALERTS{alertstate="firing"}``.
    metric : str
        Name of the metric.

    Returns
    -------
    tuple of Matcher or None
        What stands in its braces; None if it is no such selector.
    """
    if not text.startswith(metric + "{") or not text.endswith("}"):
        return None
    inner, at, found = text[len(metric) + 1 : -1], 0, []
    while at < len(inner):
        next_one = _SELECTED.match(inner, at)
        if next_one is None:
            return None
        op: Any = next_one[2]
        found.append(Matcher(label=next_one[1], op=op, value=unquoted(next_one[3])))
        at = next_one.end()
    return tuple(found)

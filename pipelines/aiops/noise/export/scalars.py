"""Values as YAML, PromQL, Alertmanager's matchers and PagerDuty's conditions spell them."""

import re

from pipelines.aiops.noise.rules import Matcher

_YAML = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_RE2_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def yaml_scalar(text: str) -> str:
    """Return a string as YAML that YAML 1.1 and 1.2 read the same way, on one line."""
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
    """Return a string in double quotes as both of Alertmanager's parsers and PromQL read it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def matcher_text(matcher: Matcher) -> str:
    """Return a matcher as Alertmanager reads it; label names it can't spell bare are quoted."""
    bare = _CLASSIC.fullmatch(matcher.label)
    label = matcher.label if bare else quoted(matcher.label)
    return f"{label}{matcher.op}{quoted(matcher.value)}"


def selector(metric: str, matchers: tuple[Matcher, ...]) -> str:
    """Return a PromQL selector."""
    inner = ",".join(f"{one.label}{one.op}{quoted(one.value)}" for one in matchers)
    return f"{metric}{{{inner}}}"


def re2_escape(value: str) -> str:
    """Return a regex that matches `value` and nothing else, in RE2 and in Python."""
    return _RE2_SPECIAL.sub(lambda found: "\\" + found[0], value)


def re2_problem(pattern: str) -> str:
    """Why a pattern isn't one that RE2 takes; empty if nothing is known against it."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    bare = re.sub(r"\\\\", "", pattern)
    if re.search(r"\(\?(?:[=!]|<[=!]|\(|P=|>)|\\[1-9]", bare):
        return "RE2 has no look-around and no back-references"
    return ""


def duration(seconds: int) -> str:
    """Seconds as Prometheus writes them: 90 → ``1m30s``, 0 → ``0s``."""
    if seconds <= 0:
        return "0s"
    parts = []
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_MILLIS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)


def seconds_of(text: str) -> int | None:
    """Read a Prometheus duration, rounded up to whole seconds; None if it isn't one."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or (text.strip() != "0" and not any(found.groups())):
        return 0 if text.strip() == "0" else None
    millis = sum(int(n or 0) * size for n, size in zip(found.groups(), _MILLIS, strict=True))
    return -(-millis // 1000)

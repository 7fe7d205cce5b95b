"""Level, program and message of lines whose time stamp is already off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL = (
    "TRACE|DEBUG|VERBOSE|FINEST|FINER|FINE|INFO|INFORMATION|INFORMATIONAL|NOTICE|WARN|WARNING|ERR"
    "|ERROR|SEVERE|CRIT|CRITICAL|ALERT|EMERG|EMERGENCY|FATAL|PANIC|FAILURE"
)
SEVERITY = {
    **dict.fromkeys(("trace", "verbose", "finest", "finer", "v", "t"), "trace"),
    **dict.fromkeys(("debug", "fine", "d"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "notice", "i", "n", "log"), "info"),
    **dict.fromkeys(("warn", "warning", "w"), "warn"),
    **dict.fromkeys(("err", "error", "severe", "failure", "e"), "error"),
    **dict.fromkeys(("crit", "critical", "alert", "emerg", "emergency", "fatal", "panic", "f", "c",
                     "a"), "fatal"),
}  # fmt: skip
_LEAD = r"^[\s\])\"':,|-]*"
_TRAIL = r"(?:[\s\]|:)>,\"-]|$)"
_HEAD = 240
"""Characters in which a header is looked for; RE2's captures are slow on long texts."""
# Words before a level: numbers, brackets, capitals, one plain word (a thread); never a sentence.
_BEFORE = (
    r"^[\s\]:|,-]*(?:(?:[A-Z_]+|\[[^\]]*\]|\([^)]*\)|\S*[^A-Za-z\s]\S*|[-|])[\s|]+)*"
    r"(?:[A-Za-z]\w*\s+)?[\[(<|\s]*$"
)
HEADERS = (
    rf"{_LEAD}\[?(?P<level>(?i:{_LEVEL})){_TRAIL}(?P<body>.*)$",
    rf"{_LEAD}(?:\[[^\]]*\]\s*)?\[(?:\w+:)?(?P<level>(?i:{_LEVEL}))\](?P<body>.*)$",
    rf"{_LEAD}\[\w*:(?P<level>(?i:{_LEVEL}))\](?P<body>.*)$",
    rf"^(?P<before>.*?)\b(?P<level>{_LEVEL}){_TRAIL}(?P<body>.*)$",
    r"^[\s\d]*(?P<level>[VDIWEF])[\s/](?P<body>.*)$",
)
_LOGFMT = r"(?:^|\s)(?:level|lvl|severity|levelname)=\"?(?P<level>[A-Za-z]+)"
_MESSAGE = (
    r"(?:^|\s)(?:msg|message)=(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<plain>\S+))(?P<more>.*)$"
)
_PROGRAM = (
    r"^\s(?P<host>[\w.:/@-]+) (?P<program>[^\s:\[]+(?:\([\w-]+\))?)(?:\[(?P<pid>[\d.]+)\])?: ?"
    r"(?P<body>.*)$"
)
_RFC5424 = r"^ (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) \S+ (?:-|(?:\[[^\]]*\])+) ?(?P<body>.*)$"
_LOGGER = (
    r"^[\s\]:|>,-]*(?:\[[^\]]*(?:\][^\s\]]*)*\]\s+-\s+)?"
    r"(?:(?:\[[^\]]*\]\s+)?(?P<logger>[A-Za-z_][\w/@-]*(?:[.$][\w$/@-]+)+(?:\[\d+\])?)"
    r"(?::\s+|\s+-\s+|\s+\[[^\]]*\]\s+))?(?P<body>.*)$"
)
_TAG = r"^(?P<logger>[\w.$/-]+)\s*(?:\(\s*\d+\))?: (?P<body>.*)$"
_STATUS = r"\" (?P<status>[1-5]\d\d) "
_CRI = r"^ (?:stdout|stderr) [FP] (?P<body>.*)$"


@dataclass
class Headers:
    """What lines say beside their message; empty where unknown.

    Attributes
    ----------
    severity, host, program, logger, body : pyarrow.LargeStringArray, shape (lines,)
        `severity` is one of the values of `SEVERITY`; `body` is what follows the header.
    """

    severity: Any
    host: Any
    program: Any
    logger: Any
    body: Any


def headers_of(rest: Any, pri: Any, letter: Any, names: NDArray[np.object_]) -> Headers:
    """Read what follows the time stamp.

    Parameters
    ----------
    rest, pri, letter : pyarrow.LargeStringArray, shape (lines,)
        As in `Stamps`.
    names : ndarray of object, shape (lines,)
        Name of each line's form, empty for none.

    Returns
    -------
    Headers
    """
    import pyarrow as pa

    n = len(rest)
    blank = pa.repeat(pa.scalar("", pa.large_string()), n)
    table = {"level": blank, "host": blank, "program": blank, "logger": blank, "body": rest}
    known = names != ""
    syslog = known & np.isin(names, ("syslog",))
    iso = known & np.isin(names, ("iso", "after_a_word"))
    has_pri = _filled(pri)
    _read(table, _CRI, iso)
    _read(table, _RFC5424, iso & has_pri)
    _read(table, _PROGRAM, syslog)
    _read(table, _PROGRAM.replace("?: ?", ": ?"), iso & ~_filled(table["program"]))
    logfmt = names == "logfmt"
    _read(table, _LOGFMT, logfmt)
    _messages(table, logfmt)
    _status(table, names == "access")
    # A syslog line's level stands at the begin of its message, if at all.
    wanted = known & ~logfmt & (names != "access")
    for i, pattern in enumerate(HEADERS):
        own = wanted & ~_filled(table["level"]) & (~_filled(table["program"]) | (i < 3))
        _read(table, pattern, own)
    table["level"] = _first(letter, table["level"])
    single = (names == "month_day") & _filled(table["level"])
    _read(table, _TAG, single)
    _read(table, _LOGGER, wanted & ~single & ~_filled(table["logger"]))
    severity = _severity(table["level"], pri)
    return Headers(severity, table["host"], table["program"], table["logger"], table["body"])


def _filled(texts: Any) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    return np.asarray(pc.not_equal(texts, "").to_numpy(zero_copy_only=False), bool)


def _first(one: Any, two: Any) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(pc.not_equal(one, ""), one, two)


def _read(table: dict[str, Any], pattern: str, rows: NDArray[np.bool_]) -> None:
    """Where the pattern fits the begin of a row's body, put its groups in place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = np.flatnonzero(rows)
    if not len(at):
        return
    whole = table["body"].take(at)
    # Shapes (rows chosen,); `hit` are those among them that the pattern fits.
    heads = pc.utf8_slice_codeunits(whole, 0, _HEAD)
    groups = pc.extract_regex(heads, pattern)
    hit = _found(groups)
    if "?P<before>" in pattern and len(hit):
        before = pc.struct_field(groups, "before").take(hit)
        fits = pc.match_substring_regex(before, _BEFORE).to_numpy(zero_copy_only=False)
        hit = hit[fits]
    if not len(hit):
        return
    mask, found = _mask(len(rows), at[hit]), groups.take(hit)
    tails = pc.utf8_slice_codeunits(whole.take(hit), _HEAD)
    for field in found.type:
        if field.name in table:
            values = pc.struct_field(found, field.name).cast(pa.large_string())
            if field.name == "body":
                values = _together(values, tails)
            table[field.name] = pc.replace_with_mask(table[field.name], mask, values)


def _found(groups: Any) -> NDArray[np.intp]:
    import pyarrow.compute as pc

    return np.flatnonzero(pc.is_valid(groups).to_numpy(zero_copy_only=False))


def _together(one: Any, two: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(one, two, pa.scalar("", pa.large_string()))


def _mask(n: int, at: NDArray[np.intp]) -> Any:
    import pyarrow as pa

    done = np.zeros(n, bool)
    done[at] = True
    return pa.array(done)


def _messages(table: dict[str, Any], rows: NDArray[np.bool_]) -> None:
    """Take ``msg=…`` of logfmt, and what follows it, as the message."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = np.flatnonzero(rows)
    if not len(at):
        return
    groups = pc.extract_regex(table["body"].take(at), _MESSAGE)
    hit = _found(groups)
    if not len(hit):
        return
    quoted, plain, more = (
        pc.struct_field(groups, name).take(hit).cast(pa.large_string())
        for name in ("quoted", "plain", "more")
    )
    text = pc.replace_substring_regex(_first(quoted, plain), r"\\(.)", r"\1")
    joined = _together(text, more)
    table["body"] = pc.replace_with_mask(table["body"], _mask(len(rows), at[hit]), joined)


def _status(table: dict[str, Any], rows: NDArray[np.bool_]) -> None:
    """Access logs have no level: an answer 5xx is an error."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = np.flatnonzero(rows)
    if not len(at):
        return
    groups = pc.extract_regex(table["body"].take(at), _STATUS)
    status = pc.fill_null(pc.struct_field(groups, "status").cast(pa.large_string()), "")
    failed = pc.starts_with(status, "5")
    level = pc.if_else(failed, "error", "info").cast(pa.large_string())
    table["level"] = pc.replace_with_mask(table["level"], pa.array(rows), level)


def _severity(level: Any, pri: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    # A lookup a distinct level, not one a line.
    coded = pc.dictionary_encode(level)
    words = [SEVERITY.get(word.lower(), "") for word in coded.dictionary.to_pylist()]
    found = _looked_up(words, coded.indices)
    if not _filled(pri).any():
        return found
    coded = pc.dictionary_encode(pri)
    words = [severity_of_priority(text) for text in coded.dictionary.to_pylist()]
    return _first(found, _looked_up(words, coded.indices).cast(pa.large_string()))


def _looked_up(words: list[str], codes: Any) -> Any:
    import pyarrow as pa

    return pa.array(words, pa.large_string()).take(codes)


def severity_of_priority(text: str) -> str:
    """Return the severity of a syslog priority (facility times eight plus severity).

    Parameters
    ----------
    text : str
        One to three digits.

    Returns
    -------
    str
        A value of `SEVERITY`; empty for another text.

    References
    ----------
    RFC 5424.
    """
    if not re.fullmatch(r"\d{1,3}", text):
        return ""
    return ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")[int(text) % 8]

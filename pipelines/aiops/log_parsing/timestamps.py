"""When each line says it was written: the forms of time stamps, and their times, vectorised.

A form is one RE2 pattern, anchored at the line's begin. Its groups: ``year month day hour
minute second fraction zone epoch ampm`` for the time, ``pri`` (syslog's priority) and
``letter`` (glog's level) beside it, and ``rest`` for what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.time import DAY_US, EPOCH, MINUTE_US, SECOND_US

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = r"(?P<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))[a-z]*"
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,9}))?"
_ZONE = r"(?P<zone>Z\b|[+-]\d\d:?\d\d\b|[+-]\d\d\b| (?:Z|UTC|GMT)\b| [+-]\d\d:?\d\d\b)?"
_PRI = r"(?:<(?P<pri>\d{1,3})>(?:1 )?)?"
_OPEN = r"[\[(\"']{0,2}"
_REST = r"(?P<rest>.*)$"
_DATE = r"(?P<year>(?:19|20)\d\d)[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)"
_ISO = (
    rf"{_DATE}[T _:-]{{1,2}}(?P<hour>\d\d)[:.](?P<minute>\d\d)[:.](?P<second>\d\d)"
    rf"(?:[.,:](?P<fraction>\d{{1,9}}))?{_ZONE}"
)


@dataclass(frozen=True)
class Form:
    """One form of time stamps.

    Attributes
    ----------
    name : str
        Unique among `FORMS`.
    pattern : str
        RE2, anchored at the line's begin; its groups are named in the module's docstring.
    weak : bool
        Such words begin other lines too: it counts only if a good part of the file's lines has it.
    """

    name: str
    pattern: str
    weak: bool = False


FORMS = (
    Form("iso", rf"^{_OPEN}{_PRI}{_ISO}{_REST}"),
    Form("syslog", rf"^{_PRI}{_NAME} +(?P<day>\d\d?)(?: (?P<year>\d{{4}}))? {_TIME}{_ZONE}{_REST}"),
    Form("access", rf"^(?P<client>\S+) \S+ .{{1,80}}? \[(?P<day>\d\d)/{_NAME}/(?P<year>\d{{4}}):"
                   rf"{_TIME}(?P<zone> [+-]\d{{4}})?\] {_REST}"),
    Form("ctime", rf"^{_OPEN}{_WEEKDAY}[a-z]*,? {_NAME} +(?P<day>\d\d?) {_TIME}(?: [A-Z]{{3,5}})? "
                  rf"(?P<year>\d{{4}}){_REST}"),
    Form("rfc1123", rf"^{_OPEN}(?:{_WEEKDAY}[a-z]*, )?(?P<day>\d\d?)[-/ ]{_NAME}[-/ ]"
                    rf"(?P<year>\d{{4}})[ :T]{_TIME}{_ZONE}{_REST}"),
    Form("glog", rf"^(?P<letter>[IWEF])(?P<month>\d\d)(?P<day>\d\d) {_TIME}{_REST}"),
    Form("month_day", rf"^(?P<month>\d\d)-(?P<day>\d\d) {_TIME}{_REST}"),
    Form("month.day", rf"^\[(?P<month>\d\d)\.(?P<day>\d\d) {_TIME}\]{_REST}"),
    Form("short_year", rf"^(?P<year>\d\d)[/-](?P<month>\d\d)[/-](?P<day>\d\d) {_TIME}{_REST}"),
    Form("slashed", rf"^{_OPEN}(?P<first>\d\d?)[/.-](?P<second_part>\d\d?)[/.-](?P<year>\d{{4}}),? "
                    rf"{_TIME}(?P<ampm> ?[AaPp][Mm])?{_ZONE}{_REST}"),
    Form("compact", r"^(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)[- T_]"
                    r"(?P<hour>\d\d):?(?P<minute>\d\d):?(?P<second>\d\d)"
                    rf"(?:[.,:](?P<fraction>\d{{1,9}}))?{_ZONE}{_REST}"),
    Form("six_digits", r"^(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d) "
                       rf"(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d) {_REST}"),
    Form("logfmt", rf"^(?P<rest>(?:.{{0,80}}\s)?(?:time|ts|timestamp|t|at)=\"?{_ISO}.*)$"),
    Form("after_a_word", rf"^[^\s\[{{]{{1,120}} {_OPEN}{_ISO}{_REST}", weak=True),
    Form("epoch", r"^(?:[-A-Z_0-9]{1,24} )?\[?\(?(?P<epoch>1\d{9})[.,]?(?P<fraction>\d{1,9})?"
                  rf"[\])\s,:|]{_REST}", weak=True),
)  # fmt: skip


_QUARTER_US = 15 * MINUTE_US
_HALF_YEAR = 180 * DAY_US
_LEAP = 2000
_WEAK_SHARE = 0.2
_EARLIEST, _LATEST = 315_532_800_000_000, 7_258_118_400_000_000  # 1980 and 2200
_MISSING = np.int64(-(2**62))
_NUMBERS = {name: f"{i:02d}" for i, name in enumerate(MONTHS, 1)}


@dataclass(frozen=True)
class Stamps:
    """Time stamps of lines.

    Attributes
    ----------
    us : ndarray of int64, shape (lines,)
        Microseconds since 1970, UTC; of no meaning where `found` is false. Where `yearless`, in the
        year 2000, which has every day.
    found : ndarray of bool, shape (lines,)
        Whether a line has one.
    yearless : ndarray of bool, shape (lines,)
        Whether it lacks its year.
    turns : ndarray of int64, shape (lines,)
        Turns of the year since the first line without year.
    rest : pyarrow.LargeStringArray, shape (lines,)
        What follows; the line itself where there is no stamp.
    pri, letter : pyarrow.LargeStringArray, shape (lines,)
        Syslog's priority, and glog's letter; empty where there is none.
    forms : ndarray of int8, shape (lines,)
        Position in `FORMS`, -1 for none.
    """

    us: NDArray[np.int64]
    found: NDArray[np.bool_]
    yearless: NDArray[np.bool_]
    turns: NDArray[np.int64]
    rest: Any
    pri: Any
    letter: Any
    forms: NDArray[np.int8]


def forms_in(lines: Any, forms: Sequence[Form] = FORMS) -> tuple[Form, ...]:
    """Return the forms to look for in a file.

    Parameters
    ----------
    lines : pyarrow.LargeStringArray
        The file's first lines.
    forms : sequence of Form
        Forms to choose from.

    Returns
    -------
    tuple of Form
        Without weak forms that fewer than a fifth of the lines has.
    """
    import pyarrow.compute as pc

    def share(form: Form) -> float:
        return float(pc.mean(pc.match_substring_regex(lines, form.pattern)).as_py() or 0)

    return tuple(form for form in forms if not form.weak or share(form) >= _WEAK_SHARE)


def stamps_of(
    lines: Any, forms: Sequence[Form] = FORMS, local: tzinfo = UTC, day_first: bool = True
) -> Stamps:
    """Find the time stamp of each line.

    Parameters
    ----------
    lines : pyarrow.LargeStringArray, shape (lines,)
    forms : sequence of Form
        Forms to look for, among `FORMS`; the first that fits a line counts.
    local : tzinfo
        Zone of stamps that don't say theirs. Of a time that happens twice the first is meant.
    day_first : bool
        How to read 03/04/2026, where no other stamp tells.

    Returns
    -------
    Stamps
    """
    import pyarrow.compute as pc

    n = len(lines)
    # All of shape (lines,); `left` are positions that no form has fitted yet.
    us, kinds = np.full(n, _MISSING), np.full(n, -1, np.int8)
    yearless, open_zone = np.zeros(n, bool), np.zeros(n, bool)
    parts: dict[str, list[tuple[NDArray[np.intp], Any]]] = {"rest": [], "pri": [], "letter": []}
    left = np.arange(n)
    for form in forms:
        if not len(left):
            break
        groups = pc.extract_regex(lines.take(left), form.pattern)
        hit = np.flatnonzero(pc.is_valid(groups).to_numpy(zero_copy_only=False))
        if not len(hit):
            continue
        # `hit` indexes `left`; a pattern may fit and still give no time, such as 31 June.
        found = _Groups(groups.take(hit), day_first)
        good = found.us != _MISSING
        rows = left[hit[good]]
        us[rows], yearless[rows] = found.us[good], found.yearless
        open_zone[rows] = found.open_zone[good]
        kinds[rows] = FORMS.index(form)
        for name, own in parts.items():
            if found.has(name):
                own.append((rows, found.text(name).take(np.flatnonzero(good))))
        left = np.flatnonzero(kinds < 0)
    has = kinds >= 0
    # All forms at once: offsets of a zone are looked up once a quarter of an hour.
    us[open_zone & has] = to_utc(us[open_zone & has], local)
    turns = np.zeros(n, np.int64)
    turns[yearless] = turns_of(us[yearless])
    return Stamps(us, has, yearless, turns, _scattered(lines, parts["rest"]),
                  _scattered(_empty(n), parts["pri"]), _scattered(_empty(n), parts["letter"]),
                  kinds)  # fmt: skip


def with_year(stamps: Stamps, first_year: int) -> NDArray[np.int64]:
    """Put stamps without year into their year.

    Parameters
    ----------
    stamps : Stamps
    first_year : int
        Year of the first of them; later ones follow `Stamps.turns`.

    Returns
    -------
    ndarray of int64, shape (lines,)
        Microseconds since 1970, UTC; stamps with a year are unchanged.
    """
    us = stamps.us.copy()
    rows = np.flatnonzero(stamps.yearless)
    # Shift by months, not by seconds: years differ in length.
    base = us[rows].astype("datetime64[us]")
    months = base.astype("datetime64[M]")
    shifted = months.astype(np.int64) + 12 * (first_year - _LEAP + stamps.turns[rows])
    begin = shifted.astype("datetime64[M]").astype("datetime64[us]")
    us[rows] = (begin + (base - months.astype("datetime64[us]"))).astype(np.int64)
    return us


def turns_of(us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count turns of the year since the first of some stamps, in their order.

    The year turns where time falls back by half a year or more, and back again for stragglers.

    Parameters
    ----------
    us : ndarray of int64, shape (n,)
        Microseconds; all in the year 2000.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    # Shape (n - 1,): a step belongs to the later of two stamps, so the first has none.
    steps = np.diff(us)
    turn = np.where(steps < -_HALF_YEAR, 1, np.where(steps > _HALF_YEAR, -1, 0))
    return np.concatenate([[0], np.cumsum(turn)]).astype(np.int64)[: len(us)]


def latest_year(last_us: int, not_after: datetime) -> int:
    """Return the latest year in which a stamp lies not after a time.

    Parameters
    ----------
    last_us : int
        The stamp in the year 2000, microseconds since 1970, UTC.
    not_after : datetime
        With a time zone.

    Returns
    -------
    int
        29 February only fits leap years.
    """
    stamp = EPOCH + timedelta(microseconds=last_us)
    for year in range(not_after.year + 1, 1970, -1):
        try:
            if stamp.replace(year=year) <= not_after:
                return year
        except ValueError:  # 29 February in a common year
            continue
    return not_after.year


def to_utc(naive: NDArray[np.int64], local: tzinfo) -> NDArray[np.int64]:
    """Convert local times to UTC.

    Parameters
    ----------
    naive : ndarray of int64, shape (n,)
        Microseconds of the local clock, counted as if it were UTC.
    local : tzinfo
        Its zone. Of a time that happens twice the first is meant.

    Returns
    -------
    ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    """
    if local is UTC or not len(naive):
        return naive
    # Offsets change on whole quarters of an hour; there are far fewer of these than lines.
    quarters, codes = np.unique(naive // _QUARTER_US, return_inverse=True)
    offsets = np.array([_offset(int(q), local) for q in quarters.tolist()], np.int64)
    shifted: NDArray[np.int64] = naive - offsets[codes]
    return shifted


def _offset(quarter: int, local: tzinfo) -> int:
    try:
        time = (EPOCH + timedelta(microseconds=quarter * _QUARTER_US)).replace(tzinfo=local)
    except OverflowError:
        return 0
    return (time.utcoffset() or timedelta()) // timedelta(microseconds=1)


class _Groups:
    """What a form's pattern captured, as a time."""

    def __init__(self, groups: Any, day_first: bool) -> None:
        self._groups = groups
        self._names = {field.name for field in groups.type}
        self.yearless = False
        if self.has("epoch"):
            self.us = self.number("epoch") * SECOND_US + self._fraction()
            self.open_zone = np.zeros(len(self.us), bool)
        else:
            self.us = self._dated(day_first)
            minutes, self.open_zone = self._zones()
            self.us = np.where(self.us == _MISSING, self.us, self.us - minutes * 60_000_000)
        bad = (self.us < _EARLIEST) | (self.us >= _LATEST)
        self.us = np.where(bad, _MISSING, self.us)

    def has(self, name: str) -> bool:
        return name in self._names

    def text(self, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.struct_field(self._groups, name).cast(pa.large_string())

    def number(self, name: str) -> NDArray[np.int64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        text = self.text(name)
        filled = pc.if_else(pc.equal(text, ""), "0", text)
        return np.asarray(pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False), np.int64)

    def _fraction(self) -> NDArray[np.int64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.has("fraction"):
            return np.zeros(len(self._groups), np.int64)
        digits = pc.utf8_rpad(pc.utf8_slice_codeunits(self.text("fraction"), 0, 6), 6, "0")
        return np.asarray(pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False), np.int64)

    def _dated(self, day_first: bool) -> NDArray[np.int64]:
        year, month, day = self._date(day_first)
        hour, minute, second = (self.number(name) for name in ("hour", "minute", "second"))
        if self.has("ampm"):
            hour = self._of_day(hour)
        good = (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60)
        good &= second <= 60
        # Clipped, so that wrong parts make some date; `good` says which to believe.
        months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
        dates = months.astype("datetime64[D]") + (np.clip(day, 1, 31) - 1).astype("timedelta64[D]")
        good &= dates.astype("datetime64[M]") == months
        clock = ((hour * 60 + minute) * 60 + second) * SECOND_US + self._fraction()
        us = dates.astype(np.int64) * DAY_US + clock
        return np.where(good, us, _MISSING)

    def _date(self, day_first: bool) -> tuple[NDArray[np.int64], ...]:
        day_parts = ("first", "second_part") if self.has("first") else ("day", "month")
        if self.has("first"):
            one, two = (self.number(name) for name in day_parts)
            american = bool((two > 12).any()) or (
                not (one > 12).any() and self._american(day_first)
            )
            day, month = (two, one) if american else (one, two)
        else:
            day, month = self.number("day"), self._month()
        if not self.has("year"):
            self.yearless = True
            return np.full(len(day), _LEAP), month, day
        year = self.number("year")
        if (year == 0).all():
            self.yearless = True
            return np.full(len(day), _LEAP), month, day
        year = np.where(year >= 100, year, np.where(year < 70, year + 2000, year + 1900))
        return year, month, day

    def _american(self, day_first: bool) -> bool:
        import pyarrow.compute as pc

        return not day_first or bool(pc.any(pc.not_equal(self.text("ampm"), "")).as_py())

    def _month(self) -> NDArray[np.int64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        # Parsed once a distinct name, then spread over the lines by code.
        coded = pc.dictionary_encode(pc.utf8_lower(self.text("month")))
        known = [_NUMBERS.get(name, name) for name in coded.dictionary.to_pylist()]
        numbers = np.array([int(name) for name in known], np.int64)
        codes = coded.indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return numbers[codes] if len(numbers) else np.zeros(0, np.int64)

    def _of_day(self, hour: NDArray[np.int64]) -> NDArray[np.int64]:
        import pyarrow.compute as pc

        half = pc.utf8_lower(pc.utf8_trim_whitespace(self.text("ampm")))
        evening = pc.equal(half, "pm").to_numpy(zero_copy_only=False)
        any_half = pc.not_equal(half, "").to_numpy(zero_copy_only=False)
        return np.where(any_half, hour % 12 + 12 * evening, hour)

    def _zones(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Minutes east of UTC, and where no zone is told."""
        import pyarrow as pa
        import pyarrow.compute as pc

        n = len(self._groups)
        if not self.has("zone"):
            return np.zeros(n, np.int64), np.ones(n, bool)
        # Parsed once a distinct zone, then spread over the lines by code.
        coded = pc.dictionary_encode(self.text("zone"))
        names = coded.dictionary.to_pylist()
        codes = coded.indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
        minutes = np.array([_minutes(name) for name in names], np.int64)
        return minutes[codes], np.array([not name.strip() for name in names], bool)[codes]


def _minutes(zone: str) -> int:
    text = zone.strip().replace(":", "")
    if not text or text[0] not in "+-":
        return 0
    size = int(text[1:3]) * 60 + int(text[3:5] or 0)
    return -size if text[0] == "-" else size


def _empty(n: int) -> Any:
    import pyarrow as pa

    return pa.repeat(pa.scalar("", pa.large_string()), n)


def _scattered(base: Any, parts: list[tuple[NDArray[np.intp], Any]]) -> Any:
    """Put texts in the place of some rows of `base`."""
    import pyarrow as pa

    if not parts:
        return base
    # Positions in `base` and all texts laid end to end: one take instead of a write a line.
    source = np.arange(len(base))
    at = len(base)
    for rows, texts in parts:
        source[rows] = np.arange(at, at + len(texts))
        at += len(texts)
    return pa.concat_arrays([base, *(texts for _, texts in parts)]).take(pa.array(source))

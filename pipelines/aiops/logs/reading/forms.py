r"""Forms in which programs write time stamps: one RE2 pattern each, anchored at the line's begin.

Groups: ``year month day hour minute second fraction zone epoch ampm`` for the time, ``pri``
(syslog's priority) and ``letter`` (glog's level) beside it, and ``rest`` for what follows.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """One form.

    Attributes
    ----------
    weak
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

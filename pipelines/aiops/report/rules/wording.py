"""Durations, times, families and long texts as people read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

from pipelines.aiops.alerting.rules import HoldRule
from pipelines.core.time import largest_parts
from pipelines.reporting import numbers

FAMILIES = {
    "hold": "Held: chat at once, the pager only for a reason",
    "known_fix": "Known fix: the same one each time (pages stay)",
}
"""Every family in the order of reports, and what it means."""

WEEK_DAYS = 7.0
NIGHT_HOURS = ("22", "23", "00", "01", "02", "03", "04", "05", "06")
"""Hours of the day that count as night, in their order, as the evidence names them."""
NIGHT = "22 to 07 o’clock"

SPACE = "\N{NO-BREAK SPACE}"


def family(name: str) -> str:
    """Name a family; an unknown one goes by its own name.

    Parameters
    ----------
    name : str
        Family as in the files.

    Returns
    -------
    str
        Words.
    """
    return FAMILIES.get(name, name)


def duration(seconds: float | None) -> str:
    """Write a duration in its two largest units, for example "5 min 15 s".

    Parameters
    ----------
    seconds : float or None
        Duration, seconds; None gives a dash.

    Returns
    -------
    str
        Duration.
    """
    if seconds is None:
        return "–"
    shown = [f"{count}{SPACE}{unit}" for count, unit in largest_parts(round(abs(seconds)))]
    sign = "\N{MINUS SIGN}" if seconds < -0.5 else ""
    return sign + (SPACE.join(shown) or f"0{SPACE}s")


def delay(seconds: float | None) -> str:
    """Say by how much a page comes later or earlier, for example "11 s earlier"."""
    if seconds is None:
        return "–"
    shown = duration(abs(seconds))
    if abs(seconds) < 0.5:
        return "at the same time"
    return f"{shown} {'later' if seconds > 0 else 'earlier'}"


def per_week(count: float | None, days: float) -> str:
    """Write a count of so many days as one a week; with a decimal where there are few.

    Parameters
    ----------
    count : float or None
        How many there were, None if not known.
    days : float
        Length of the time in which they were counted, days.

    Returns
    -------
    str
        Number a week, or a dash.
    """
    if count is None or days <= 0:
        return numbers.NONE
    rate = count / days * WEEK_DAYS
    return numbers.decimal(rate, 1) if 0 < rate < 100 else numbers.count(rate)


def told_at_once(rules: Sequence[HoldRule]) -> str:
    """Say who is told at once of what is held.

    Parameters
    ----------
    rules : sequence of HoldRule
        Not empty.

    Returns
    -------
    str
        A sentence or two.
    """
    untold = sum(rule.untold for rule in rules)
    if not untold:
        return "Chat is told of each held alert at once."
    whom = "Nobody" if untold == len(rules) else f"Of {untold} of {len(rules)} held names nobody"
    return (
        f"{whom} is told at once: today’s configuration has no receiver that tells without paging. "
        "Name one in aiops.export_rules.chat_receiver."
    )


def change(before: float | None, after: float | None) -> str:
    """Write a change in per cent of what there was.

    Parameters
    ----------
    before, after : float or None
        Counts of the same time.

    Returns
    -------
    str
        Share with its sign; a dash where there was nothing.
    """
    if not before or after is None:
        return numbers.NONE
    share = after / before - 1
    return ("+" if share > 0 else "") + numbers.percent(share)


def busiest_hours(hours: Mapping[str, float], most: int = 3) -> str:
    """Name the hours of the night that have most, in the order of the night.

    Parameters
    ----------
    hours : mapping of str to float
        Hour, a key of `NIGHT_HOURS` → how many.
    most : int, default 3
        Hours that are named.

    Returns
    -------
    str
        For example "23 h (40), 02 h (38)"; a dash where there is nothing.
    """
    known = [hour for hour in NIGHT_HOURS if hours.get(hour, 0) >= 0.5]
    ranked = sorted(known, key=lambda hour: (-hours[hour], NIGHT_HOURS.index(hour)))[:most]
    shown = [hour for hour in known if hour in ranked]
    said = (f"{hour}{SPACE}h{SPACE}({numbers.count(hours[hour])})" for hour in shown)
    return ", ".join(said) or numbers.NONE


def listed(values: Sequence[str], most: int = 4) -> str:
    """Write some values and how many more there are.

    Parameters
    ----------
    values : sequence of str
        Values.
    most : int, default 4
        Values that are written.

    Returns
    -------
    str
        For example "a, b and 3 more".
    """
    shown = ", ".join(short(value, 80) for value in values[:most])
    return shown + (f" and {len(values) - most:,} more" if len(values) > most else "")


def moment(at: datetime | None) -> Markup:
    """Write a time in UTC to the second, on one line.

    Parameters
    ----------
    at : datetime or None
        Time in UTC; None gives a dash.

    Returns
    -------
    Markup
        Time.
    """
    return one_line("–" if at is None else at.strftime(f"%Y-%m-%d{SPACE}%H:%M:%S"))


def one_line(text: str | Markup) -> Markup:
    """Mark up text that must not break.

    Parameters
    ----------
    text : str or Markup
        Text.

    Returns
    -------
    Markup
        Escaped text.
    """
    return Markup('<span class="when">{}</span>').format(text)


def day(at: datetime) -> str:
    """Write a date.

    Parameters
    ----------
    at : datetime
        Time in UTC.

    Returns
    -------
    str
        Date.
    """
    return at.strftime("%Y-%m-%d")


def short(text: str, most: int = 160) -> str:
    """Cut a text to `most` characters.

    Parameters
    ----------
    text : str
        Text.
    most : int, default 160
        Most characters.

    Returns
    -------
    str
        Text, with an ellipsis if it was cut.
    """
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def number_of(count: int, word: str) -> str:
    """Write a count and its noun: "1 rule", "2 rules".

    Parameters
    ----------
    count : int
        How many.
    word : str
        Noun in the singular.

    Returns
    -------
    str
        Number and noun.
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")

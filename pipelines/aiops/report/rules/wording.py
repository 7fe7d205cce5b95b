"""Durations, times, families and long texts as people read them."""

from datetime import datetime

from markupsafe import Markup

from pipelines.core.time import largest_parts, prometheus

FAMILIES = {
    "grouping": "Grouped",
    "wait": "Ends by itself: fires only after a wait (for)",
    "keep_firing": "Flapping: kept firing as one alert (keep_firing_for)",
    "inhibition": "Inhibited: another alert implies it",
    "mute_time": "Muted at hours at which it is expected",
    "demotion": "Demoted: nobody ever acts on it",
    "known_fix": "Known fix: the same one each time (pages stay)",
}
"""Every family in the order of reports, and what it means."""

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


def setting(seconds: int) -> str:
    """Write a duration as Prometheus does, for example ``1h30m``.

    Parameters
    ----------
    seconds : int
        Duration, seconds.

    Returns
    -------
    str
        Duration.
    """
    return prometheus(seconds)


def clock(minute: int) -> str:
    """Write a minute of a day, for example ``05:30``.

    Parameters
    ----------
    minute : int
        Minutes since midnight.

    Returns
    -------
    str
        Time.
    """
    return f"{minute // 60:02d}:{minute % 60:02d}"


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

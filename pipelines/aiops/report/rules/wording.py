"""Durations, times, families and long texts as people read them."""

from datetime import datetime

from markupsafe import Markup

from pipelines.core.durations import largest_parts, prometheus

FAMILIES = {
    "duplicate": "Told together",
    "transient": "Over by itself: wait before it pages",
    "flapping": "Comes and goes: told as one",
    "implied": "Another alert tells it already",
    "recurring": "Expected at these hours",
    "quiet": "Nobody ever acts on it",
    "known_fix": "The same fix each time (pages stay)",
}
"""Every family in the order of reports, and what it means."""

SPACE = "\N{NO-BREAK SPACE}"


def family(name: str) -> str:
    """Words for a family; an unknown one goes by its name."""
    return FAMILIES.get(name, name)


def duration(seconds: float | None) -> str:
    """Duration in its two largest units, for example "5 min 15 s"."""
    if seconds is None:
        return "–"
    shown = [f"{count}{SPACE}{unit}" for count, unit in largest_parts(round(abs(seconds)))]
    sign = "\N{MINUS SIGN}" if seconds < -0.5 else ""
    return sign + (SPACE.join(shown) or f"0{SPACE}s")


def setting(seconds: int) -> str:
    """Duration as Prometheus writes it, for example ``1h30m``."""
    return prometheus(seconds)


def clock(minute: int) -> str:
    """Minute of a day, for example ``05:30``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def moment(at: datetime | None) -> Markup:
    """Time in UTC to the second, on one line."""
    return one_line("–" if at is None else at.strftime(f"%Y-%m-%d{SPACE}%H:%M:%S"))


def one_line(text: str | Markup) -> Markup:
    """Text that must not break."""
    return Markup('<span class="when">{}</span>').format(text)


def day(at: datetime) -> str:
    """Date."""
    return at.strftime("%Y-%m-%d")


def short(text: str, most: int = 160) -> str:
    """Text cut to `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def number_of(count: int, word: str) -> str:
    """Count and noun: "1 rule", "2 rules"."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")

"""Names, times, rareness and kinds as people read them; whatever telemetry holds is tamed here."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.report.rules.wording import SPACE, duration, number_of, one_line, short
from pipelines.core.time import MINUTE_US
from pipelines.reporting.blocks import Text, join, name
from pipelines.reporting.numbers import NONE

__all__ = ["SPACE", "duration", "listed", "number_of", "one_line", "plain", "short", "shown"]

NAMELESS = "(no name)"
_LONG = 120
KINDS = {
    "spike": "spike",
    "level_shift": "new level",
    "trend_change": "new trend",
    "flat_line": "no longer changes",
    "missing_data": "no values",
    "season_broken": "rhythm broken",
    "new_template": "new message",
    "burst": "burst of a message",
    "silence": "message fell silent",
    "changed_mix": "messages in other proportions",
    "new_value": "new value in a message",
    "appeared": "call appeared",
    "vanished": "call vanished",
    "more_errors": "fails more often",
    "fewer_errors": "fails less often",
    "slowed": "slower",
    "more_slow_calls": "slow more often",
    "faster": "faster",
    "busier": "busier",
    "quieter": "quieter",
}
"""Kinds of findings, and what they are called."""

SIGNALS = {
    "alert": ("alert", "alerts"),
    "metric": ("metric anomaly", "metric anomalies"),
    "log": ("log anomaly", "log anomalies"),
    "service_map": ("change of the map", "changes of the map"),
    "change": ("change", "changes"),
}
"""Signals: one, many."""


def kind(word: str) -> str:
    """Name a kind of finding; an unknown one goes by its own name.

    Parameters
    ----------
    word : str
        Kind as in the files.

    Returns
    -------
    str
        Name.
    """
    return KINDS.get(word) or plain(word.replace("_", " "), 40)


def signal(word: str) -> str:
    """Name a signal in the singular.

    Parameters
    ----------
    word : str
        Signal as in the files.

    Returns
    -------
    str
        Name.
    """
    return SIGNALS[word][0] if word in SIGNALS else plain(word.replace("_", " "), 40)


def counted(word: str, n: int) -> str:
    """Write a count of a signal, for example "2 alerts".

    Parameters
    ----------
    word : str
        Signal as in the files.
    n : int
        How many.

    Returns
    -------
    str
        Number and noun.
    """
    one, many = SIGNALS.get(word, (signal(word), signal(word)))
    return f"{n:,}{SPACE}{one if n == 1 else many}"


def plain(text: str, most: int = _LONG) -> str:
    """Clean text of telemetry: one line, without control characters, cut to `most` characters.

    Parameters
    ----------
    text : str
        Text of telemetry, not trusted.
    most : int
        Most characters.

    Returns
    -------
    str
        Clean text.
    """
    tame = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs") else letter
        # A name of 10,000 characters is not looked through to its end.
        for letter in text[: 4 * most]
    )
    cut = len(text) > 4 * most
    return short(" ".join(tame.split()) + ("…" if cut else ""), most)


def shown(text: str, most: int = _LONG) -> Markup:
    """Mark up a name from telemetry, inert and short; an empty one is named as such.

    Parameters
    ----------
    text : str
        Text of telemetry, not trusted.
    most : int
        Most characters.

    Returns
    -------
    Markup
        Escaped name.
    """
    return name(plain(text, most) or NAMELESS)


def sentence(text: str, of_kind: str, most: int) -> Markup:
    """Mark up the sentence of a finding; its kind where there is none.

    Parameters
    ----------
    text : str
        Sentence, not trusted.
    of_kind : str
        Kind of the finding.
    most : int
        Most characters.

    Returns
    -------
    Markup
        Escaped sentence.
    """
    return shown(text if text.strip() else kind(of_kind).capitalize(), most)


def listed(names: Sequence[Text], most: int = 8) -> Text:
    """List some of the names, and how many there are besides.

    Parameters
    ----------
    names : sequence of Text
        Names or links.
    most : int, default 8
        Most names.

    Returns
    -------
    Text
        Names with commas.
    """
    if not names:
        return NONE
    more = len(names) - most
    parts: list[Text] = []
    for shown_name in names[:most]:
        parts += [", ", shown_name] if parts else [shown_name]
    return join(*parts, f" and {more:,} more" if more > 0 else "")


def dotted(parts: Sequence[Text]) -> Markup:
    """Put several things on one line, with dots between them.

    Parameters
    ----------
    parts : sequence of Text
        Texts or links.

    Returns
    -------
    Markup
        One line.
    """
    return Markup(" · ").join(parts)


def rareness(finding: Finding) -> str:
    """Say how rare a finding is, for example "once in 1,000 runs".

    Parameters
    ----------
    finding : Finding
        Its score is -log10 of a chance: a run, or for metrics, a day of minutes of one series.

    Returns
    -------
    str
        Words.
    """
    unit = "days of one series" if finding.signal == "metric" else "runs"
    if finding.score < 0.2:
        return "not rare"
    if finding.score > 6:
        return f"rarer than once in a million {unit}"
    runs = 10**finding.score
    steps = 10 ** max(0, int(finding.score) - 1)
    return f"once in {round(runs / steps) * steps:,} {unit}"


def at(us: int) -> datetime | None:
    """Convert microseconds to a time in UTC.

    Parameters
    ----------
    us : int
        Microseconds since 1970.

    Returns
    -------
    datetime or None
        None if no calendar has it.
    """
    try:
        return datetime.fromtimestamp(us / 1e6, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def moment(us: int) -> Markup:
    """Write day and minute in UTC, on one line.

    Parameters
    ----------
    us : int
        Microseconds since 1970.

    Returns
    -------
    Markup
        Time, or a dash.
    """
    return _time(us, "%H:%M")


def moment_to_second(us: int) -> Markup:
    """Write day and second in UTC, on one line.

    Parameters
    ----------
    us : int
        Microseconds since 1970.

    Returns
    -------
    Markup
        Time, or a dash.
    """
    return _time(us, "%H:%M:%S")


def _time(us: int, clock: str) -> Markup:
    when = at(us)
    return one_line(when.strftime(f"%Y-%m-%d{SPACE}{clock}") if when else NONE)


def span(start_us: int, end_us: int) -> Markup:
    """Write from when to when, the day once if it is one, and one time if it is a moment.

    Parameters
    ----------
    start_us, end_us : int
        Start and end, microseconds since 1970.

    Returns
    -------
    Markup
        Times, or a dash.
    """
    first, last = at(start_us), at(end_us)
    if first is None or last is None:
        return one_line(NONE)
    if end_us - start_us < MINUTE_US:
        return moment(start_us)
    same = first.date() == last.date()
    end = last.strftime("%H:%M") if same else moment(end_us)
    return join(moment(start_us), " to ", end)


def lasted(start_us: int, end_us: int) -> str:
    """Write how long something lasted; a single observation has no length.

    Parameters
    ----------
    start_us, end_us : int
        Start and end, microseconds since 1970.

    Returns
    -------
    str
        Duration in words.
    """
    return duration((end_us - start_us) / 1e6) if end_us > start_us else "a moment"


def reason(key: str) -> str:
    """Write the reason or setting of a file in words.

    Parameters
    ----------
    key : str
        Key in the file.

    Returns
    -------
    str
        Words.
    """
    return plain(key.replace("_", " "), 80)

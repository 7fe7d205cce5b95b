"""Durations as Prometheus writes them: ``1d2h``, ``90s``, ``0``."""

import re

from pipelines.aiops.noise.alertmanager.model import DAY, HOUR, MINUTE, SECOND
from pipelines.base.errors import SignalboxError

_UNITS = {
    "y": 365 * DAY, "w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1000,
}  # fmt: skip
_FORM = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS), re.ASCII)


def parse_duration(text: object, where: str) -> int:
    """Microseconds of a duration.

    Raises
    ------
    SignalboxError
        Not a duration; the message starts with `where`.
    """
    if text == "0":
        return 0
    found = _FORM.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        raise SignalboxError(f"{where}: {text!r} is not a duration; write one like 30s, 5m or 1d2h")
    pairs = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(int(count) * unit for count, unit in pairs if count)

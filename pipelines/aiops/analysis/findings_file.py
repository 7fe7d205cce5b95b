"""Files with findings: equal findings give equal bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json, write_text
from pipelines.base.numbers import tidy

FORMAT = "signalbox.findings/1"


@dataclass(frozen=True)
class FindingsFile:
    """What a detector found in a window.

    Attributes
    ----------
    signal
        ``metric`` or ``log``.
    counts
        What was looked at, and what was left out and why.
    settings
        The detector's section of params.
    plots
        Finding's id → values around it: ``unit``, ``per_second``, ``step_us``, ``start_us``,
        ``values`` (null where there is none), ``low``, ``high``.
    lines
        Finding's id → first lines: ``at_us``, ``severity``, ``body``. Logs only.
    """

    signal: str
    window: Window
    findings: Sequence[Finding]
    counts: Mapping[str, Any]
    settings: Mapping[str, Any]
    plots: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, Any] | None = None


def write_findings(path: Path, file: FindingsFile) -> None:
    """Write findings, whole or not at all."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "signal": file.signal,
        "window": file.window.as_json(),
        "counts": dict(file.counts),
        "settings": dict(file.settings),
        "findings": [one.as_json() for one in file.findings],
        "plots": dict(sorted(file.plots.items())),
    }
    if file.lines is not None:
        content["lines"] = dict(sorted(file.lines.items()))
    write_ordered(path, content)


def write_ordered(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whose keys keep their order, floats rounded, whole or not at all."""
    text = json.dumps(tidy(content), indent=1, allow_nan=False, ensure_ascii=True)
    write_text(path, f"{text}\n")


def read_findings(path: Path) -> FindingsFile:
    """Read a file that `write_findings` wrote.

    Raises
    ------
    SignalboxError
        If it isn't there, or isn't such a file.
    """
    content = read_form(path, FORMAT)
    try:
        return FindingsFile(
            content["signal"],
            window_from(content["window"]),
            [Finding.from_json(one) for one in content["findings"]],
            content["counts"],
            content["settings"],
            content["plots"],
            content.get("lines"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SignalboxError(f"{path}: not findings of format {FORMAT} ({error!r})") from None


def window_from(told: Mapping[str, str]) -> Window:
    """Return the window that `Window.as_json` told."""
    from datetime import datetime

    return Window(datetime.fromisoformat(told["start"]), datetime.fromisoformat(told["end"]))


def read_form(path: Path, form: str) -> dict[str, Any]:
    """Read JSON of a format.

    Raises
    ------
    SignalboxError
        If it isn't there, or is of another format.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != form:
        raise SignalboxError(f"{path}: not of format {form}; run its stage again")
    return content

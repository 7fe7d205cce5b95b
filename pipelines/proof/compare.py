"""Compare evidence as it was recorded with evidence computed again, figure by figure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json
from pipelines.proof.results import Finding

MOST = 25
"""Differences of one file that are named."""


def evidence_findings(name: str, recorded: Path, again: Path) -> list[Finding]:
    """Figures first, then other values that differ; one finding at least if any byte does."""
    try:
        old, new = read_json(recorded), read_json(again)
    except SignalboxError as error:
        return [Finding(name, f"recorded or computed evidence cannot be read: {error}")]
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [Finding(name, "isn't evidence")]
    figures = figure_findings(name, old.pop("figures", []), new.pop("figures", []))
    rest = [value_finding(name, key, a, b) for key, a, b in differences(old, new)]
    return (figures + rest)[:MOST] or [Finding(name, "same values, other bytes")]


def figure_findings(name: str, recorded: Any, again: Any) -> list[Finding]:
    """Hold recorded figures against figures computed again."""
    old, new = _by_id(recorded), _by_id(again)
    findings = []
    for figure in [*new, *(key for key in old if key not in new)]:
        place = f"{name}#{figure}"
        if figure not in old:
            findings.append(Finding(place, "was computed again, but isn't recorded"))
        elif figure not in new:
            findings.append(Finding(place, "is recorded, but computing again doesn't give it"))
        else:
            findings += [
                value_finding(place, key, a, b)
                for key, a, b in differences(old[figure], new[figure])
            ]
    return findings


def value_finding(place: str, key: str, recorded: Any, again: Any) -> Finding:
    """Say which value differs, and by how much."""
    by = ""
    if _is_number(recorded) and _is_number(again):
        by = f" by {abs(recorded - again):.3g}"
    what = f"{key} differs{by} from what computing again gives"
    return Finding(place, what, _short(again), _short(recorded))


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves at which two JSON values differ: key, old, new."""
    if isinstance(old, dict) and isinstance(new, dict):
        for part in [*new, *(name for name in old if name not in new)]:
            inner = f"{key}.{part}" if key else str(part)
            yield from differences(old.get(part), new.get(part), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{key}.{index}" if key else str(index))
    elif old != new or type(old) is not type(new):
        yield key, old, new


def _by_id(figures: Any) -> dict[str, dict[str, Any]]:
    entries = figures if isinstance(figures, list) else []
    return {str(f.get("id")): f for f in entries if isinstance(f, dict)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

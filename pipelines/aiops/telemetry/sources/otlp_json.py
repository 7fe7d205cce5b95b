"""What OTLP JSON of logs and metrics shares (OpenTelemetry protocol 1.x, JSON mapping)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.aiops.telemetry.batch import MalformedError
from pipelines.aiops.telemetry.sources.records import content_of, listing, mapping, parse_json

_WHOLE = 64 << 20
_MOST_DEPTH = 16


def documents(path: Path) -> Iterator[tuple[int, Any, str]]:
    """JSON documents of a file, one a line or one in all: line, document, and what is wrong."""
    from pipelines.aiops.telemetry.sources.records import lines_of

    first = next(lines_of(path), None)
    if first is None:
        return
    try:
        json.loads(first[1])
    except (ValueError, RecursionError):
        if path.stat().st_size <= _WHOLE:
            try:
                yield 1, parse_json(content_of(path)), ""
                return
            except MalformedError:
                pass
    for number, line in lines_of(path):
        try:
            yield number, parse_json(line), ""
        except MalformedError as error:
            yield number, line, str(error)


def items(record: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Objects in a list; a list that is missing is empty, as the protocol says."""
    for one in listing(record.get(key) or [], key):
        yield mapping(one, key)


def attributes_of(pairs: Any) -> dict[str, str]:
    """Attributes as texts."""
    from pipelines.aiops.logs.reading.records import sound

    found: dict[str, str] = {}
    for pair in listing(pairs or [], "attributes"):
        one = mapping(pair, "attribute")
        found[sound(str(one.get("key") or ""))] = sound(value_of(one.get("value")))
    found.pop("", None)
    return found


def value_of(value: Any) -> str:
    """Text of an ``AnyValue``."""
    from pipelines.aiops.logs.reading.records import text_of

    return text_of(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict) or depth > _MOST_DEPTH:
        return value if isinstance(value, str) else None
    for key in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if key in value:
            return value[key]
    if "intValue" in value:
        return int(value["intValue"]) if str(value["intValue"]).lstrip("-").isdigit() else None
    if "arrayValue" in value:
        return [_plain(one, depth + 1) for one in (value["arrayValue"] or {}).get("values") or []]
    if "kvlistValue" in value:
        pairs = (value["kvlistValue"] or {}).get("values") or []
        return {str(one.get("key")): _plain(one.get("value"), depth + 1) for one in pairs}
    return None

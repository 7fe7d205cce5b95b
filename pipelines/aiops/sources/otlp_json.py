"""What OTLP JSON of traces, logs and metrics shares: lists, attributes, values.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from pipelines.aiops.sources.records import listing, mapping

_MOST_DEPTH = 16
_PLAIN = ("stringValue", "boolValue", "doubleValue", "bytesValue")


def items(record: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Objects in a list; a list that is missing is empty, as the protocol says."""
    for item in listing(record.get(key) or [], key):
        yield mapping(item, key)


def texts_of(record: dict[str, Any]) -> dict[str, str]:
    """Attributes of a resource, record or data point as texts; one without a name is left out."""
    from pipelines.aiops.log_parsing.records import replace_surrogates, text_of

    found = attributes_of(record)
    return {
        replace_surrogates(name): replace_surrogates(text_of(value))
        for name, value in found.items()
        if name
    }


def attributes_of(record: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a resource, scope, span or event as plain values."""
    return _pairs(record.get("attributes"), "attributes", 0)


def _pairs(pairs: Any, what: str, depth: int) -> dict[str, Any]:
    named = [mapping(pair, "attribute") for pair in listing(pairs or [], what)]
    return {
        str(attribute.get("key") or ""): plain_value(attribute.get("value"), depth)
        for attribute in named
    }


def plain_value(value: Any, depth: int = 0) -> Any:
    """Value of an ``AnyValue``; what is none, or lies too deep, is None.

    Raises
    ------
    MalformedError
        If a list or an object in it isn't one.
    """
    if not isinstance(value, dict) or depth > _MOST_DEPTH:
        return value if isinstance(value, str) else None
    if (array := get(value, "arrayValue")) is not None:
        inside = listing(mapping(array, "arrayValue").get("values") or [], "values")
        return [plain_value(item, depth + 1) for item in inside]
    if (pairs := get(value, "kvlistValue")) is not None:
        return _pairs(mapping(pairs, "kvlistValue").get("values"), "values", depth + 1)
    if (whole := get(value, "intValue")) is not None:
        try:
            return int(str(whole))
        except ValueError:
            return str(whole)
    return get(value, *_PLAIN)


def get(record: dict[str, Any], *names: str) -> Any:
    """Value under the first name that is there, in camel or in snake case: JSON has both."""
    both = (form for name in names for form in (name, _snake(name)))
    return next((record[name] for name in both if record.get(name) is not None), None)


@cache
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)

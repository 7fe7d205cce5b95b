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
    """Iterate over the objects in a list; a list that is missing is empty, as the protocol says.

    Parameters
    ----------
    record : dict
    key : str
        Where the list is.

    Yields
    ------
    dict

    Raises
    ------
    MalformedError
        If it isn't a list, or an item isn't an object.
    """
    for item in listing(record.get(key) or [], key):
        yield mapping(item, key)


def texts_of(record: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a resource, record or data point as texts.

    Parameters
    ----------
    record : dict
        With a list ``attributes``, or without.

    Returns
    -------
    dict of str to str
        One without a name is left out.

    Raises
    ------
    MalformedError
        If the attributes aren't a list of objects.
    """
    from pipelines.aiops.log_parsing.records import replace_surrogates, text_of

    found = attributes_of(record)
    return {
        replace_surrogates(name): replace_surrogates(text_of(value))
        for name, value in found.items()
        if name
    }


def attributes_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, scope, span or event as plain values.

    Parameters
    ----------
    record : dict
        With a list ``attributes``, or without.

    Returns
    -------
    dict
        Values as `plain_value` returns them.

    Raises
    ------
    MalformedError
        If the attributes aren't a list of objects.
    """
    return _pairs(record.get("attributes"), "attributes", 0)


def _pairs(pairs: Any, what: str, depth: int) -> dict[str, Any]:
    named = [mapping(pair, "attribute") for pair in listing(pairs or [], what)]
    return {
        str(attribute.get("key") or ""): plain_value(attribute.get("value"), depth)
        for attribute in named
    }


def plain_value(value: Any, depth: int = 0) -> Any:
    """Return the value of an ``AnyValue``.

    Parameters
    ----------
    value : dict, str or other
        A text stands for itself.
    depth : int
        How deep it lies in others; beyond 16 there is no value.

    Returns
    -------
    str, bool, int, float, list, dict or None
        None for no value. Bytes stay base64.

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
    """Return the value under the first name that is there.

    Parameters
    ----------
    record : dict
    *names : str
        In camelCase; each is looked for in snake_case too, because JSON has both.

    Returns
    -------
    JSON value or None
        None if none of them is there.
    """
    both = (form for name in names for form in (name, _snake(name)))
    return next((record[name] for name in both if record.get(name) is not None), None)


@cache
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)

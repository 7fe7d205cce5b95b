"""Canonical JSON after RFC 8785 (JSON Canonicalization Scheme): equal values give equal bytes.

UTF-8; no white space; keys sorted by their UTF-16 code units; strings with the shortest escapes;
numbers as ECMAScript prints them (``1.0`` is ``1``, ``1e-7`` is ``1e-7``, ``-0.0`` is ``0``). Not
finite numbers, integers beyond ±(2^53 − 1) and lone surrogates have no canonical form; nor, here,
have values nested deeper than 64.

Sources: https://www.rfc-editor.org/rfc/rfc8785 section 3.2; ECMA-262, Number::toString.
"""

import json
import math
from decimal import Decimal
from typing import Any

_LARGEST = 2**53 - 1
_DEPTH = 64


def canonical(value: Any) -> bytes:
    """Write a JSON value in canonical form.

    Parameters
    ----------
    value : None, bool, int, float, str, list, tuple or dict
        Nested at most 64 deep; keys are text.

    Returns
    -------
    bytes
        UTF-8, without white space.

    Raises
    ------
    ValueError
        If the value isn't JSON, or has no canonical form; the message says which value.

    References
    ----------
    RFC 8785, JSON Canonicalization Scheme, section 3.2.
    """
    return _text(value, _DEPTH).encode()


def parse(line: bytes) -> Any:
    """Read JSON; the counterpart of `canonical`.

    Parameters
    ----------
    line : bytes
        JSON in UTF-8.

    Returns
    -------
    None, bool, int, float, str, list or dict
        Whole numbers beyond ±(2^53 − 1) come back as float.

    Raises
    ------
    ValueError
        If `line` isn't JSON (``NaN`` and ``Infinity`` aren't).
    """
    try:
        return json.loads(line.decode(), parse_constant=_refuse, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _text(value: Any, depth: int) -> str:
    if depth < 0:
        raise ValueError("nested too deeply")
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError(f"{value} is too large for JSON's numbers; write it as text")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(_text(item, depth - 1) for item in value)}]"
    if isinstance(value, dict):
        return _object(value, depth - 1)
    raise ValueError(f"{value!r} ({type(value).__name__}) isn't a JSON value")


def _object(value: dict[Any, Any], depth: int) -> str:
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"key {key!r} isn't text")
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{_text(key, depth)}:{_text(value[key], depth)}" for key in keys) + "}"


def _number(value: float) -> str:
    """Print a number as ECMAScript does; Python finds the same shortest digits."""
    if not math.isfinite(value):
        raise ValueError(f"{value} isn't a JSON number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    _, digit_tuple, exponent = Decimal(repr(abs(float(value)))).as_tuple()
    digits = "".join(str(digit) for digit in digit_tuple)
    point = len(digits) + int(exponent)
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Digits with the decimal point after the first `point` of them."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


def _whole(text: str) -> int | float:
    """Whole numbers that only a float can mean (``100000000000000000000``) come back as float."""
    number = int(text)
    return number if abs(number) <= _LARGEST else float(text)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} isn't a JSON number")

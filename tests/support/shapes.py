"""Hold JSON against the type that a command promises."""

import json
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel


def faults(value: Any, kind: Any, where: str = "$") -> list[str]:
    """Name every place at which a JSON value isn't of the type: keys missing, unknown, wrong."""
    if kind is Any:
        return []
    if get_origin(kind) is UnionType:
        tried = [faults(value, each, where) for each in get_args(kind)]
        return [] if [] in tried else min(tried, key=len)
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        if not isinstance(value, dict) or value.keys() != hints.keys():
            return [f"{where}: {value!r} has not the keys {sorted(hints)}"]
        return [f for key, of in hints.items() for f in faults(value[key], of, f"{where}.{key}")]
    if get_origin(kind) is list and isinstance(value, list):
        [of] = get_args(kind)
        return [f for n, each in enumerate(value) for f in faults(each, of, f"{where}[{n}]")]
    if get_origin(kind) is dict and isinstance(value, dict):
        of = get_args(kind)[1]
        return [f for key, each in value.items() for f in faults(each, of, f"{where}.{key}")]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        same = json.loads(kind.model_validate_json(json.dumps(value)).model_dump_json())
        return [] if same == value else [f"{where}: {value!r} becomes {same!r}"]
    if get_origin(kind) in (list, dict):
        return [f"{where}: {value!r} is no {kind}"]
    wanted = (int, float) if kind is float else (kind or NoneType,)
    good = isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
    return [] if good else [f"{where}: {value!r} is no {kind}"]

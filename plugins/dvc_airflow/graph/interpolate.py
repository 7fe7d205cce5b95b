"""``${}`` in dvc.yaml, by the rules of DVC's own interpolation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any, Final

PRIMITIVES: Final = (int, float, str, bytes, bool)
_PLACEHOLDER: Final = re.compile(r"(?<!\\)\${(?P<inner>.*?)}")
_WORD: Final = r"[^.\[\]]+"
_EXPRESSION: Final = re.compile(rf"{_WORD}(?:\s*\.{_WORD}|\s*\[{_WORD}\s*\])*\s*")

Select = Callable[[str], Any]


class TemplateError(Exception):
    """A placeholder is malformed, or its value cannot stand where it is."""


@dataclass(frozen=True)
class FromContext:
    """A value that a whole ``${}`` stood for.

    DVC writes a boolean as ``True`` in a stage's name when it comes from a variable but
    as ``true`` when it stands in dvc.yaml, so the difference has to be carried along.
    """

    value: Any


@dataclass(frozen=True)
class Style:
    """How dictionaries become command-line options (``parsing`` in DVC's config)."""

    booleans: str = "store_true"
    lists: str = "nargs"


def placeholders(text: str) -> list[re.Match[str]]:
    """Find every unescaped ``${}``."""
    return list(_PLACEHOLDER.finditer(text))


def has_placeholder(value: object) -> bool:
    """Whether a value is a string with a ``${}`` in it."""
    return isinstance(value, str) and bool(placeholders(value))


def is_composite(value: object) -> bool:
    """Whether a value is a mapping or a list (a string is neither)."""
    value = value.value if isinstance(value, FromContext) else value
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str)


def check_expressions(value: Any) -> None:
    """Refuse malformed placeholders anywhere in a value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_expressions(key)
            check_expressions(item)
    elif isinstance(value, list):
        for item in value:
            check_expressions(item)
    elif isinstance(value, str):
        for match in placeholders(value):
            if not _EXPRESSION.fullmatch(match["inner"]):
                msg = f"cannot read {match.group(0)!r}; write ${{name}}, ${{a.b}} or ${{a[0]}}"
                raise TemplateError(msg)


def to_text(value: Any, style: Style | None = None) -> str:
    """Write a value into a string the way DVC does."""
    if isinstance(value, FromContext):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return _options(value, style or Style())
    return str(value)


def _options(value: dict[str, Any], style: Style) -> str:
    parts: list[str] = []
    for key, item in _flatten(value).items():
        if isinstance(item, bool):
            if item:
                parts.append(f"--{key}")
            elif style.booleans == "boolean_optional":
                parts.append(f"--no-{key}")
        elif isinstance(item, str):
            parts.append(f"--{key} {quote(item)}")
        elif isinstance(item, Iterable):
            parts.extend(_list_options(key, list(item), style))
        else:
            parts.append(f"--{key} {item}")
    return " ".join(parts)


def _list_options(key: str, items: list[Any], style: Style) -> Iterable[str]:
    for number, item in enumerate(items):
        if isinstance(item, str):
            text = quote(item)
        elif isinstance(item, Iterable):
            msg = f"cannot write a list inside a list ('{key}') as options"
            raise TemplateError(msg)
        else:
            text = str(item)
        first = number == 0 or style.lists == "append"
        yield f"--{key} {text}" if first else text


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            flat.update(_flatten(item, f"{name}."))
        else:
            flat[name] = item
    return flat


def resolve(
    value: Any, select: Select, key: str | None, style: Style, *, wrap: bool = False
) -> Any:
    """Replace every placeholder in a value, recursively.

    Parameters
    ----------
    value : Any
        Data from dvc.yaml.
    select : callable
        Gives the value for an expression; raises when there is none.
    key : str or None
        The stage's key being resolved; decides what kinds of value may stand there.
    style : Style
        How dictionaries are written into commands.
    wrap : bool
        Mark values that came from variables (see `FromContext`).
    """
    if isinstance(value, Mapping):
        return {
            resolve(k, select, key, style): resolve(v, select, key, style, wrap=wrap)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [resolve(item, select, key, style, wrap=wrap) for item in value]
    if isinstance(value, str):
        return _resolve_text(value, select, key, style, wrap=wrap)
    return value


def _resolve_text(text: str, select: Select, key: str | None, style: Style, *, wrap: bool) -> Any:
    found = placeholders(text)
    if len(found) == 1 and found[0].group(0) == text:
        value = select(found[0]["inner"])
        _check_kind(value, key)
        return FromContext(value) if wrap else value
    index, pieces = 0, []
    for match in found:
        value = select(match["inner"])
        _check_kind(value, key)
        pieces += [text[index : match.start()], to_text(value, style)]
        index = match.end()
    pieces.append(text[index:])
    return "".join(pieces).replace(r"\${", "${")


def _check_kind(value: Any, key: str | None) -> None:
    if value is None or isinstance(value, PRIMITIVES) or key is None:
        return
    if isinstance(value, dict) and key == "cmd":
        return
    kind = type(value).__name__
    msg = f"a {kind} cannot be put here; only a number, a string or a boolean can"
    raise TemplateError(msg)

"""The variables that ``${}`` can name, and which file each came from."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph.datafile import load_data
from dvc_airflow.graph.interpolate import PRIMITIVES

DEFAULT_PARAMS: Final = "params.yaml"

# File to the parts of a key to the value it has instead.
Overrides = Mapping[str, Mapping[tuple[str, ...], Any]]

# Where a value came from: a file's path, or None when dvc.yaml itself holds it; a tree
# of the same shape as the data for mappings.
Origin = Any


class ContextError(Exception):
    """A variable is missing, is defined twice, or cannot be loaded."""


@dataclass
class Context:
    """Variables of one dvc.yaml (or of one stage in it)."""

    root: Path
    data: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Origin] = field(default_factory=dict)
    imports: dict[str, list[str] | None] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    used: set[tuple[str, str]] = field(default_factory=set)
    overrides: Overrides = field(default_factory=dict)

    def clone(self) -> Context:
        """Return a copy that can be added to without changing this one."""
        return Context(
            self.root,
            _copy(self.data),
            _copy(self.origin),
            {k: list(v) if v else v for k, v in self.imports.items()},
            self.reserved,
            overrides=self.overrides,
        )

    def with_items(self, items: Mapping[str, Any]) -> Context:
        """Return a copy with a foreach's ``item`` and ``key``, which win over variables."""
        clone = Context(
            self.root, {**self.data}, {**self.origin}, self.imports, overrides=self.overrides
        )
        for key, value in items.items():
            clone.data[key] = usable(value, key)
            clone.origin[key] = None
        clone.reserved = self.reserved | set(items)
        return clone

    def select(self, expression: str) -> Any:
        """Return the value an expression names; remembers what was used."""
        parts = [p.strip() for p in expression.replace("[", ".").replace("]", "").split(".")]
        value: Any = self.data
        for part in parts:
            value = _step(value, part, expression)
        self._remember(parts)
        return value

    def load_vars(self, items: Iterable[str | dict[str, Any]], wdir: str, default: bool) -> None:
        """Load a ``vars`` list, after params.yaml beside it if asked to."""
        if default and (self.root / wdir / DEFAULT_PARAMS).exists():
            self._load_file(DEFAULT_PARAMS, wdir)
        for item in items:
            if isinstance(item, str):
                self._load_file(item, wdir)
            else:
                self._merge(usable(item, "vars"), None)

    def _load_file(self, item: str, wdir: str) -> None:
        name, _, keys_text = item.partition(":")
        path = posixpath.normpath(posixpath.join(wdir, name))
        keys = [key for key in keys_text.split(",") if key] if keys_text else None
        if path in self.imports:
            if not keys and self.imports[path] is None:
                return  # DVC allows to name a whole file several times
            self._check_not_loaded(path, item, keys)
        self._merge(self._read(path, keys), path)
        earlier = self.imports.get(path)
        self.imports[path] = [*(earlier or []), *keys] if keys else None

    def _check_not_loaded(self, path: str, item: str, keys: list[str] | None) -> None:
        loaded = self.imports[path]
        if keys and loaded is None:
            msg = f"cannot load part of {item!r}: the whole file is loaded already"
            raise ContextError(msg)
        if loaded is not None and (not keys or set(keys) & set(loaded)):
            msg = f"cannot load {item!r}: part of it is loaded already"
            raise ContextError(msg)

    def _read(self, path: str, keys: list[str] | None) -> dict[str, Any]:
        full = self.root / path
        if not full.is_file():
            msg = f"variables file {path!r} does not exist"
            raise ContextError(msg)
        data = overridden(load_data(full, path), self.overrides.get(path, {}))
        if not isinstance(data, Mapping):
            msg = f"variables file {path!r} must hold a mapping, not a {type(data).__name__}"
            raise ContextError(msg)
        if keys:
            missing = [key for key in keys if key not in data]
            if missing:
                msg = f"there is no {missing[0]!r} in {path!r}"
                raise ContextError(msg)
            data = {key: data[key] for key in keys}
        found: dict[str, Any] = usable(data, path)
        return found

    def _merge(self, update: dict[str, Any], source: str | None) -> None:
        taken = sorted(self.reserved & update.keys())
        if taken:
            msg = f"{taken[0]!r} is reserved inside foreach and matrix; rename the variable"
            raise ContextError(msg)
        _merge(self.data, self.origin, update, source, "")

    def _remember(self, parts: list[str]) -> None:
        origin: Origin = self.origin
        for depth, part in enumerate(parts):
            if not isinstance(origin, dict):
                if origin is not None:
                    self.used.add((origin, ".".join(parts[:depth])))
                return
            origin = origin.get(part)
        self.used.update(_leaves(origin, ".".join(parts)))


def overridden(data: Any, changes: Mapping[tuple[str, ...], Any]) -> Any:
    """Return a parameter file's content with other values for some keys that it has."""
    for parts, value in changes.items():
        data = _with_value(data, parts, value)
    return data


def _with_value(data: Any, parts: tuple[str, ...], value: Any) -> Any:
    if not parts:
        return value
    if not isinstance(data, Mapping) or parts[0] not in data:
        return data
    return {**data, parts[0]: _with_value(data[parts[0]], parts[1:], value)}


def usable(value: Any, where: str) -> Any:
    """Return a value as DVC's context holds it: keys that are no strings are left out."""
    if value is None or isinstance(value, PRIMITIVES):
        return value
    if isinstance(value, Mapping):
        return {k: usable(v, f"{where}.{k}") for k, v in value.items() if isinstance(k, str)}
    if isinstance(value, list):
        return [usable(item, f"{where}[{i}]") for i, item in enumerate(value)]
    msg = f"{where!r} is a {type(value).__name__}, which DVC cannot use; put it in quotes"
    raise ContextError(msg)


def _step(value: Any, part: str, expression: str) -> Any:
    try:
        if isinstance(value, list):
            return value[int(part)]
        if isinstance(value, dict):
            return value[part]
    except (LookupError, ValueError):
        pass
    known = f"; there is {_some(value)}" if isinstance(value, dict) and value else ""
    msg = f"there is no variable '{expression}'{known}"
    raise ContextError(msg)


def _some(value: dict[str, Any]) -> str:
    names = sorted(value)
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _merge(
    into: dict[str, Any],
    origin: dict[str, Origin],
    update: dict[str, Any],
    source: str | None,
    prefix: str,
) -> None:
    for key, value in update.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, origin[key], value, source, f"{prefix}{key}.")
        elif key in into:
            first = origin[key] if isinstance(origin[key], str) else "an earlier entry"
            msg = f"'{prefix}{key}' is defined twice: by {first} and by {source or 'vars'}"
            raise ContextError(msg)
        else:
            into[key] = _copy(value)
            origin[key] = _origins(value, source)


def _origins(value: Any, source: str | None) -> Origin:
    if isinstance(value, dict):
        return {key: _origins(item, source) for key, item in value.items()}
    return source


def _leaves(origin: Origin, key: str) -> Iterable[tuple[str, str]]:
    if isinstance(origin, dict):
        for name, item in origin.items():
            yield from _leaves(item, f"{key}.{name}")
    elif origin is not None:
        yield origin, key


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


def join(*parts: str) -> str:
    """Join and normalise project-relative paths."""
    return os.path.normpath(posixpath.join(*parts))

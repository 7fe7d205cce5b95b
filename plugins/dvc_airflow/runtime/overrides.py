"""Write changed parameters into a parameter file, keeping its comments.

Exactly the named keys change. In YAML a node may stand in several places (anchors, merge keys), so
the nodes on the way to a key are copied before it is set; and what was written is read again and
compared with what was meant, whatever the format.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph.context import overridden
from dvc_airflow.graph.datafile import load_data
from dvc_airflow.runtime.errors import WorkspaceError

DEFAULT_FILE: Final = "params.yaml"

Changes = Mapping[tuple[str, ...], Any]


def split_key(key: str) -> tuple[str, list[str]]:
    """``train.lr`` or ``other.yaml:train.lr`` as (file, parts of the key)."""
    file, found, rest = key.rpartition(":")
    return (file if found else DEFAULT_FILE), rest.split(".")


def by_file(overrides: Mapping[str, Any]) -> dict[str, dict[tuple[str, ...], Any]]:
    """Return overrides as file to the parts of a key to its value."""
    found: dict[str, dict[tuple[str, ...], Any]] = {}
    for key, value in overrides.items():
        file, parts = split_key(key)
        found.setdefault(file, {})[tuple(parts)] = value
    return found


def apply_overrides(
    project: Path, overrides: Mapping[str, Any], root: Path | None = None
) -> list[str]:
    """Write overrides into the parameter files; returns the files that changed.

    Parameters
    ----------
    project : Path
        The project in the run's copy.
    overrides : mapping
        Key (``other.yaml:train.lr`` for files other than params.yaml) to value.
    root : Path, optional
        The copy: nothing outside it is written, whatever links there are. The project by default.

    Raises
    ------
    WorkspaceError
        If there is no such file or key, or the format cannot hold the value.
    """
    files = by_file(overrides)
    for file, changes in files.items():
        path = project / file
        if not path.is_file():
            msg = f"cannot override {sorted(changes)}: the run's commit has no {file}"
            raise WorkspaceError(msg)
        if not path.resolve().is_relative_to((root or project).resolve()):
            msg = f"cannot override {sorted(changes)}: {file} is a link out of the repository"
            raise WorkspaceError(msg)
        _apply(path, file, changes)
    return sorted(files)


def _apply(path: Path, file: str, changes: Changes) -> None:
    data = load_data(path, file)
    _require_keys(data, changes, path.name)
    needed = {parts: value for parts, value in changes.items() if not _is_set(data, parts, value)}
    if not needed:
        return
    meant = overridden(data, needed)
    text = path.read_bytes().decode("utf-8")
    for write in _writers(path.suffix.lower()):
        try:
            path.write_bytes(write(text, needed, meant).encode("utf-8"))
            if _same(load_data(path, file), meant):
                return
        except Exception:  # the next way; if there is none, the error below says so
            continue
    path.write_bytes(text.encode("utf-8"))
    keys = ", ".join(".".join(parts) for parts in sorted(needed))
    msg = f"cannot override {keys}: {file} cannot be written with the new value and nothing else"
    raise WorkspaceError(msg)


def _require_keys(data: Any, changes: Changes, file: str) -> None:
    for parts in changes:
        inner = data
        for part in parts[:-1]:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or parts[-1] not in inner:
            msg = f"cannot override '{'.'.join(parts)}': {file} at the run's commit has no such key"
            raise WorkspaceError(msg)


def _is_set(data: Any, parts: tuple[str, ...], value: Any) -> bool:
    for part in parts[:-1]:
        data = data[part]
    return _same(data[parts[-1]], value)


def _same(left: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types all the way down."""
    if type(left) is not type(other):
        return False
    if isinstance(left, dict):
        return left.keys() == other.keys() and all(_same(left[key], other[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(other) and all(map(_same, left, other))
    if isinstance(left, float) and math.isnan(left):
        return math.isnan(other)
    return bool(left == other)


_Writer = Callable[[str, Changes, Any], str]


def _writers(suffix: str) -> list[_Writer]:
    """Ways to write a format, the one that keeps most of the file's looks first."""
    ways: dict[str, list[_Writer]] = {
        ".json": [_write_json],
        ".toml": [_write_toml],
        ".py": [_write_python],
    }
    return ways.get(suffix, [_write_yaml, _write_plain_yaml])


def _write_json(text: str, changes: Changes, meant: Any) -> str:
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    indent = (found[1] if found else 4) if "\n" in text.strip() else None
    end = "\n" if text.endswith("\n") else ""
    return json.dumps(meant, indent=indent, ensure_ascii=text.isascii()) + end


def _write_toml(text: str, changes: Changes, meant: Any) -> str:
    import tomlkit

    document: Any = tomlkit.parse(text)
    for parts, value in changes.items():
        inner = document
        for part in parts[:-1]:
            inner = inner[part]
        inner[parts[-1]] = value
    return tomlkit.dumps(document)


def _write_python(text: str, changes: Changes, meant: Any) -> str:
    raw = text.encode("utf-8")
    for parts, value in changes.items():
        first, last = _python_span(ast.parse(raw).body, parts, raw)
        raw = raw[:first] + repr(value).encode("utf-8") + raw[last:]
    return raw.decode("utf-8")


def _python_span(body: list[ast.stmt], parts: tuple[str, ...], raw: bytes) -> tuple[int, int]:
    """Return from where to where the value of a key stands; what `load_data` finds there."""
    first, *rest = parts
    found: ast.expr | tuple[int, int] | None = None
    for statement in body:
        if isinstance(statement, ast.ClassDef) and statement.name == first:
            found = _python_span(statement.body, tuple(rest), raw)
        elif isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            inner = [node for node in statement.body if first in _names(node)]
            found = _value_of(inner[-1]) if inner else found
        elif first in _names(statement):
            found = _value_of(statement)
    if isinstance(found, tuple):
        return found
    for part in rest:
        assert isinstance(found, ast.Dict)
        keys = [key.value if isinstance(key, ast.Constant) else None for key in found.keys]
        found = found.values[len(keys) - 1 - keys[::-1].index(part)]
    assert found is not None
    lines = raw.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    assert found.end_lineno is not None
    assert found.end_col_offset is not None
    return (
        starts[found.lineno - 1] + found.col_offset,
        starts[found.end_lineno - 1] + found.end_col_offset,
    )


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return set()
    return {
        target.id if isinstance(target, ast.Name) else target.attr
        for target in targets
        if isinstance(target, ast.Name | ast.Attribute)
    }


def _value_of(statement: ast.stmt) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None


def _write_yaml(text: str, changes: Changes, meant: Any) -> str:
    yaml = _yaml(text)
    data = yaml.load(text)
    for parts, value in changes.items():
        data = _with_own(data, parts, _quoted(value), _references(data))
    return _dumped(yaml, data, text)


def _write_plain_yaml(text: str, changes: Changes, meant: Any) -> str:
    """Without comments and shared nodes: for a file that holds them where no writer keeps them."""
    return _dumped(_yaml(text), _quoted(meant), text)


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay as they are
    yaml.indent(**_indentation(text))
    return yaml


def _dumped(yaml: Any, data: Any, text: str) -> str:
    stream = io.StringIO()
    yaml.dump(data, stream)
    written = stream.getvalue()
    return written.replace("\n", "\r\n") if "\r\n" in text else written


def _references(data: Any) -> dict[int, int]:
    """In how many places each collection stands, by its identity; a merge key is a place too."""
    counts: dict[int, int] = {}
    waiting = [data]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict | list):
            continue
        counts[id(node)] = counts.get(id(node), 0) + 1
        if counts[id(node)] > 1:
            continue
        if isinstance(node, dict):
            waiting += [value for key, value in node.items() if _is_own(node, key)]
            waiting += _merged(node)
        else:
            waiting += node
    return counts


def _merged(node: Any) -> list[Any]:
    """Return the mappings that a mapping merges (``<<``)."""
    return list(getattr(node, "_yaml_merge", ()))


def _is_own(node: Any, key: object) -> bool:
    """Whether a key stands in the mapping itself, not in one that it merges."""
    return key in getattr(node, "_ok", node)


def _with_own(
    node: Any,
    parts: tuple[str, ...],
    value: Any,
    counts: Mapping[int, int],
    *,
    shared: bool = False,
) -> Any:
    """Return the node with another value at a key; what stands elsewhere too stays as it is."""
    if shared := shared or counts.get(id(node), 0) > 1:
        node = _own_copy(node)  # and with it what is in it: it stands in both now
    first, *rest = parts
    if rest:
        inner = shared or not _is_own(node, first)
        value = _with_own(node[first], tuple(rest), value, counts, shared=inner)
    node[first] = value
    return node


def _own_copy(node: Any) -> Any:
    """Copy a mapping but not what is in it; the copy is nobody's anchor."""
    made = type(node)()
    for key, value in node.items():
        if _is_own(node, key):
            made[key] = value
    node.copy_attributes(made)
    for attribute in ("_yaml_anchor", "_yaml_merge"):
        if hasattr(made, attribute):
            delattr(made, attribute)
    if _merged(node):
        made.add_yaml_merge(node._yaml_merge)
    return made


_LINE_BREAKS = frozenset("\x85\u2028\u2029")
"""What YAML takes for the end of a line: kept only where it is written as an escape."""


def _quoted(value: Any) -> Any:
    """Return the value, its texts with line breaks of Unicode in double quotes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, str) and _LINE_BREAKS.intersection(value):
        return DoubleQuotedScalarString(value)
    return value


def _indentation(text: str) -> dict[str, int]:
    """How the file indents list items, so that untouched lines stay untouched."""
    for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        if line.lstrip().startswith("- ") and before.rstrip().endswith(":"):
            extra = (len(line) - len(line.lstrip())) - (len(before) - len(before.lstrip()))
            return {"mapping": 2, "sequence": extra + 2, "offset": extra}
    return {"mapping": 2, "sequence": 4, "offset": 2}

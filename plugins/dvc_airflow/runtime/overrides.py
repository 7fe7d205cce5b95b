"""Write changed parameters into a parameter file, keeping its comments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dvc_airflow.runtime.errors import WorkspaceError

DEFAULT_FILE: Final = "params.yaml"


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


def apply_overrides(project: Path, overrides: Mapping[str, Any]) -> list[str]:
    """Write overrides into the parameter files; returns the files that changed."""
    files = by_file(overrides)
    for file, changes in files.items():
        path = project / file
        if not path.is_file():
            msg = f"cannot override {sorted(changes)}: the run's commit has no {file}"
            raise WorkspaceError(msg)
        write = _write_json if path.suffix == ".json" else _write_yaml
        write(path, changes)
    return sorted(files)


def _write_yaml(path: Path, changes: Mapping[tuple[str, ...], Any]) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay as they are
    text = path.read_text(encoding="utf-8")
    data = yaml.load(text) or {}
    yaml.indent(**_indentation(text))
    for parts, value in changes.items():
        _set(data, parts, value, path.name)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)


def _indentation(text: str) -> dict[str, int]:
    """How the file indents list items, so that untouched lines stay untouched."""
    for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False):
        if line.lstrip().startswith("- ") and before.rstrip().endswith(":"):
            extra = (len(line) - len(line.lstrip())) - (len(before) - len(before.lstrip()))
            return {"mapping": 2, "sequence": extra + 2, "offset": extra}
    return {"mapping": 2, "sequence": 4, "offset": 2}


def _write_json(path: Path, changes: Mapping[tuple[str, ...], Any]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    for parts, value in changes.items():
        _set(data, parts, value, path.name)
    path.write_text(json.dumps(data, indent=4) + "\n", encoding="utf-8")


def _set(data: Any, parts: tuple[str, ...], value: Any, file: str) -> None:
    for part in parts[:-1]:
        if not isinstance(data, dict) or part not in data:
            msg = f"cannot override '{'.'.join(parts)}': {file} at the run's commit has no such key"
            raise WorkspaceError(msg)
        data = data[part]
    if data.get(parts[-1]) != value or type(data.get(parts[-1])) is not type(value):
        data[parts[-1]] = _quoted(value)


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

"""Skops archives with the same bytes for the same model.

Skops names arrays and nodes after their address in memory and stamps the archive with the time.
Both say nothing about the model, and change from process to process. Here they are replaced:
addresses by numbers in order of first appearance, time stamps by a constant.
"""

import io
import json
import re
import zipfile
from typing import Any

SCHEMA = "schema.json"
_ARRAY = re.compile(r"^(\d+)(\.\w+)$")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold."""


def canonical(archive: bytes) -> bytes:
    """Rewrite a skops archive so that it depends on the model alone.

    Parameters
    ----------
    archive
        What ``skops.io.dumps`` returned.

    Returns
    -------
    bytes
        An archive that skops loads into the same object. Members are stored uncompressed: what a
        compressor makes of them depends on its version.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    numbers: dict[str, int] = {}
    schema = _renumber(json.loads(members.pop(SCHEMA)), numbers)
    named = sorted((_array_number(name, numbers), name) for name in members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        _add(target, SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
        for _, name in named:
            _add(target, _renamed(name, numbers), members[name])
    return buffer.getvalue()


def _renumber(node: Any, numbers: dict[str, int]) -> Any:
    """Replace every address in the tree, in the order in which a reader meets them."""
    if isinstance(node, dict):
        return {key: _value(key, value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        return [_renumber(item, numbers) for item in node]
    return node


def _value(key: str, value: Any, numbers: dict[str, int]) -> Any:
    if key == "__id__":
        return _number(str(value), numbers)
    if key == "file" and isinstance(value, str):
        return _renamed(value, numbers)
    return _renumber(value, numbers)


def _number(address: str, numbers: dict[str, int]) -> int:
    return numbers.setdefault(address, len(numbers) + 1)


def _renamed(name: str, numbers: dict[str, int]) -> str:
    match = _ARRAY.match(name)
    return f"{_number(match[1], numbers)}{match[2]}" if match else name


def _array_number(name: str, numbers: dict[str, int]) -> int:
    match = _ARRAY.match(name)
    return _number(match[1], numbers) if match else 0


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3  # else the platform that writes shows in the bytes
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, content)


def types_in(archive: bytes) -> set[str]:
    """Full names of all types and functions that loading `archive` would construct or call.

    Raises
    ------
    ValueError, KeyError, zipfile.BadZipFile
        If it isn't a skops archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = json.loads(source.read(SCHEMA))
    found: set[str] = set()
    _collect(schema, found)
    return found


def _collect(node: Any, found: set[str]) -> None:
    if isinstance(node, dict):
        # Skops resolves names from these two keys, and for functions and methods from "content".
        module = node.get("__module__", node.get("module_path"))
        name = node.get("__class__", node.get("function"))
        if module is not None or name is not None:
            found.add(f"{module}.{name}")
        for value in node.values():
            _collect(value, found)
    elif isinstance(node, list):
        for value in node:
            _collect(value, found)

"""A JSON schema of a project's parameters: titles, units, choices and limits for the form.

The schema describes the whole parameter file, as an editor reads it too. Airflow's form wants one
flat schema a parameter: no ``$ref``, a ``type`` that says whether null is allowed, choices in
``enum``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph.errors import PipelineError

Schema = dict[str, Any]

_LEFT_OUT: Final = ("$defs", "$schema", "default", "discriminator")
_WORDS: Final = ("title", "description", "unit")


class ParamSchema:
    """What a JSON schema file says of single parameters.

    Parameters
    ----------
    root : mapping
        The schema of the whole parameter file.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    @classmethod
    def load(cls, project: Path, file: str) -> ParamSchema:
        """Read a schema file.

        Parameters
        ----------
        project : Path
            The DVC project.
        file : str
            The file, relative to it.

        Raises
        ------
        PipelineError
            If there is no such file, or it holds no schema.
        """
        try:
            root = json.loads((project / file).read_text(encoding="utf-8"))
        except OSError as error:
            raise PipelineError(
                file, 1, f"cannot be read ({error.strerror}); RenderConfig.schema names it"
            ) from None
        except ValueError as error:
            raise PipelineError(file, getattr(error, "lineno", 1), f"no JSON: {error}") from None
        if not isinstance(root, dict):
            raise PipelineError(file, 1, "a JSON schema must be an object")
        return cls(root)

    def of(self, parts: Sequence[str], data: Any = None) -> Schema | None:
        """Return the flat schema of one parameter.

        Parameters
        ----------
        parts : sequence of str
            The keys that lead to it.
        data : Any
            What the parameter file holds: where the schema has alternatives that a constant tells
            apart (``kind: csv``), those that don't agree with the file are left out.

        Returns
        -------
        dict or None
            None if the schema knows no such parameter.
        """
        nodes: list[Mapping[str, Any]] = [self._root]
        for part in parts:
            nodes = [
                child
                for node in nodes
                for option in self._options(node, data)
                if (child := _child(option, part)) is not None
            ]
            data = data.get(part) if isinstance(data, Mapping) else None
        return None if not nodes else _flat(self._inlined(self._resolved(nodes[0]), ()))

    def _options(self, node: Mapping[str, Any], data: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the object schemas that a node stands for and that the file doesn't contradict."""
        node = self._resolved(node)
        members = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
        for member in members:
            yield from self._options(member, data)
        if "properties" in node or "additionalProperties" in node:
            constants = {
                name: child["const"]
                for name, child in node.get("properties", {}).items()
                if isinstance(child, Mapping) and "const" in child
            }
            known = data if isinstance(data, Mapping) else {}
            if all(known.get(name, value) == value for name, value in constants.items()):
                yield node

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow ``$ref``; what stands beside it counts more."""
        seen: set[str] = set()
        while isinstance(ref := node.get("$ref"), str) and ref not in seen:
            seen.add(ref)
            beside = {key: value for key, value in node.items() if key != "$ref"}
            node = {**self._target(ref), **beside}
        return node

    def _target(self, ref: str) -> Mapping[str, Any]:
        found: Any = self._root
        if not ref.startswith("#"):
            return {}  # another document: nothing is known of it
        for part in filter(None, ref.removeprefix("#").split("/")):
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _inlined(self, node: Any, above: tuple[str, ...]) -> Any:
        """Return a schema without references; one that holds itself allows anything there."""
        if isinstance(node, list):
            return [self._inlined(item, above) for item in node]
        if not isinstance(node, Mapping):
            return node
        ref = node.get("$ref")
        if ref is not None and ref in above:
            return {}
        if isinstance(ref, str):
            return self._inlined(self._resolved(node), (*above, ref))
        nested = above or ("",)  # what describes a part says nothing of the whole
        return {
            key: value if key in ("enum", "const") else self._inlined(value, nested)
            for key, value in node.items()
            if key not in _LEFT_OUT and (not above or key not in _WORDS or _is_names(value))
        }


def _is_names(value: Any) -> bool:
    """Whether a key such as ``title`` is a property's name here, and no word about a schema."""
    return not isinstance(value, str)


def _child(node: Mapping[str, Any], part: str) -> Mapping[str, Any] | None:
    found = node.get("properties", {}).get(part, node.get("additionalProperties"))
    return found if isinstance(found, Mapping) else None


def _flat(schema: Schema) -> Schema:
    """Return a schema as Airflow's form reads it."""
    members = schema.get("anyOf") or schema.get("oneOf")
    if members:
        schema = _without_alternatives(schema, members)
    if "const" in schema:  # the form would hide the field
        schema = {**schema, "enum": [schema["const"]]}
        del schema["const"]
    if schema.get("type") in ("integer", ["null", "integer"]):
        schema = _inclusive(schema)
    choices = schema.get("items", {}).get("enum") if schema.get("type") == "array" else None
    return {**schema, "examples": choices} if choices and "examples" not in schema else schema


def _without_alternatives(schema: Schema, members: Sequence[Any]) -> Schema:
    """Say in ``type`` and ``enum`` what alternatives say, as far as that is the same."""
    members = [_flat(member) if isinstance(member, dict) else {} for member in members]
    others = [member for member in members if member.get("type") != "null"]
    types = list(dict.fromkeys(name for member in members for name in _types(member)))
    if not all(_types(member) for member in members):
        return schema
    if "null" in types:
        types = ["null", *(name for name in types if name != "null")]
    beside = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
    kind = types[0] if len(types) == 1 else types
    if len(others) == 1:
        [member] = others
        beside = {**member, **beside, "type": kind}
        return nullable(beside) if "null" in types else beside
    if all(set(member) == {"type"} for member in members):
        return {**beside, "type": kind}
    return {**schema, "type": kind}


def nullable(schema: Mapping[str, Any]) -> Schema:
    """Return a schema that null keeps as well: without it the form demands a value."""
    types = _types(schema)
    found = dict(schema)
    if types and "null" not in types:
        found["type"] = ["null", *types]
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    if "anyOf" in found and {"type": "null"} not in found["anyOf"]:
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    return found


def _types(schema: Mapping[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else list(found)


def _inclusive(schema: Schema) -> Schema:
    """Give whole numbers the limits that the form knows: it has no exclusive ones."""
    found = dict(schema)
    if isinstance(limit := found.pop("exclusiveMinimum", None), int):
        found["minimum"] = max(limit + 1, found.get("minimum", limit + 1))
    if isinstance(limit := found.pop("exclusiveMaximum", None), int):
        found["maximum"] = min(limit - 1, found.get("maximum", limit - 1))
    return found


def title_of(schema: Mapping[str, Any]) -> str | None:
    """Return a parameter's title with its unit."""
    title, unit = schema.get("title"), schema.get("unit")
    return f"{title} ({unit})" if title and unit else title


def problems(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return what a schema has against a value; nothing if no ``jsonschema`` is installed."""
    try:
        from jsonschema import (  # type: ignore[import-untyped]
            Draft202012Validator,
            FormatChecker,
        )
    except ImportError:
        return []
    found = Draft202012Validator(dict(schema), format_checker=FormatChecker()).iter_errors(value)
    return [_problem(error) for error in found]


def _problem(error: Any) -> str:
    where = "".join(f"[{part!r}]" for part in error.absolute_path)
    return f"{where}: {error.message}" if where else str(error.message)

"""Parameter files: YAML, JSON, TOML and Python, read as DVC reads them."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.yaml_marks import load_marked


def load_data(path: Path, shown: str) -> Any:
    """Read a parameter file; the suffix decides the format, YAML is the default.

    Parameters
    ----------
    path : Path
        The file.
    shown : str
        How error messages name it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PipelineError(shown, 1, f"cannot be read: {exc}") from exc
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _load_json(text, shown)
    if suffix == ".toml":
        return _load_toml(text, shown)
    if suffix == ".py":
        return _load_python(text, shown)
    return load_marked(text, shown).data


def _load_json(text: str, shown: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise PipelineError(shown, exc.lineno, f"this is not valid JSON: {exc.msg}") from exc


def _load_toml(text: str, shown: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PipelineError(shown, 1, f"this is not valid TOML: {exc}") from exc


def _load_python(text: str, shown: str) -> dict[str, Any]:
    try:
        tree = ast.parse(text)
    except SyntaxError as exc:
        problem = f"this is not valid Python: {exc.msg}"
        raise PipelineError(shown, exc.lineno or 1, problem) from exc
    return _assignments(tree.body, own=False)


def _assignments(body: list[ast.stmt], *, own: bool) -> dict[str, Any]:
    """Constants assigned at top level, in classes, and to ``self`` in ``__init__``."""
    found: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            found[statement.name] = _assignments(statement.body, own=False)
        elif isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            found.update(_assignments(statement.body, own=True))
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            found.update(_assignment(statement, own=own))
    return found


def _assignment(statement: ast.Assign | ast.AnnAssign, *, own: bool) -> dict[str, Any]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    name = _target_name(targets[0], own=own) if len(targets) == 1 else None
    if name is None or statement.value is None:
        return {}
    try:
        return {name: ast.literal_eval(statement.value)}
    except ValueError:
        return {}


def _target_name(target: ast.expr, *, own: bool) -> str | None:
    if isinstance(target, ast.Name) and not own:
        return target.id
    is_self = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    if is_self and own and target.value.id == "self":  # type: ignore[attr-defined]
        return str(target.attr)  # type: ignore[attr-defined]
    return None

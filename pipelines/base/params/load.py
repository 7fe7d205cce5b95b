"""Load ``params.yaml``, and say precisely what is wrong with it."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from pipelines.base.artifacts import PARAMS
from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.base.params.gate import GateParams, ReportParams
from pipelines.base.params.model import Section
from pipelines.base.params.stages import (
    BiasAuditParams,
    DriftParams,
    EvaluateParams,
    SplitParams,
    TrainParams,
    ValidateParams,
)


class Params(Section):
    """All of ``params.yaml``; a section is named like the stage that reads it."""

    data: DataParams
    validation: ValidateParams = Field(alias="validate")
    split: SplitParams
    train: TrainParams
    evaluate: EvaluateParams
    bias_audit: BiasAuditParams
    drift: DriftParams
    gate: GateParams
    report: ReportParams


def load_params(path: Path = PARAMS) -> Params:
    """Load and check ``params.yaml``.

    Parameters
    ----------
    path
        The file; the default is the project's own.

    Returns
    -------
    Params
        Every value typed and within its range.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; start in the project's root") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SignalboxError(f"{path}: not valid YAML: {_one_line(str(error))}") from error
    if not isinstance(raw, dict):
        raise SignalboxError(f"{path}: must be a mapping of sections, found {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise SignalboxError(_explain(path, raw, error)) from error


def _explain(path: Path, raw: dict[str, Any], error: ValidationError) -> str:
    """One line a problem, with the key as it stands in the file."""
    lines = [_problem(raw, problem) for problem in error.errors(include_url=False)]
    return f"{path}: " + "; ".join(lines)


def _problem(raw: dict[str, Any], problem: Any) -> str:
    key = ".".join(_keys_in_file(raw, problem["loc"]))
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}); {_siblings(problem['loc'])}"
    if kind == "union_tag_invalid":
        context = problem["ctx"]
        return f"{key}.kind: {context['tag']!r} is not allowed; use {context['expected_tags']}"
    if kind == "missing":
        return f"{key}: key is missing"
    if kind == "value_error":
        return f"{key}: {message.removeprefix('Value error, ')}"
    return f"{key}: {problem['input']!r} is not allowed: {message}"


def _keys_in_file(raw: Any, location: tuple[int | str, ...]) -> list[str]:
    """Drop the parts of pydantic's location that aren't keys (names of union members)."""
    keys: list[str] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if _has(raw, part):
            raw = raw[part]
        elif not last or isinstance(raw, list) or not isinstance(raw, dict):
            continue
        keys.append(str(part))
    return keys


def _has(raw: Any, part: int | str) -> bool:
    if isinstance(raw, list):
        return isinstance(part, int) and part < len(raw)
    return isinstance(raw, dict) and part in raw


def _siblings(location: tuple[int | str, ...]) -> str:
    """Say which keys are allowed beside an unknown one."""
    model: Any = Params
    for part in location[:-1]:
        model = _child(model, part)
    fields = getattr(model, "model_fields", None)
    if not fields:
        return "remove it"
    return f"allowed are {sorted(field.alias or name for name, field in fields.items())}"


def _child(model: Any, part: int | str) -> Any:
    """Model of a key, looking through lists, dictionaries, unions and aliases."""
    fields = getattr(model, "model_fields", None)
    if fields is None:
        return _member(model, part)
    for name, field in fields.items():
        if part in (name, field.alias):
            return _unwrap(field.annotation)
    return model


def _unwrap(annotation: Any) -> Any:
    """Strip ``list[…]``, ``dict[…]``, ``… | None`` and ``Annotated`` down to the model inside."""
    while True:
        arguments = [
            a for a in getattr(annotation, "__args__", ()) if a is not type(None) and a is not str
        ]
        if len(arguments) != 1:
            return annotation
        annotation = arguments[0]


def _member(union: Any, tag: int | str) -> Any:
    """Member of a discriminated union whose ``kind`` is `tag`; the union itself for an index."""
    for member in getattr(union, "__args__", ()):
        kind = getattr(member, "model_fields", {}).get("kind")
        if kind is not None and tag in getattr(kind.annotation, "__args__", ()):
            return member
    return union


def _one_line(text: str) -> str:
    return " ".join(text.split())

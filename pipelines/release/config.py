"""Load sections of ``release.yaml``: what the release path needs and no DVC stage reads.

Approvers, limits and KPIs change without a re-run of the training; so they don't stand in
``params.yaml``, whose values are inputs of stages. Every section is optional and has defaults.
"""

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipelines.base.errors import SignalboxError

Model = TypeVar("Model", bound=BaseModel)

RELEASE_CONFIG = Path("release.yaml")
SECTIONS = frozenset(
    {"approval", "registry", "scoring", "monitoring", "kpis", "privacy", "compliance"}
)
"""Every section there may be: a misspelt one must not pass for "not given"."""


def load_section(path: Path, name: str, model: type[Model]) -> Model:
    """Load one section of ``release.yaml``.

    Parameters
    ----------
    path
        The project's root, or the file itself.
    name
        The section, for example ``approval``.
    model
        Its type; a section (or file) that isn't there gives the defaults.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    file = path / RELEASE_CONFIG if path.is_dir() else path
    raw = _read(file, SECTIONS | {name}).get(name)
    try:
        return model.model_validate({} if raw is None else raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [_explain(name, raw, model, problem) for problem in problems]
        raise SignalboxError(f"{file}: {'; '.join(lines)}") from error


def _read(file: Path, allowed: frozenset[str]) -> dict[str, Any]:
    """All sections of the file, unchecked; nothing if there is no file."""
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SignalboxError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SignalboxError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SignalboxError(f"{file}: must be a mapping of sections, found {type(raw).__name__}")
    unknown = sorted(str(key) for key in raw if key not in allowed)
    if unknown:
        raise SignalboxError(f"{file}: unknown section {unknown}; allowed are {sorted(allowed)}")
    return raw


def _explain(name: str, raw: Any, model: type[BaseModel], problem: Any) -> str:
    """One problem, with the key as it stands in the file."""
    key = ".".join([name, *_keys_in_file(raw, problem["loc"])])
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}); {_allowed(model, problem['loc'])}"
    if kind == "union_tag_invalid":
        context = problem["ctx"]
        return f"{key}: {context['tag']!r} is not allowed; use {context['expected_tags']}"
    if kind == "missing":
        return f"{key}: key is missing"
    if kind == "value_error":
        return f"{key}: {message.removeprefix('Value error, ')}"
    return f"{key}: {problem['input']!r} is not allowed: {message}"


def _keys_in_file(raw: Any, location: tuple[int | str, ...]) -> list[str]:
    """Drop the parts of pydantic's location that aren't keys (names of union members)."""
    keys: list[str] = []
    for index, part in enumerate(location):
        if _has(raw, part):
            raw = raw[part]
        elif index < len(location) - 1 or not isinstance(raw, dict):
            continue
        keys.append(str(part))
    return keys


def _has(raw: Any, part: int | str) -> bool:
    if isinstance(raw, list):
        return isinstance(part, int) and part < len(raw)
    return isinstance(raw, dict) and part in raw


def _allowed(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Say which keys are allowed beside an unknown one."""
    here = [model]
    for part in location[:-1]:
        children = [child for one in here for child in _children(one, part)]
        here = children or here
    names = {field.alias or key for one in here for key, field in one.model_fields.items()}
    return f"allowed are {sorted(names)}" if names else "remove it"


def _children(model: type[BaseModel], key: int | str) -> list[type[BaseModel]]:
    """Models that stand under a key, through lists, dictionaries, unions and aliases."""
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return _models_in(field.annotation)
    return []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models_in(part)]

"""Typed settings from YAML files, and precise words for what is wrong with them.

Unknown keys are errors, and values don't change.

JSON values as typed objects: files are read through the models that their writers have.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.core.errors import SignalboxError

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
_T = TypeVar("_T")
Unset = Annotated[_T | None, BeforeValidator(lambda value: None if value == "" else value)]
"""What may be left out: ``null`` is "not set", and so is an empty text, as forms send it."""
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class Section(BaseModel):
    """Base of every section: strict about keys and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys that were renamed, on the model that a file is checked against: old dotted key from the
    top of the file → new one (``file:key`` if it moved to another file). A value is ``key=value``.
    Places in lists don't count: ``checks.0.figure`` is ``checks.figure``."""


Model = TypeVar("Model", bound=BaseModel)

OTHER_DATA = "what stands there is about another data set"
NOT_FILLED_IN = "not filled in"
"""How every text begins that stands where somebody should have said something."""


def not_filled_in(key: str, file: str = "release.yaml", *, elsewhere: bool = False) -> str:
    """Say that nobody has filled in a key.

    Parameters
    ----------
    key : str
        Path of the key, for example ``privacy.controller``.
    file : str, default "release.yaml"
        Where it belongs.
    elsewhere : bool, default False
        Whether the key says something about another data set.

    Returns
    -------
    str
    """
    other = f" ({OTHER_DATA})" if elsewhere else ""
    return f"{NOT_FILLED_IN}: {file}, {key}{other}"


def is_filled_in(text: str | None) -> TypeGuard[str]:
    """Return whether a text says something."""
    return bool(text and text.strip()) and not str(text).startswith(NOT_FILLED_IN)


class FactsAboutData(Section):
    """Base of sections that state facts about one data set; about another one they say nothing."""

    data_set: Unset[Slug] = None
    """`data.name` that this section is about. If params.yaml names another data set, all facts of
    the section count as not filled in; null = about whatever data set there is."""

    SETTINGS: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no facts about the data and hold whatever the data set is."""

    def is_about(self, data_set: str) -> bool:
        """Return whether the facts are about a data set, named as in ``data.name``."""
        return self.data_set in (None, data_set)

    def facts_about(self, data_set: str) -> Self:
        """Return the section without its facts if they are about another data set.

        Parameters
        ----------
        data_set : str
            ``data.name`` of ``params.yaml``.

        Returns
        -------
        Self
        """
        if self.is_about(data_set):
            return self
        kept = {name: getattr(self, name) for name in (*sorted(self.SETTINGS), "data_set")}
        return type(self)(**kept)


def read_mapping(file: Path) -> dict[str, Any] | None:
    """Read the sections of a file, unchecked; None if it is empty.

    Parameters
    ----------
    file : Path
        YAML file, UTF-8.

    Returns
    -------
    dict of str to object or None
        Section → its content.

    Raises
    ------
    FileNotFoundError
        If it isn't there; whoever asks knows what that means.
    SignalboxError
        If it can't be read, isn't YAML, or isn't a mapping.
    """
    try:
        raw = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SignalboxError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SignalboxError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    if raw is not None and not isinstance(raw, dict):
        raise SignalboxError(f"{file}: must be a mapping of sections, found {type(raw).__name__}")
    return raw


def validate_section(file: Path, raw: Any, model: type[Model], section: str = "") -> Model:
    """Check what a file says against its model.

    Parameters
    ----------
    file : Path
        Where it was read; only named in errors.
    raw : object
        The file's content, or that of one section.
    model : type[Model]
    section : str, default ''
        That section's name, which then begins every key in an error; empty for the whole file.

    Returns
    -------
    Model
        The typed section.

    Raises
    ------
    SignalboxError
        One line a problem: the key's path, the value found, what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [_explain(section, raw, model, problem) for problem in problems]
        raise SignalboxError(f"{file}: {'; '.join(lines)}") from error


def new_name(key: str, renamed: Mapping[str, str]) -> str | None:
    """Find what a key is called now.

    Parameters
    ----------
    key : str
        Dotted key, or ``key=value``.
    renamed : mapping of str to str
        As `Section.renamed`.

    Returns
    -------
    str or None
        The new dotted key, ``file:key`` if it stands in another file; None if neither the key nor
        a section that it stands in was renamed.
    """
    if key in renamed:
        return renamed[key]
    above, dot, last = key.rpartition(".")
    found = new_name(above, renamed) if dot else None
    if found is None:
        return None
    moved = f"{found}.{last}"
    return renamed.get(moved, moved)


def renamed_text(key: str, new: str) -> str:
    """Say what a renamed key is called now, and in which file if it moved."""
    file, colon, name = new.rpartition(":")
    return f"{key} is now {name} in {file}" if colon else f"{key} is now {new}"


def _explain(section: str, raw: Any, model: type[BaseModel], problem: Any) -> str:
    """One problem, with the key as it stands in the file."""
    keys = [*filter(None, [section]), *_keys_in_file(raw, problem["loc"])]
    key = ".".join(keys)
    kind, message = problem["type"], problem["msg"]
    if (text := _renamed(model, keys, problem)) is not None:
        return text
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {problem['input']!r}); {_allowed(model, problem['loc'])}"
    if kind == "union_tag_invalid":
        context = problem["ctx"]
        tag = context["discriminator"].strip("'")
        return f"{key}.{tag}: {context['tag']!r} is not allowed; use {context['expected_tags']}"
    if kind == "missing":
        return f"{key}: key is missing"
    if kind == "value_error":
        return ": ".join(filter(None, [key, message.removeprefix("Value error, ")]))
    return f"{key}: {problem['input']!r} is not allowed: {message}"


def _renamed(model: type[BaseModel], keys: list[str], problem: Any) -> str | None:
    """Say what an old key or value is called now; None if the problem is another one."""
    renamed = getattr(model, "renamed", {})
    key = ".".join(part for part in keys if not part.isdecimal())
    if problem["type"] == "extra_forbidden":
        new = new_name(key, renamed)
        return None if new is None else renamed_text(".".join(keys), new)
    new = renamed.get(f"{key}={problem['input']}") if problem["type"] == "literal_error" else None
    if new is None:
        return None
    return f"{'.'.join(keys)}: {problem['input']} is now {new.rpartition('=')[2]}"


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
        here = _below(here, part) or here
    names = {
        field.alias or key for candidate in here for key, field in candidate.model_fields.items()
    }
    return f"allowed are {sorted(names)}" if names else "remove it"


def _below(models: Iterable[type[BaseModel]], part: int | str) -> list[type[BaseModel]]:
    """Models that stand under a key; those that a union's tag names, if the part is a tag."""
    models = list(models)
    tagged = (
        [candidate for candidate in models if part in _tags(candidate)] if len(models) > 1 else []
    )
    return tagged or [child for candidate in models for child in _children(candidate, part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return () if kind is None else get_args(kind.annotation)


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


T = TypeVar("T")


def validate_as(kind: type[T], value: Any, place: str, advice: str) -> T:
    """Read JSON values as the typed model that their writer has.

    Parameters
    ----------
    kind : type
        A pydantic model or a dataclass; keys that it doesn't have are left out.
    value : object
        JSON values.
    place : str
        Where they stand, with what parts it from a key; begins the message.
    advice : str
        What to do if they have another form; ends the message.

    Returns
    -------
    object
        An object of `kind`.

    Raises
    ------
    SignalboxError
        If a key is missing or has another form; the message names it.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise SignalboxError(f"{place}{where}: {first['msg']}; {advice}") from error
    except SignalboxError as error:
        raise SignalboxError(f"{place}{error}; {advice}") from error

"""Keys of typed sections, as files have them."""

from typing import Any, get_args

from pydantic import BaseModel


def keys_of(model: type[BaseModel], section: str) -> set[str]:
    """Dotted keys of all sections and values, those of lists' entries without their places."""
    found = {section}
    for name, field in model.model_fields.items():
        key = f"{section}.{field.alias or name}"
        found.add(key)
        for below in _models(field.annotation):
            found |= keys_of(below, key)
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models(part)]

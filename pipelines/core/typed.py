"""JSON values as typed objects: files are read through the models that their writers have."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipelines.core.errors import SignalboxError

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

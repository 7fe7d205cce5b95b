"""Candidates and rule sets as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.aiops.noise.rules import RULES, Rule
from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json, write_json


def write_rules(path: Path, rules: Sequence[Rule], **facts: Any) -> None:
    """Write rules and what else belongs to them, the same bytes for the same content."""
    write_json(path, {**facts, "rules": RULES.dump_python(tuple(rules), mode="json")})


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Read the rules of a file.

    Raises
    ------
    SignalboxError
        If it isn't a file of rules.
    """
    content = read_json(path)
    try:
        return RULES.validate_python(_listed(content))
    except (ValidationError, TypeError) as error:
        text = " ".join(str(error).split())
        raise SignalboxError(f"{path}: not a list of noise rules: {text[:300]}") from error


def _listed(content: Any) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        raise TypeError("the key 'rules' with a list is missing")
    return tuple(content["rules"])

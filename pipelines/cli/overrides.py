"""Overrides of parameters on the command line: ``key=value``."""

from typing import Any

import yaml

from pipelines.base.errors import SignalboxError


def parse_overrides(texts: list[str]) -> dict[str, Any]:
    """Parse ``["train.seed=7"]`` into ``{"train.seed": 7}``; values are YAML.

    Raises
    ------
    SignalboxError
        If a text isn't ``key=value``.
    """
    overrides = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SignalboxError(f"--param {text!r}: write key=value, for example train.seed=7")
        overrides[key] = yaml.safe_load(value)
    return overrides

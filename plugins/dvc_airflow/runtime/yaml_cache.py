"""Lets DVC parse the text of a YAML file once in a process, not once a look at it.

For one stage DVC 3.67 reads dvc.yaml, dvc.lock and parameter files some nine times, each time with
ruamel.yaml's parser in pure Python: most of what a cached stage costs. The key is the text itself,
so a file that changed is parsed anew.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from dvc.utils import serialize, strictyaml
from dvc.utils.serialize import _yaml

_KEPT: Final = 64
"""Texts; a project has few files, but dvc.lock's text changes with every stage that runs."""


def parse_yaml_once() -> None:
    """Put a memory in front of DVC's parser; for reading alone, not for round trips."""
    remembered = _remembering(_yaml.parse_yaml)
    for module in (_yaml, serialize, strictyaml):
        module.parse_yaml = remembered


def _remembering(parse: Callable[..., Any]) -> Callable[..., Any]:
    known: OrderedDict[str, bytes] = OrderedDict()

    def parse_yaml(text: str, path: str, typ: str = "safe") -> Any:
        if typ != "safe" or not isinstance(text, str):
            return parse(text, path, typ=typ)
        if text in known:
            known.move_to_end(text)
            # A copy of its own for each caller: some change what they get.
            return pickle.loads(known[text])
        found = parse(text, path, typ=typ)
        known[text] = pickle.dumps(found)
        while len(known) > _KEPT:
            known.popitem(last=False)
        return found

    return parse_yaml

"""YAML as DVC reads it (version 1.2), with the line of every node kept.

DVC reads with ruamel.yaml, whose YAML 1.2 takes ``yes`` for a string and ``1e3`` for a
number; PyYAML's 1.1 does the opposite. PyYAML's C parser is the faster one and keeps
marks, so it parses and composes here, with ruamel's 1.2 rules for plain scalars. Where
the two scanners are known to differ (tabs, directives, tags, unusual line ends …), and
wherever the fast one refuses, ruamel.yaml itself reads the text and has the last word.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import yaml

from dvc_airflow.graph.errors import PipelineError

Path = tuple[object, ...]

_TAG: Final = "tag:yaml.org,2002:"
_COLLECTIONS: Final = (_TAG + "map", _TAG + "seq")
_CONFLICT: Final = re.compile(r"^(?:<{7}|={7}|>{7})(?: .*)?$", re.M)
_DEPTH: Final = 50
_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# (tag, rule, first characters) as in ruamel.yaml's resolver for version 1.2.
_SCALARS: Final = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    (
        "float",
        r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
        |[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
        "-+0123456789.",
    ),
    (
        "int",
        r"^(?:[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+)$",
        "-+0123456789",
    ),
    ("merge", r"^(?:<<)$", "<"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN"),
    (
        "timestamp",
        r"""^(?:[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]
        |[0-9][0-9][0-9][0-9]-[0-9][0-9]?-[0-9][0-9]?
        (?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9][0-9]:[0-9][0-9](?:\.[0-9]*)?
        (?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9][0-9])?))?)$""",
        "0123456789",
    ),
    ("value", r"^(?:=)$", "="),
)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """PyYAML's loader with YAML 1.2's idea of plain scalars."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}


for _name, _rule, _first in _SCALARS:
    _firsts = [*_first, ""] if _name == "null" else list(_first)
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_rule, re.X), _firsts)


@dataclass
class Marked:
    """Plain data of a file under ``root``, and the line (from 1) of every value in it."""

    path: str
    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    root: str = ""

    def line(self, *where: object) -> int:
        """Line of a value, or of the nearest thing around it that has one."""
        for length in range(len(where), -1, -1):
            found = self.lines.get(where[:length])
            if found is not None:
                return found
        return 1

    def error(self, problem: str, *where: object) -> PipelineError:
        """Return an error that points at a value."""
        return PipelineError(self.path, self.line(*where), problem)


# What PyYAML's C scanner takes otherwise than ruamel.yaml's: tabs and other control characters,
# YAML's further line ends, tags, directives, documents, explicit keys, a colon behind a quoted
# key, and block texts that begin with an empty line.
_DOUBTFUL: Final = re.compile(
    r"[^\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|!|^%|^\.\.\.|\n---|\?(?=[\s\[\]{},])|['\"] *:\S|[|>][-+0-9]*(?:#| *(?:#.*)?\n *\n)",
    re.M,
)


def compose(text: str, path: str) -> yaml.Node | None:
    """Parse YAML into nodes with marks; bad YAML raises with its line."""
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    except yaml.YAMLError as exc:
        raise _invalid(path, text, exc) from exc
    finally:
        loader.dispose()
    return node


def _invalid(path: str, text: str, exc: Exception) -> PipelineError:
    """Return the error for text that a YAML reader refused; both readers' errors have marks."""
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    position = getattr(exc, "position", None)
    line = mark.line + 1 if mark else text.count("\n", 0, position or 0) + 1
    problem = getattr(exc, "problem", None) or str(exc) or type(exc).__name__
    if _CONFLICT.search(text):
        line = text.count("\n", 0, _CONFLICT.search(text).start()) + 1  # type: ignore[union-attr]
        problem = "it holds the marks of a merge conflict; resolve it and save the file"
    elif "'\\t' that cannot start any token" in problem:
        problem = "a tab stands here; DVC allows none between values, so write spaces"
    return PipelineError(path, line, f"this is not valid YAML: {problem}")


def load_marked(text: str, path: str, root: str = "") -> Marked:
    """Read YAML text; an empty file is an empty mapping, as it is for DVC."""
    if _DOUBTFUL.search(text):
        return _load_as_dvc_does(text, path, root)
    try:
        return _load_fast(text, path, root)
    except RecursionError:
        return _load_as_dvc_does(text, path, root)
    except PipelineError as first:
        try:
            return _load_as_dvc_does(text, path, root)
        except PipelineError:
            raise first from None


def _load_fast(text: str, path: str, root: str) -> Marked:
    node = compose(text, path)
    marked = Marked(path, {}, root=root)
    if node is not None:
        data = _Builder(marked).build(node, ())
        marked.data = data or {}
    return marked


def _load_as_dvc_does(text: str, path: str, root: str) -> Marked:
    """Read with DVC's own reader, which costs about thirty times as much."""
    from ruamel.yaml import YAML

    marked = Marked(path, {}, root=root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used twice is none of our business
            marked.data = YAML(typ="safe").load(text) or {}
            _note_lines(YAML(typ="safe").compose(text), (), marked.lines, 0)
    except Exception as exc:  # DVC lets whatever its reader raises end the command
        raise _invalid(path, text, exc) from exc
    return marked


def _note_lines(node: Any, where: Path, lines: dict[Path, int], depth: int) -> None:
    """Note where the values of a tree of ruamel's nodes stand, as far as their keys are plain."""
    if node is None or depth > _DEPTH:
        return
    lines.setdefault(where, node.start_mark.line + 1)
    if node.id == "sequence":
        for i, item in enumerate(node.value):
            _note_lines(item, (*where, i), lines, depth + 1)
    elif node.id == "mapping":
        for key, value in node.value:
            if key.id == "scalar":
                with suppress(ValueError):
                    below = (*where, scalar_value(key))
                    lines[below] = key.start_mark.line + 1
                    _note_lines(value, below, lines, depth + 1)


class _Builder:
    """Turns nodes into plain data and notes where each one stood."""

    def __init__(self, marked: Marked) -> None:
        self.marked = marked

    def build(self, node: yaml.Node, where: Path) -> Any:
        self.marked.lines.setdefault(where, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            problem = f"YAML tag {node.tag!r} is not supported here"
            raise PipelineError(self.marked.path, node.start_mark.line + 1, problem)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*where, i)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, where: Path) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        merges = [key for key, _ in node.value if key.tag == _TAG + "merge"]
        if len(merges) > 1:
            line = merges[1].start_mark.line + 1
            raise PipelineError(self.marked.path, line, "'<<' stands twice in one mapping")
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                # The first of several sources wins; ruamel.yaml lists the last one's keys first.
                for source in reversed(list(self._merge_sources(key_node, value_node))):
                    merged.update(self._mapping(source, where))
                continue
            key = self._key(key_node)
            if key in result:
                line = key_node.start_mark.line + 1
                raise PipelineError(self.marked.path, line, f"duplicate key {key!r}")
            self.marked.lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*where, key))
        return {**merged, **result}

    def _merge_sources(self, key: yaml.Node, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in nodes:
            if not isinstance(source, yaml.MappingNode):
                # An alias carries the mark of its anchor, so point at the '<<'.
                line = key.start_mark.line + 1
                raise PipelineError(self.marked.path, line, "'<<' can only merge mappings")
            yield source

    def _key(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        line = node.start_mark.line + 1
        raise PipelineError(self.marked.path, line, "a key must be a plain value")

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return scalar_value(node)
        except ValueError as exc:
            line = node.start_mark.line + 1
            raise PipelineError(self.marked.path, line, str(exc)) from exc


def scalar_value(node: yaml.Node) -> Any:
    """Return the Python value of a plain node, by YAML 1.2's rules."""
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return _integer(text)
    if kind == "float":
        return _number(text)
    if kind == "timestamp":
        scalar = yaml.ScalarNode(node.tag, text)
        return yaml.SafeLoader("").construct_yaml_timestamp(scalar)
    msg = f"YAML tag {node.tag!r} is not supported here"
    raise ValueError(msg)


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0b", 2), ("0x", 16), ("0o", 8)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits)


def _number(text: str) -> float:
    digits = text.replace("_", "").lower()
    if digits.endswith((".inf", ".nan")):
        return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
    return float(digits)

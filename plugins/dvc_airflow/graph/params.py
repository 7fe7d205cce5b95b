"""Parameters of a DVC project as typed parameters of an Airflow DAG."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml

from dvc_airflow.graph.context import DEFAULT_PARAMS
from dvc_airflow.graph.errors import OverrideError, PipelineError
from dvc_airflow.graph.model import Graph
from dvc_airflow.graph.param_schema import ParamSchema, nullable, problems, title_of
from dvc_airflow.graph.yaml_marks import compose, load_marked

_ANY: Final = ["null", "string", "number", "boolean", "array", "object"]


@dataclass(frozen=True)
class ParamSpec:
    """One parameter.

    Attributes
    ----------
    key : str
        ``train.lr``, or ``other.yaml:train.lr`` for files other than params.yaml.
    value : Any
        What the file says now, as a form shows it: see `form_value`.
    schema : dict
        JSON schema of what may be entered.
    section : str or None
        The top-level key, which groups the trigger form.
    shown : bool
        Whether the form has a field for it; any other is changed by the run's configuration.
    """

    key: str
    value: Any
    schema: dict[str, Any]
    description: str | None = None
    section: str | None = None
    shown: bool = True


def collect_params(
    graph: Graph,
    selected: Sequence[str],
    wanted: bool | str | Sequence[str],
    schema: str | None = None,
    *,
    strict: bool = True,
) -> list[ParamSpec]:
    """Return the parameters to offer for some stages.

    Parameters
    ----------
    graph : Graph
        The project.
    selected : sequence of str
        The stages that run.
    wanted : bool or sequence of str
        Which of them the form shows: all that those stages depend on; those at or below some keys,
        in their order, whether stages depend on them or not; or none, and none is offered at all.
    schema : str, optional
        The JSON schema of params.yaml: a file, relative to the project.
    strict : bool
        Whether a wanted key or a schema file that isn't there is an error. A run that began may
        have another state of them.

    Raises
    ------
    PipelineError
        If there is no such key or file, or it can't be read.
    """
    if wanted is False:
        return []
    root = Path(graph.root)
    needed = _needed(graph, selected)
    prefixes = None if wanted is True else [wanted] if isinstance(wanted, str) else list(wanted)
    known = _schema(root, schema, strict=strict)
    found: list[ParamSpec] = []
    for file in dict.fromkeys([DEFAULT_PARAMS, *needed] if prefixes is not None else needed):
        keys = needed.get(file, set())
        for spec in read_specs(root, file, known):
            shown = prefixes is None or _below(spec.key, prefixes)
            if _below(_bare(spec.key), keys) or (shown and prefixes is not None):
                found.append(replace(spec, shown=shown))
    if prefixes is not None:
        found = _as_listed(found, prefixes)
        if strict:
            _require_known(found, prefixes, known)
    return _for_the_form(root, found)


def _schema(root: Path, file: str | None, *, strict: bool) -> ParamSchema | None:
    if file is None:
        return None
    try:
        return ParamSchema.load(root, file)
    except PipelineError:
        if strict:
            raise
        return None


def _as_listed(specs: Sequence[ParamSpec], prefixes: Sequence[str]) -> list[ParamSpec]:
    """Return the form's fields in the order of the list, without sections; then all others.

    The form opens its first section alone, and a short form needs none.
    """
    shown = [replace(spec, section=None) for spec in specs if spec.shown]
    shown.sort(key=lambda s: next(n for n, p in enumerate(prefixes) if _below(s.key, [p])))
    return [*shown, *(spec for spec in specs if not spec.shown)]


def _require_known(
    specs: Sequence[ParamSpec], prefixes: Sequence[str], schema: ParamSchema | None
) -> None:
    """Refuse a misspelt key of the form; one with a default may be missing from the file."""
    for prefix in prefixes:
        if any(_below(spec.key, [prefix]) for spec in specs):
            continue
        file, colon, key = prefix.rpartition(":")
        if not colon and schema is not None and schema.of(key.split(".")) is not None:
            continue
        near = _nearest(prefix, {spec.key: None for spec in specs})
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        msg = f"there is no parameter {key!r}, which the form is to show (params){hint}"
        raise PipelineError(file or DEFAULT_PARAMS, 1, msg)


def _for_the_form(root: Path, specs: Sequence[ParamSpec]) -> list[ParamSpec]:
    """Make the form's fields fit their values; describe by comments what no schema describes."""
    comments: dict[str, dict[tuple[str, ...], str]] = {}
    found = []
    for spec in specs:
        if spec.shown and spec.description is None:
            file = spec.key.rpartition(":")[0] or DEFAULT_PARAMS
            if file not in comments:
                comments[file] = _comments_of(root / file, file)
            text = comments[file].get(tuple(_bare(spec.key).split(".")))
            found.append(_fitting(replace(spec, description=text)))
        else:
            found.append(_fitting(spec) if spec.shown else spec)
    return found


def _comments_of(path: Path, file: str) -> dict[tuple[str, ...], str]:
    return {} if path.suffix == ".json" else read_comments(path.read_text(encoding="utf-8"), file)


def _needed(graph: Graph, selected: Sequence[str]) -> dict[str, set[str]]:
    """Keys by file; the empty key stands for a whole file."""
    needed: dict[str, set[str]] = {}
    for address in selected:
        stage = graph.stages[address]
        for file, keys in stage.params.items():
            needed.setdefault(file, set()).update(keys or [""])
        for file, key in stage.used:
            needed.setdefault(file, set()).add(key)
    return needed


def _bare(key: str) -> str:
    return key.rpartition(":")[2]


def _below(key: str, prefixes: Iterable[str]) -> bool:
    return any(not p or key == p or key.startswith((f"{p}.", f"{p}:")) for p in prefixes)


def read_specs(root: Path, file: str, schema: ParamSchema | None = None) -> list[ParamSpec]:
    """Every leaf of a parameter file that Airflow can offer (YAML and JSON).

    Parameters
    ----------
    root : Path
        The project.
    file : str
        The parameter file, relative to it.
    schema : ParamSchema, optional
        What is known of params.yaml; of other files, only their values are known.
    """
    path = root / file
    if os.path.isabs(file) or not path.is_file() or path.suffix not in (".yaml", ".yml", ".json"):
        return []
    text = path.read_text(encoding="utf-8")
    data = json.loads(text) if path.suffix == ".json" else load_marked(text, file).data
    if not isinstance(data, dict):
        raise PipelineError(file, 1, "a parameter file must hold a mapping")
    prefix = "" if file == DEFAULT_PARAMS else f"{file}:"
    specs: list[ParamSpec] = []
    for parts, value in _leaves(data, ()):
        if not _is_json(value):
            continue  # a date, an infinity: nothing a form could send back
        known = schema.of(parts, data) if schema is not None and not prefix else None
        specs.append(
            ParamSpec(
                key=prefix + ".".join(parts),
                value=form_value(value),
                schema=schema_of(value) if known is None else _merged(known, value),
                description=None if known is None else known.get("description"),
                section=parts[0] if len(parts) > 1 else None,
            )
        )
    return specs


def _merged(known: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the schema of a parameter that has a value already."""
    words = {"title": title} if (title := title_of(known)) else {}
    rules = {k: v for k, v in known.items() if k not in ("title", "description", "unit")}
    return {**(nullable(rules) if form_value(value) is None else rules), **words}


def _fitting(spec: ParamSpec) -> ParamSpec:
    """Give a field whose value its schema refuses the schema of the value's own kind.

    A wrong value in the file is the file's matter: the stages say so. The form must open
    nevertheless, and a schedule go on.
    """
    if not problems(spec.value, spec.schema):
        return spec
    words = {key: spec.schema[key] for key in ("title",) if key in spec.schema}
    return replace(spec, schema={**schema_of(spec.value), **words})


def _leaves(
    data: Mapping[Any, Any], above: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in data.items():
        # A key with a dot cannot be told from a path of keys.
        if not isinstance(key, str) or "." in key or ":" in key:
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def form_value(value: Any) -> Any:
    """Return a parameter's value as a form holds it: an empty text is an empty field, ``None``."""
    return None if value == "" else value


def schema_of(value: Any) -> dict[str, Any]:
    """Return the JSON schema of values that may take the place of this one.

    Airflow's form demands a text wherever the schema doesn't allow null, and its button stays
    disabled until there is one. A text that is empty in the file may therefore be null; a null in
    the file says nothing about its type, so everything is allowed there, text first.
    """
    if value is None:
        return {"type": list(_ANY)}
    if value == "":
        return {"type": ["null", "string"]}
    if isinstance(value, list):
        kinds = {_kind(item) for item in value}
        items = {"type": _widest(kinds)} if kinds and _widest(kinds) else {}
        return {"type": "array", **({"items": items} if items else {})}
    return {"type": _kind(value)}


def _kind(value: Any) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _widest(kinds: set[str]) -> str | None:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "number" if kinds == {"integer", "number"} else None


def read_comments(text: str, file: str) -> dict[tuple[str, ...], str]:
    """Return the comment above and beside each key."""
    lines = text.splitlines()
    comments: dict[tuple[str, ...], str] = {}
    try:
        node = compose(text, file)
    except PipelineError:  # DVC's own reader takes it; the form shows it without comments
        return {}
    if isinstance(node, yaml.MappingNode):
        _collect_comments(node, (), lines, comments)
    return comments


def _collect_comments(
    node: yaml.MappingNode,
    above: tuple[str, ...],
    lines: list[str],
    comments: dict[tuple[str, ...], str],
) -> None:
    for key, value in node.value:
        where = (*above, str(key.value))
        if isinstance(value, yaml.MappingNode) and value.value:
            _collect_comments(value, where, lines, comments)
            continue
        parts = [*_comment_above(lines, key.start_mark), *_comment_beside(lines, value.end_mark)]
        if parts:
            comments[where] = " ".join(parts)


def _comment_above(lines: list[str], mark: Any) -> list[str]:
    found: list[str] = []
    number = mark.line - 1
    while number >= 0:
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        if not line.lstrip().startswith("#") or indent != mark.column:
            break
        found.insert(0, line.strip().lstrip("#").strip())
        number -= 1
    return [text for text in found if text]


def _comment_beside(lines: list[str], mark: Any) -> list[str]:
    if mark.column == 0 or mark.line >= len(lines):
        return []
    match = re.match(r"\s*#\s*(.*)", lines[mark.line][mark.column :])
    return [match[1].strip()] if match and match[1].strip() else []


def changed(specs: Sequence[ParamSpec], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters whose value is not what the file says: the run's overrides."""
    return changed_values({spec.key: spec.value for spec in specs}, values)


def changed_values(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that differ from their defaults.

    ``True`` differs from ``1``, but ``1`` doesn't from ``1.0``: a browser, which has one kind of
    number, sends every default of ``1.0`` back as ``1``. An empty text says as little as an empty
    field where the default is empty (`form_value`); where the default says something, an empty
    text is a change.
    """
    return {
        key: values[key]
        for key, default in defaults.items()
        if key in values and not _same(values[key], default)
    }


def _same(value: Any, default: Any) -> bool:
    if form_value(default) is None:
        return form_value(value) is None
    return _alike(value, default)


def _alike(left: Any, other: Any) -> bool:
    """Whether two JSON values are equal; numbers by their value, apart from truth values."""
    if isinstance(left, bool) or isinstance(other, bool):
        return left is other
    if isinstance(left, list) and isinstance(other, list):
        return len(left) == len(other) and all(map(_alike, left, other))
    if isinstance(left, dict) and isinstance(other, dict):
        return left.keys() == other.keys() and all(_alike(left[key], other[key]) for key in left)
    return bool(left == other)


def refuse_invalid(values: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Stop a run whose configuration gives a parameter a value that its schema refuses.

    Airflow holds the form's own fields against their schemas, and nothing else that stands in a
    run's configuration.

    Raises
    ------
    OverrideError
        Naming every such key, its value and what is allowed.
    """
    found = [
        f"{key!r} cannot be {value!r}: {problem}"
        for key, value in values.items()
        for problem in problems(value, schemas.get(key, {}))
    ]
    if found:
        raise OverrideError("; ".join(found))


def refuse_unknown(
    conf: Mapping[str, Any],
    defaults: Mapping[str, Any],
    renamed: Mapping[str, str] | None = None,
    *,
    declared: Collection[str] = (),
    strict: bool = False,
) -> None:
    """Stop a run that was triggered with a misspelt, renamed or unoffered parameter.

    Airflow passes unknown keys through without a word, and the run would look as if it had used
    them. A DAG may have keys of its own in the configuration: those that it declares in its
    ``params``, and words that look like no parameter.

    Parameters
    ----------
    conf : mapping
        What the run was triggered with.
    defaults : mapping
        The offered parameters.
    renamed : mapping of str to str, optional
        Old key, or the section that it stood in → what it is called now.
    declared : collection of str
        Parameters that the DAG declares itself.
    strict : bool
        Refuse every key that is neither offered nor declared, whatever it looks like.

    Raises
    ------
    OverrideError
        Naming the key, and what it is called now or the nearest ones that are offered.
    """
    for key in conf:
        if key in defaults:
            continue
        if new := _new_name(key, renamed or {}):
            msg = f"{key!r} is now {new!r}"
            raise OverrideError(msg)
        if key not in declared and (strict or _looks_like_parameter(key, defaults)):
            raise OverrideError(_unknown(key, defaults, strict=strict))


def _looks_like_parameter(key: str, defaults: Mapping[str, Any]) -> bool:
    """Whether somebody who writes a key means a parameter: a path, or a word close to one's."""
    if re.search(r"[.:\[]", key):
        return True
    words = {word for name in defaults for word in re.split(r"[.:]", name)}
    return bool(get_close_matches(key, words, n=1, cutoff=0.75))


def _unknown(key: str, defaults: Mapping[str, Any], *, strict: bool) -> str:
    if not defaults:
        return f"{key!r} is not a parameter of this DAG, which offers none"
    near = _nearest(key, defaults)
    sections = dict.fromkeys(
        name[: len(name) - len(_bare(name))] + _bare(name).split(".", 1)[0] for name in defaults
    )
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(sections)}"
    if strict:
        return f"{key!r} is not a parameter of the pipeline; {hint}"
    own = "a key of the DAG's own must stand in the DAG's params"
    return f"{key!r} is not a parameter of this DAG; {hint} ({own})"


def _nearest(key: str, defaults: Mapping[str, Any]) -> list[str]:
    """Return offered keys close to one, whichever part of it is misspelt."""
    plain = re.sub(r"\[([^\]]*)\]", r".\1", key)
    bare = plain.removeprefix(f"{DEFAULT_PARAMS}:")
    if bare in defaults:
        return [bare]
    below = [name for name in defaults if name.startswith((f"{bare}.", f"{bare}:"))]
    above = [name for name in defaults if bare.startswith(f"{name}.")]
    same_end = [name for name in defaults if _bare(name) == _bare(bare)]
    ends = [name for name in defaults if name.endswith(f".{bare}")]
    close = get_close_matches(bare, defaults, n=3)
    parts = get_close_matches(_bare(bare), {_bare(name): 0 for name in defaults}, n=3)
    others = [name for name in defaults if _bare(name) in parts]
    found = below or above or same_end or ends or close or others
    return found[:5]


def _new_name(key: str, renamed: Mapping[str, str]) -> str | None:
    if key in renamed:
        return renamed[key]
    above, dot, last = key.rpartition(".")
    found = _new_name(above, renamed) if dot else None
    return found and f"{found}.{last}"

"""What a dvc.yaml may contain, checked with the line of whatever it may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dvc_airflow.graph.yaml_marks import Marked, Path

_TOP: Final = ("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets")
_ANNOTATIONS: Final = ("desc", "type", "labels", "meta")
_OUT_FLAGS: Final = (*_ANNOTATIONS, "cache", "persist", "checkpoint", "remote", "push")
_PLOT_FLAGS: Final = ("template", "x", "y", "x_label", "y_label", "title", "header")
_TOP_PLOT_FLAGS: Final = ("template", "x", "y", "x_label", "y_label", "title")
_BOOLEANS: Final = ("cache", "persist", "checkpoint", "push", "header")

Check = Callable[[Marked, Any, Path], None]


def check_file(marked: Marked) -> None:
    """Refuse anything in dvc.yaml that DVC would refuse."""
    if not isinstance(marked.data, dict):
        raise marked.error("dvc.yaml must be a mapping with a key 'stages'")
    check_keys(marked, marked.data, _TOP, (), "in dvc.yaml")
    if "vars" in marked.data:
        _vars(marked, marked.data["vars"], ("vars",))
    for section in ("params", "metrics"):
        if section in marked.data:
            _strings(marked, marked.data[section], (section,))
    if "plots" in marked.data:
        _top_plots(marked, marked.data["plots"], ("plots",))
    if "artifacts" in marked.data:
        _artifacts(marked, marked.data["artifacts"], ("artifacts",))
    if "datasets" in marked.data:
        kinds = (list, dict, str)
        expect(marked, marked.data["datasets"], kinds, "a list of data sets", ("datasets",))
    stages = marked.data.get("stages", {})
    expect(marked, stages, dict, "a mapping of stage names to stages", ("stages",))
    for name, stage in stages.items():
        _check_entry(marked, name, stage)


def _check_entry(marked: Marked, name: Any, entry: Any) -> None:
    where: Path = ("stages", name)
    if not isinstance(name, str):
        raise marked.error(f"the stage name {name!r} must be a string; put it in quotes", *where)
    if not name:
        raise marked.error("a stage needs a name", *where)
    if "@" in name:
        raise marked.error(f"the stage name {name!r} may not contain '@'", *where)
    expect(marked, entry, dict, "a mapping (with at least 'cmd')", where)
    if not {"foreach", "do"} & entry.keys():
        _check_stage(marked, entry, where)
        return
    check_keys(marked, entry, ("foreach", "do"), where, "beside 'foreach'")
    for key in ("foreach", "do"):
        if key not in entry:
            raise marked.error(f"stage {name!r} needs both 'foreach' and 'do'", *where)
    expect(marked, entry["foreach"], (dict, list, str), "a list or a mapping", (*where, "foreach"))
    expect(marked, entry["do"], dict, "a mapping (with at least 'cmd')", (*where, "do"))
    if "matrix" in entry["do"]:
        raise marked.error("'matrix' cannot stand inside 'foreach'", *where, "do", "matrix")
    _check_stage(marked, entry["do"], (*where, "do"))


def _check_stage(marked: Marked, stage: dict[Any, Any], where: Path) -> None:
    allowed = (*_STAGE, "matrix")
    check_keys(marked, stage, allowed, where, "in a stage")
    if "cmd" not in stage:
        raise marked.error("a stage needs 'cmd'", *where)
    for key, value in stage.items():
        checker = _STAGE.get(key, _matrix)
        checker(marked, value, (*where, key))


def check_keys(
    marked: Marked, data: dict[Any, Any], allowed: tuple[str, ...], where: Path, path: str
) -> None:
    """Refuse a key that is not allowed in a mapping; ``path`` says where in words."""
    for key in data:
        if key not in allowed:
            problem = f"unknown key {key!r} {path}; allowed are {', '.join(sorted(allowed))}"
            raise marked.error(problem, *where, key)


def expect(
    marked: Marked, value: Any, kind: type | tuple[type, ...], words: str, where: Path
) -> None:
    """Refuse a value of another type; ``words`` say what is allowed."""
    if not isinstance(value, kind):
        name = str(where[-1]) if where else "the file"
        raise marked.error(f"'{name}' must be {words}, not {_kind(value)}", *where)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__} ({value!r:.40})"


def _command(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, (str, list), "a string or a list of strings", where)


def _text(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, str, "a string", where)


def _flag(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, bool, "true or false", where)


def _anything(marked: Marked, value: Any, where: Path) -> None:
    """Accept everything (``meta``)."""


def _strings(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, list, "a list of strings", where)
    for i, item in enumerate(value):
        _text(marked, item, (*where, i))


def _vars(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, list, "a list of files and mappings", where)
    for i, item in enumerate(value):
        expect(marked, item, (str, dict), "a file or a mapping", (*where, i))


def _params(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, list, "a list of keys and 'file: [keys]'", where)
    for i, item in enumerate(value):
        expect(marked, item, (str, dict), "a key or 'file: [keys]'", (*where, i))
        if isinstance(item, dict):
            for file, keys in item.items():
                expect(marked, file, str, "a file name", (*where, i, file))
                if keys:
                    expect(marked, keys, list, "a list of keys", (*where, i, file))


def _top_plots(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, list, "a list of plots", where)
    for i, item in enumerate(value):
        expect(marked, item, (str, dict), "a file, or 'name: {options}'", (*where, i))
        if isinstance(item, dict):
            if not item:
                raise marked.error("a plot needs a name or a file", *where, i)
            for name, options in item.items():
                expect(marked, name, str, "a name or a file", (*where, i, name))
                if options is not None:
                    _top_plot(marked, options, (*where, i, name))


def _top_plot(marked: Marked, options: Any, where: Path) -> None:
    expect(marked, options, dict, "a mapping of options", where)
    check_keys(marked, options, _TOP_PLOT_FLAGS, where, "for a plot")
    for key, value in options.items():
        if key == "x" and isinstance(value, dict):
            for file, column in value.items():
                _text(marked, file, (*where, key, file))
                _text(marked, column, (*where, key, file))
        elif key == "y" and isinstance(value, dict):
            for file, columns in value.items():
                _text(marked, file, (*where, key, file))
                _text_or_texts(marked, columns, (*where, key, file))
        elif key == "y":
            _text_or_texts(marked, value, (*where, key))
        else:
            _text(marked, value, (*where, key))


def _text_or_texts(marked: Marked, value: Any, where: Path) -> None:
    if isinstance(value, list):
        _strings(marked, value, where)
    else:
        _text(marked, value, where)


def _artifacts(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, dict, "a mapping of names to artifacts", where)
    for name, options in value.items():
        at = (*where, name)
        expect(marked, name, str, "a name", at)
        expect(marked, options, dict, "a mapping with at least 'path'", at)
        check_keys(marked, options, ("path", *_ANNOTATIONS), at, "for an artifact")
        if "path" not in options:
            raise marked.error(f"artifact {name!r} needs a 'path'", *at)
        for key, item in options.items():
            if key == "labels":
                _strings(marked, item, (*at, key))
            elif key != "meta":
                _text(marked, item, (*at, key))


def _matrix(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, dict, "a mapping of names to lists", where)
    for key, items in value.items():
        expect(marked, key, str, "a name", (*where, key))
        expect(marked, items, (str, list), "a list", (*where, key))


def _outs(marked: Marked, value: Any, where: Path) -> None:
    _out_list(marked, value, where, _OUT_FLAGS)


def _plots(marked: Marked, value: Any, where: Path) -> None:
    _out_list(marked, value, where, (*_OUT_FLAGS, *_PLOT_FLAGS))


def _out_list(marked: Marked, value: Any, where: Path, flags: tuple[str, ...]) -> None:
    expect(marked, value, list, "a list of paths", where)
    for i, item in enumerate(value):
        expect(marked, item, (str, dict), "a path, or 'path: {options}'", (*where, i))
        if isinstance(item, dict):
            for path, options in item.items():
                expect(marked, path, str, "a path", (*where, i, path))
                _out_options(marked, options, (*where, i, path), flags)


def _out_options(marked: Marked, options: Any, where: Path, flags: tuple[str, ...]) -> None:
    expect(marked, options, Mapping, "a mapping of options", where)
    check_keys(marked, options, flags, where, "for an output")
    for key, value in options.items():
        if key in _BOOLEANS:
            _flag(marked, value, (*where, key))
        elif key == "labels":
            _strings(marked, value, (*where, key))
        elif key != "meta":
            _text(marked, value, (*where, key))


_STAGE: Final[dict[str, Check]] = {
    "cmd": _command,
    "wdir": _text,
    "deps": _strings,
    "params": _params,
    "vars": _vars,
    "outs": _outs,
    "metrics": _outs,
    "plots": _plots,
    "frozen": _flag,
    "always_changed": _flag,
    "desc": _text,
    "meta": _anything,
}

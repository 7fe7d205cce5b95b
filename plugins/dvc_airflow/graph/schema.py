"""What a dvc.yaml may contain, checked with the line of whatever it may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dvc_airflow.graph.yaml_marks import Marked, Path

_TOP: Final = ("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets")
_ANNOTATIONS: Final = ("desc", "type", "labels", "meta")
_OUT_FLAGS: Final = (*_ANNOTATIONS, "cache", "persist", "checkpoint", "remote", "push")
_PLOT_FLAGS: Final = ("template", "x", "y", "x_label", "y_label", "title", "header")
_BOOLEANS: Final = ("cache", "persist", "checkpoint", "push", "header")

Check = Callable[[Marked, Any, Path], None]


def check_file(marked: Marked) -> None:
    """Refuse anything in dvc.yaml that DVC would refuse."""
    if not isinstance(marked.data, dict):
        raise marked.error("dvc.yaml must be a mapping with a key 'stages'")
    _check_keys(marked, marked.data, _TOP, (), "in dvc.yaml")
    if "vars" in marked.data:
        _vars(marked, marked.data["vars"], ("vars",))
    for section in ("params", "metrics"):
        if section in marked.data:
            _strings(marked, marked.data[section], (section,))
    if "plots" in marked.data:
        _expect(marked, marked.data["plots"], list, "a list", ("plots",))
    if "artifacts" in marked.data:
        _expect(marked, marked.data["artifacts"], dict, "a mapping", ("artifacts",))
    stages = marked.data.get("stages", {})
    _expect(marked, stages, dict, "a mapping of stage names to stages", ("stages",))
    for name, stage in stages.items():
        _check_entry(marked, name, stage)


def _check_entry(marked: Marked, name: Any, entry: Any) -> None:
    where: Path = ("stages", name)
    if not isinstance(name, str):
        raise marked.error(f"the stage name {name!r} must be a string; put it in quotes", *where)
    if "@" in name:
        raise marked.error(f"the stage name {name!r} may not contain '@'", *where)
    _expect(marked, entry, dict, "a mapping (with at least 'cmd')", where)
    if not {"foreach", "do"} & entry.keys():
        _check_stage(marked, entry, where)
        return
    _check_keys(marked, entry, ("foreach", "do"), where, "beside 'foreach'")
    for key in ("foreach", "do"):
        if key not in entry:
            raise marked.error(f"stage {name!r} needs both 'foreach' and 'do'", *where)
    _expect(marked, entry["foreach"], (dict, list, str), "a list or a mapping", (*where, "foreach"))
    _expect(marked, entry["do"], dict, "a mapping (with at least 'cmd')", (*where, "do"))
    if "matrix" in entry["do"]:
        raise marked.error("'matrix' cannot stand inside 'foreach'", *where, "do", "matrix")
    _check_stage(marked, entry["do"], (*where, "do"))


def _check_stage(marked: Marked, stage: dict[Any, Any], where: Path) -> None:
    allowed = (*_STAGE, "matrix")
    _check_keys(marked, stage, allowed, where, "in a stage")
    if "cmd" not in stage:
        raise marked.error("a stage needs 'cmd'", *where)
    for key, value in stage.items():
        checker = _STAGE.get(key, _matrix)
        checker(marked, value, (*where, key))


def _check_keys(
    marked: Marked, data: dict[Any, Any], allowed: tuple[str, ...], where: Path, path: str
) -> None:
    for key in data:
        if key not in allowed:
            problem = f"unknown key {key!r} {path}; allowed are {', '.join(sorted(allowed))}"
            raise marked.error(problem, *where, key)


def _expect(
    marked: Marked, value: Any, kind: type | tuple[type, ...], words: str, where: Path
) -> None:
    if not isinstance(value, kind):
        name = str(where[-1]) if where else "the file"
        raise marked.error(f"'{name}' must be {words}, not {_kind(value)}", *where)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__} ({value!r:.40})"


def _command(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, (str, list), "a string or a list of strings", where)
    if not value:
        raise marked.error("'cmd' is empty; say what the stage runs", *where)


def _text(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, str, "a string", where)


def _flag(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, bool, "true or false", where)


def _anything(marked: Marked, value: Any, where: Path) -> None:
    """Accept everything (``meta``)."""


def _strings(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, list, "a list of strings", where)
    for i, item in enumerate(value):
        _text(marked, item, (*where, i))


def _vars(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, list, "a list of files and mappings", where)
    for i, item in enumerate(value):
        _expect(marked, item, (str, dict), "a file or a mapping", (*where, i))


def _params(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, list, "a list of keys and 'file: [keys]'", where)
    for i, item in enumerate(value):
        _expect(marked, item, (str, dict), "a key or 'file: [keys]'", (*where, i))
        if isinstance(item, dict):
            for file, keys in item.items():
                _expect(marked, file, str, "a file name", (*where, i, file))
                if keys:
                    _expect(marked, keys, list, "a list of keys", (*where, i, file))


def _matrix(marked: Marked, value: Any, where: Path) -> None:
    _expect(marked, value, dict, "a mapping of names to lists", where)
    for key, items in value.items():
        _expect(marked, items, (str, list), "a list", (*where, key))


def _outs(marked: Marked, value: Any, where: Path) -> None:
    _out_list(marked, value, where, _OUT_FLAGS)


def _plots(marked: Marked, value: Any, where: Path) -> None:
    _out_list(marked, value, where, (*_OUT_FLAGS, *_PLOT_FLAGS))


def _out_list(marked: Marked, value: Any, where: Path, flags: tuple[str, ...]) -> None:
    _expect(marked, value, list, "a list of paths", where)
    for i, item in enumerate(value):
        _expect(marked, item, (str, dict), "a path, or 'path: {options}'", (*where, i))
        if isinstance(item, dict):
            for path, options in item.items():
                _out_options(marked, options, (*where, i, path), flags)


def _out_options(marked: Marked, options: Any, where: Path, flags: tuple[str, ...]) -> None:
    _expect(marked, options, Mapping, "a mapping of options", where)
    _check_keys(marked, options, flags, where, "for an output")
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

"""From resolved data to a `Stage`."""

from __future__ import annotations

import os
import posixpath
from typing import Any, Final, Literal

from dvc_airflow.graph.locations import LocationError, Locator, is_url
from dvc_airflow.graph.model import Dep, Out, OutKind, Stage
from dvc_airflow.graph.yaml_marks import Marked, Path

__all__ = ["DEFAULT_PARAMS", "ROOT_FILE", "address_of", "build_stage", "is_url"]

ROOT_FILE: Final = "dvc.yaml"
DEFAULT_PARAMS: Final = "params.yaml"
_SECTIONS: Final[tuple[tuple[Literal["outs", "metrics", "plots"], OutKind], ...]] = (
    ("outs", "out"),
    ("metrics", "metric"),
    ("plots", "plot"),
)


def address_of(file: str, name: str) -> str:
    """Return what ``dvc repro`` calls a stage, from the project's root."""
    return name if file == ROOT_FILE else f"{file}:{name}"


def build_stage(
    marked: Marked,
    name: str,
    data: dict[str, Any],
    where: Path,
    locator: Locator,
    *,
    used: frozenset[tuple[str, str]],
    group: str | None,
) -> Stage:
    """Make a stage of its resolved data."""
    return _Builder(marked, data, where, locator).build(name, used, group)


class _Builder:
    def __init__(self, marked: Marked, data: dict[str, Any], where: Path, locator: Locator) -> None:
        self.locator = locator
        self.marked = marked
        self.data = data
        self.where = where
        folder = posixpath.dirname(marked.path)
        wdir = data.get("wdir")
        if wdir is not None and not isinstance(wdir, str):
            raise marked.error("'wdir' must be a string", *where, "wdir")
        self.wdir = os.path.normpath(os.path.join(folder or ".", wdir or "."))

    def build(self, name: str, used: frozenset[tuple[str, str]], group: str | None) -> Stage:
        return Stage(
            address=address_of(self.marked.path, name),
            name=name,
            file=self.marked.path,
            line=self.marked.line(*self.where),
            cmd=self._cmd(),
            wdir=self.wdir,
            deps=tuple(self._deps()),
            params=self._params(),
            outs=tuple(self._outs()),
            used=used,
            frozen=bool(self.data.get("frozen", False)),
            always_changed=bool(self.data.get("always_changed", False)),
            desc=self.data.get("desc"),
            meta=self.data.get("meta"),
            group=group,
        )

    def _cmd(self) -> str | tuple[str, ...]:
        cmd = self.data["cmd"]
        return tuple(map(str, cmd)) if isinstance(cmd, list) else str(cmd)

    def _deps(self) -> list[Dep]:
        return [
            Dep(self._locate(path, "deps", i), path)
            for i, path in enumerate(self.data.get("deps", []))
        ]

    def _outs(self) -> list[Out]:
        outs: list[Out] = []
        for section, kind in _SECTIONS:
            flags: dict[str, dict[str, Any]] = {}
            located: dict[str, str] = {}
            for i, item in enumerate(self.data.get(section, [])):
                for path, options in (item if isinstance(item, dict) else {item: {}}).items():
                    located[path] = self._locate(path, section, i, output=True)
                    flags.setdefault(path, {}).update(options)
            outs += [
                self._out(path, located[path], kind, options) for path, options in flags.items()
            ]
        return outs

    def _out(self, path: str, located: str, kind: OutKind, options: dict[str, Any]) -> Out:
        return Out(
            path=located,
            written=path,
            kind=kind,
            cache=options.get("cache", True),
            persist=options.get("persist", False),
            push=options.get("push", True),
            remote=options.get("remote"),
            desc=options.get("desc"),
        )

    def _params(self) -> dict[str, tuple[str, ...]]:
        items = self.data.get("params", [])
        keys: dict[str, list[str]] = {}
        whole = {f for item in items if isinstance(item, dict) for f, ks in item.items() if not ks}
        for item in items:
            for file, wanted in (
                item if isinstance(item, dict) else {DEFAULT_PARAMS: [item]}
            ).items():
                if file in whole:
                    if isinstance(item, dict):
                        keys[file] = []
                    continue
                keys.setdefault(file, []).extend(wanted)
        return {
            self._locate(file, "params"): tuple(map(str, ks or ())) for file, ks in keys.items()
        }

    def _locate(self, path: Any, *where: object, output: bool = False) -> str:
        if not isinstance(path, str) or not (path or output):
            raise self._error(f"a path must be a string, not {path!r}", *where)
        try:
            find = self.locator.output if output else self.locator.dependency
            return find(self.wdir, path)
        except LocationError as exc:
            raise self._error(str(exc), *where) from exc

    def _error(self, problem: str, *where: object) -> Exception:
        return self.marked.error(problem, *self.where, *where)

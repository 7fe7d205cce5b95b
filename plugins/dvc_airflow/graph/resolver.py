"""From one dvc.yaml to its stages: vars, foreach, matrix and ``${}``."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path as FilePath
from typing import Any

from dvc_airflow.graph.build import build_stage
from dvc_airflow.graph.context import Context, ContextError, Overrides
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.interpolate import (
    FromContext,
    Style,
    TemplateError,
    check_expressions,
    has_placeholder,
    is_composite,
    resolve,
    to_text,
)
from dvc_airflow.graph.locations import Locator
from dvc_airflow.graph.model import Stage
from dvc_airflow.graph.schema import check_file
from dvc_airflow.graph.yaml_marks import Marked, Path


@dataclass
class _Template:
    """A stage as written, the place it is written at, and the variables it sees."""

    name: str
    body: dict[str, Any]
    where: Path
    context: Context
    group: str | None = None


class FileResolver:
    """Resolves the stages of one dvc.yaml."""

    def __init__(
        self, marked: Marked, locator: Locator, style: Style, overrides: Overrides
    ) -> None:
        self.marked = marked
        self.locator = locator
        self.style = style
        self.wdir = posixpath.dirname(marked.path)
        check_file(marked)
        items = marked.data.get("vars", [])
        self._refuse_placeholders(items, ("vars",))
        self.context = Context(FilePath(locator.root), overrides=overrides)
        try:
            self.context.load_vars(items, self.wdir, default=True)
        except ContextError as exc:
            raise marked.error(str(exc), "vars") from exc

    def stages(self) -> list[Stage]:
        """Every stage of the file, in its order."""
        return [
            self._resolve(template)
            for name, body in self.marked.data.get("stages", {}).items()
            for template in self._expand(name, body)
        ]

    def check_sections(self) -> None:
        """Resolve the other sections at the top as DVC does, which refuses what fails."""
        for name in self.marked.data.get("artifacts", {}):
            found = self._checked(name, ("artifacts", name))
            if not isinstance(found, str):
                raise self.marked.error("an artifact's name must become a text", "artifacts", name)
        for section in ("artifacts", "params", "metrics", "plots", "datasets"):
            items = self.marked.data.get(section, ())
            for key, item in items.items() if isinstance(items, dict) else enumerate(items):
                self._checked(item, (section, key))

    def _checked(self, value: Any, where: Path) -> Any:
        try:
            check_expressions(value)
        except TemplateError as exc:
            raise self.marked.error(str(exc), *where) from exc
        return self._substitute(self.context, value, where, None)

    def metrics(self) -> list[str]:
        """Paths of the top-level ``metrics`` section, relative to the project."""
        where: Path = ("metrics",)
        found = self._substitute(self.context, self.marked.data.get("metrics", []), where, None)
        return [posixpath.normpath(posixpath.join(self.wdir, str(path))) for path in found]

    def _expand(self, name: str, body: dict[str, Any]) -> Iterator[_Template]:
        where: Path = ("stages", name)
        if "foreach" in body:
            inner = body["do"]
            self._check_template(inner, (*where, "do"))
            for key, items in self._foreach(body["foreach"], (*where, "foreach")):
                self._check_key(name, key, (*where, "foreach"))
                context = self._with_items(items, (*where, "foreach"))
                yield _Template(f"{name}@{key}", inner, (*where, "do"), context, name)
        elif "matrix" in body:
            inner = {k: v for k, v in body.items() if k != "matrix"}
            self._check_template(inner, where)
            for key, items in self._matrix(body["matrix"], (*where, "matrix")):
                self._check_key(name, key, (*where, "matrix"))
                context = self._with_items(items, (*where, "matrix"))
                yield _Template(f"{name}@{key}", inner, where, context, name)
        else:
            self._check_template(body, where)
            yield _Template(name, body, where, self.context)

    def _check_key(self, name: str, key: str, where: Path) -> None:
        if not key or "@" in key:
            problem = f"DVC finds no stage '{name}@{key}'; an item may not be empty, or have an '@'"
            raise self.marked.error(problem, *where)

    def _with_items(self, items: dict[str, Any], where: Path) -> Context:
        try:
            return self.context.with_items(items)
        except ContextError as exc:
            raise self.marked.error(str(exc), *where) from exc

    def _foreach(self, data: Any, where: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        found = self._substitute(self.context, data, where, None, wrap=True)
        value = found.value if isinstance(found, FromContext) else found
        if isinstance(value, dict):
            pairs = {to_text(key): item for key, item in value.items()}
            for key, item in pairs.items():
                yield key, {"item": _plain(item), "key": key}
            return
        if not isinstance(value, list):
            kind = type(value).__name__
            raise self.marked.error(f"'foreach' needs a list or a mapping, not a {kind}", *where)
        composite = any(is_composite(item) for item in value)
        items = _named(value, from_context=isinstance(found, FromContext), numbered=composite)
        for key, item in items.items():
            yield key, {"item": _plain(item)}

    def _matrix(self, data: Any, where: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        axes: dict[str, list[tuple[str, Any]]] = {}
        for axis, written in data.items():
            found = self._substitute(self.context, written, (*where, axis), None, wrap=True)
            from_context = isinstance(found, FromContext)
            value = found.value if from_context else found
            if isinstance(value, dict) or (isinstance(value, str) and not from_context):
                value = list(value)  # DVC takes a mapping's keys, and a text's letters
            if not isinstance(value, list):
                problem = f"'{axis}' needs a list, not a {type(value).__name__}"
                raise self.marked.error(problem, *where, axis)
            axes[axis] = [
                (f"{axis}{i}" if is_composite(v) else _key(v, from_context), _plain(v))
                for i, v in enumerate(value)
            ]
        combined: dict[str, dict[str, Any]] = {}
        for combination in product(*axes.values()):
            key = "-".join(fragment for fragment, _ in combination)
            values = [value for _, value in combination]
            combined[key] = dict(zip(axes, values, strict=True))
        for key, item in combined.items():
            yield key, {"item": item, "key": key}

    def _resolve(self, template: _Template) -> Stage:
        where, body = template.where, template.body
        context = template.context
        items = body.get("vars", [])
        self._refuse_placeholders(items, (*where, "vars"))
        wdir = self.wdir
        if body.get("wdir"):
            found = self._substitute(context, body["wdir"], (*where, "wdir"), None)
            wdir = posixpath.join(self.wdir, to_text(found))
        context = context.clone() if items else context.with_items({})
        try:
            context.load_vars(items, wdir, default=False)
        except ContextError as exc:
            raise self.marked.error(str(exc), *where, "vars") from exc
        resolved = {
            key: self._substitute(context, value, (*where, key), key)
            for key, value in body.items()
            if key != "vars"
        }
        used = frozenset(context.used)
        name, group = template.name, template.group
        return build_stage(self.marked, name, resolved, where, self.locator, used=used, group=group)

    def _substitute(
        self, context: Context, value: Any, where: Path, key: str | None, *, wrap: bool = False
    ) -> Any:
        # Errors point at the item of a list that is wrong, not at the list.
        if isinstance(value, list):
            return [
                self._substitute(context, item, (*where, i), key, wrap=wrap)
                for i, item in enumerate(value)
            ]
        try:
            return resolve(value, context.select, key, self.style, wrap=wrap)
        except (ContextError, TemplateError, TypeError) as exc:
            raise self.marked.error(str(exc), *where) from exc

    def _check_template(self, body: dict[str, Any], where: Path) -> None:
        for key, value in body.items():
            try:
                check_expressions(value)
            except TemplateError as exc:
                raise self.marked.error(str(exc), *where, key) from exc

    def _refuse_placeholders(self, value: Any, where: Path) -> None:
        if isinstance(value, list):
            for i, item in enumerate(value):
                self._refuse_placeholders(item, (*where, i))
        elif isinstance(value, dict):
            for key, item in value.items():
                self._refuse_placeholders(item, (*where, key))
        elif has_placeholder(value):
            raise self.marked.error("'vars' cannot contain ${}", *where)


def _named(values: list[Any], *, from_context: bool, numbered: bool) -> dict[str, Any]:
    if numbered:
        return {str(i): value for i, value in enumerate(values)}
    return {_key(value, from_context): value for value in values}


def _key(value: Any, from_context: bool) -> str:
    return str(value) if from_context else to_text(value)


def _plain(value: Any) -> Any:
    if isinstance(value, FromContext):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def resolve_file(
    marked: Marked, locator: Locator, style: Style, overrides: Overrides
) -> tuple[list[Stage], list[str]]:
    """Stages and top-level metrics of one dvc.yaml."""
    try:
        resolver = FileResolver(marked, locator, style, overrides)
        resolver.check_sections()
        return resolver.stages(), resolver.metrics()
    except RecursionError as exc:
        raise PipelineError(marked.path, 1, "this is nested too deeply") from exc

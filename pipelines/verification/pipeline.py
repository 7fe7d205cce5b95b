"""``dvc.yaml`` and ``dvc.lock``: what the stages are, and what they were when they last ran.

Read here and not by DVC, so that a verification neither trusts nor changes DVC's state.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.project.lock import LOCK as CODE_LOCK

_HOLE = re.compile(r"\$\{\s*([A-Za-z0-9_.-]+)\s*\}")
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]


class Locked(BaseModel):
    """A file or folder in ``dvc.lock``.

    Attributes
    ----------
    path : str
        Relative to the project.
    md5 : str
        32 hex digits, of folders with ``.dir`` behind them.
    size : int or None
        Bytes; None where the lock doesn't say.
    nfiles : int or None
        Number of files in a folder; None where the lock doesn't say.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    md5: Md5
    size: int | None = None
    nfiles: int | None = None


class LockedStage(BaseModel):
    """A stage in ``dvc.lock``.

    Attributes
    ----------
    cmd : str or list of str
        The command that ran, or several.
    deps : list of Locked
        Inputs, as they were.
    outs : list of Locked
        Outs, as they came out.
    params : dict of str to dict of str to object
        File → key → value that the stage ran with.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    cmd: str | list[str]
    deps: list[Locked] = []
    outs: list[Locked] = []
    params: dict[str, dict[str, Any]] = {}


class Lock(BaseModel):
    """``dvc.lock``.

    Attributes
    ----------
    stages : dict of str to LockedStage
        Name → stage.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    stages: dict[str, LockedStage]

    def outs(self) -> dict[str, Locked]:
        """Collect the outs of every stage.

        Returns
        -------
        dict of str to Locked
            Path → out.
        """
        return {out.path: out for stage in self.stages.values() for out in stage.outs}

    def deps(self) -> dict[str, Locked]:
        """Collect the dependencies that no stage makes.

        Returns
        -------
        dict of str to Locked
            Path → dependency.
        """
        made = self.outs()
        found = {dep.path: dep for stage in self.stages.values() for dep in stage.deps}
        return {path: dep for path, dep in found.items() if path not in made}

    def part(self, names: Collection[str]) -> "Lock":
        """Return the lock of some stages alone.

        Parameters
        ----------
        names : collection of str
            Names of stages; those that the lock doesn't have are left out.

        Returns
        -------
        Lock
        """
        return Lock(stages={name: self.stages[name] for name in self.stages if name in names})

    def sources(self) -> dict[str, Locked]:
        """Collect the dependencies that no stage makes, and that lie in no folder of one.

        Returns
        -------
        dict of str to Locked
            Path → dependency.
        """
        made = self.outs()
        return {
            path: dep
            for path, dep in self.deps().items()
            if not any(parent.as_posix() in made for parent in PurePosixPath(path).parents)
        }


@dataclass(frozen=True)
class Stage:
    """A stage in ``dvc.yaml``, its holes filled from ``params.yaml``.

    Attributes
    ----------
    cmd : str or list of str
        The command, or several.
    deps : frozenset of str
        Paths of inputs.
    outs : frozenset of str
        Paths of outs, metrics and plots.
    params : tuple of str
        Dotted keys of ``params.yaml``.
    code : tuple of str
        Dotted keys of ``signalbox.lock``, in a project whose code is installed.
    strange : tuple of str
        Parts whose meaning this reader doesn't know.
    """

    cmd: str | list[str]
    deps: frozenset[str]
    outs: frozenset[str]
    params: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    strange: tuple[str, ...] = field(default=())
    """Parts whose meaning this reader doesn't know."""


@lru_cache(maxsize=8)
def load_yaml(content: bytes, name: str) -> Any:
    """Read YAML as DVC does (1.2; a key that is there twice is an error).

    Parameters
    ----------
    content : bytes
        The file's bytes, UTF-8.
    name : str
        The file's name in messages.

    Returns
    -------
    dict, list, str, int, float, bool or None
        The parsed value, shared between calls: don't change it.

    Raises
    ------
    SignalboxError
        Naming the file and the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except (UnicodeDecodeError, YAMLError, ValueError, RecursionError) as error:
        raise SignalboxError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error


def read_lock(content: bytes) -> Lock:
    """Read ``dvc.lock``.

    Parameters
    ----------
    content : bytes
        The file's bytes.

    Returns
    -------
    Lock

    Raises
    ------
    SignalboxError
        If it isn't a lock file.
    """
    try:
        return Lock.model_validate(load_yaml(content, "dvc.lock"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(f"dvc.lock: not a lock file: {where}: {first['msg']}") from error


def outs_in(content: bytes) -> dict[str, str]:
    """Look up the outs of a ``dvc.lock`` quickly, to find a commit; `read_lock` is the judge.

    Parameters
    ----------
    content : bytes
        The file's bytes.

    Returns
    -------
    dict of str to str
        Path → MD5; empty if it isn't a lock file.
    """
    import yaml

    try:
        tree = yaml.load(content, yaml.CSafeLoader)
        outs = [out for stage in tree["stages"].values() for out in stage.get("outs", [])]
        return {str(out["path"]): str(out["md5"]) for out in outs if "md5" in out}
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def read_stages(content: bytes, params: Any) -> dict[str, Stage]:
    """Read the stages of ``dvc.yaml``, with ``${key}`` filled from `params`.

    Parameters
    ----------
    content : bytes
        The file's bytes.
    params : dict of str to object
        Content of ``params.yaml``.

    Returns
    -------
    dict of str to Stage
        Name → stage, in the order of the file.

    Raises
    ------
    SignalboxError
        If it has no stages, or names a key that ``params.yaml`` doesn't have.
    """
    tree = load_yaml(content, "dvc.yaml")
    stages = tree.get("stages") if isinstance(tree, dict) else None
    if not isinstance(stages, dict):
        raise SignalboxError("dvc.yaml: has no stages")
    return {str(name): _stage(str(name), raw, params) for name, raw in stages.items()}


def _stage(name: str, raw: Any, params: Any) -> Stage:
    if not isinstance(raw, dict) or "cmd" not in raw:
        keys = tuple(sorted(map(str, raw))) if isinstance(raw, dict) else ("no mapping",)
        return Stage("", frozenset(), frozenset(), strange=keys)
    filled = _fill(raw, params, name)
    outs = [entry for key in ("outs", "metrics", "plots") for entry in _list(filled, key)]
    sections = tuple(p for p in _list(filled, "params") if isinstance(p, str))
    others = [p for p in _list(filled, "params") if not isinstance(p, str)]
    strange = [str(p) for p in others if not _is_code(p)]
    lists = ("deps", "outs", "metrics", "plots", "params")
    strange += [key for key in lists if key in filled and not isinstance(filled[key], list)]
    return Stage(
        cmd=filled["cmd"],
        deps=frozenset(map(_path, _list(filled, "deps"))),
        outs=frozenset(map(_path, outs)),
        params=sections,
        code=tuple(str(key) for p in others if _is_code(p) for key in p[CODE_LOCK]),
        strange=tuple(strange + [key for key in ("wdir", "foreach", "matrix") if key in filled]),
    )


def _is_code(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == {CODE_LOCK} and bool(entry[CODE_LOCK])


def _list(stage: dict[str, Any], key: str) -> list[Any]:
    found = stage.get(key)
    return found if isinstance(found, list) else []


def _path(entry: Any) -> str:
    """Path of a dependency or out, which may be a mapping with settings."""
    return str(next(iter(entry), "")) if isinstance(entry, dict) else str(entry)


def _fill(value: Any, params: Any, stage: str) -> Any:
    if isinstance(value, str):
        return _HOLE.sub(lambda hole: str(look_up(params, hole.group(1), stage)), value)
    if isinstance(value, list):
        return [_fill(item, params, stage) for item in value]
    if isinstance(value, dict):
        return {_fill(k, params, stage): _fill(v, params, stage) for k, v in value.items()}
    return value


def look_up(params: Any, key: str, stage: str) -> Any:
    """Return the value of a dotted key.

    Parameters
    ----------
    params : dict of str to object
        Content of ``params.yaml``.
    key : str
        Parts separated by dots.
    stage : str
        Stage that names the key; for the message.

    Returns
    -------
    object

    Raises
    ------
    SignalboxError
        If it isn't there.
    """
    value = params
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise SignalboxError(f"dvc.yaml: stage '{stage}' names {key}, which params.yaml lacks")
        value = value[part]
    return value


def needed(stages: dict[str, Stage], path: str) -> list[str]:
    """List the stages that `path` was made by, directly or not, in the order of ``dvc.yaml``.

    Parameters
    ----------
    stages : dict of str to Stage
        Name → stage.
    path : str
        An out.

    Returns
    -------
    list of str
    """
    makers = {out: name for name, stage in stages.items() for out in stage.outs}
    found: set[str] = set()
    todo = [path]
    while todo:
        maker = makers.get(todo.pop())
        if maker is not None and maker not in found:
            found.add(maker)
            todo.extend(stages[maker].deps)
    return [name for name in stages if name in found]

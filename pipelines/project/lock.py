"""``signalbox.lock``: which code each stage of a project runs, though the code lies elsewhere.

A stage of the bundled ``dvc.yaml`` depends on the files that it runs. A project has none of them:
its stage depends on one line of the lock instead, the hash of those files as they are installed. So
an upgrade runs again what it changed, and a stage never runs other code than the lock says.
"""

import hashlib
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.errors import SignalboxError

LOCK = "signalbox.lock"
STAGES = "stages"
DEFINITIONS = "definitions"
VERSION = "signalbox"
CODE = "pipelines/"
"""How a dependency on code begins in the bundled ``dvc.yaml``."""
COMMAND = "signalbox stage"
EXIT_USER_ERROR = 2
"""As `pipelines.core.stage.EXIT_USER_ERROR`, which would load the typed params."""

SITE = Path(__file__).resolve().parents[2]
"""Where the packages lie: the top of the tree, or of what a wheel was installed into."""
_IN_WHEEL = {
    "dvc.yaml": "pipelines/project/stages.yaml",  # by its own name it would make a project of us
    "dags": "signalbox_airflow/dags",
    "expectations": "signalbox_airflow/expectations",
}
_HEADER = "# Written by signalbox: the code that each stage runs. `signalbox upgrade` changes it.\n"


def bundled(name: str) -> Path:
    """Return a file or folder that comes with the code, from the tree or from the wheel.

    Parameters
    ----------
    name : {"dvc.yaml", "dags", "expectations"}
        As it is called in the tree.

    Raises
    ------
    SignalboxError
        If the installation lacks it.
    """
    for path in (SITE / _IN_WHEEL[name], SITE / name):
        if path.exists():
            return path
    raise SignalboxError(
        f"{SITE / _IN_WHEEL[name]}: missing from the installation; install signalbox again"
    )


@cache
def bundled_stages() -> Mapping[str, Mapping[str, Any]]:
    """Return the stages of the bundled ``dvc.yaml``, as they stand there."""
    text = bundled("dvc.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(text, yaml.CSafeLoader)[STAGES])


def module_of(stage: str) -> str:
    """Return the module that a stage runs.

    Raises
    ------
    SignalboxError
        If there is no such stage.
    """
    known = bundled_stages()
    if stage not in known:
        raise SignalboxError(f"there is no stage {stage!r}; there are {', '.join(known)}")
    return str(known[stage]["cmd"]).split()[-1]


def code_of(stage: str) -> list[str]:
    """Return the files and packages of code that a stage depends on, relative to the packages."""
    return [dep for dep in bundled_stages()[stage].get("deps", ()) if dep.startswith(CODE)]


def stage_hash(stage: str) -> str:
    """Return the SHA-256 of the installed code that a stage runs.

    It is that of a list of paths and of their contents' hashes, so that it is the same from a tree
    and from a wheel, and another one wherever a file was added, taken out or changed.

    Raises
    ------
    SignalboxError
        If the stage is unknown or a file is missing from the installation.
    """
    module_of(stage)
    whole = hashlib.sha256()
    for name, file in sorted(_files(stage).items()):
        whole.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n".encode())
    return whole.hexdigest()


def _files(stage: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for dep in code_of(stage):
        path = SITE / dep
        if not path.exists():
            raise SignalboxError(f"{path}: missing from the installation; install signalbox again")
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                found[file.relative_to(SITE).as_posix()] = file
    return found


def installed_version() -> str:
    """Return the version of the installed distribution; that of the tree if it isn't installed."""
    try:
        return version("signalbox")
    except PackageNotFoundError:
        import tomllib

        text = (SITE / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


@dataclass(frozen=True)
class Lock:
    """What ``signalbox.lock`` says.

    Attributes
    ----------
    version : str
        Of the Signalbox that wrote it.
    stages : mapping of str to str
        Stage → hash of its code, in the order of the file. DVC reads these.
    definitions : mapping of str to str
        Stage → hash of its definition as it was written into ``dvc.yaml``, by which an upgrade
        sees whether a person changed it since.
    """

    version: str
    stages: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file."""
        lines = [f"{VERSION}: {self.version}"]
        for name, hashes in ((STAGES, self.stages), (DEFINITIONS, self.definitions)):
            lines += [f"{name}:", *(f"  {stage}: {found}" for stage, found in hashes.items())]
        return _HEADER + "\n".join(lines) + "\n"


def parse_lock(text: str, where: str = LOCK) -> Lock:
    """Read a lock.

    Raises
    ------
    SignalboxError
        If it isn't one.
    """
    try:
        raw = yaml.load(text, yaml.CSafeLoader)
        tables = [raw[STAGES] or {}, raw.get(DEFINITIONS) or {}]
        stages, definitions = ({str(k): str(v) for k, v in table.items()} for table in tables)
        return Lock(str(raw[VERSION]), stages, definitions)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise SignalboxError(f"{where}: not readable; restore it from git") from None


def read_lock(root: Path) -> Lock:
    """Read a project's lock.

    Raises
    ------
    SignalboxError
        If there is none, or it isn't readable.
    """
    file = root / LOCK
    try:
        return parse_lock(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        raise SignalboxError(
            f"{file} is missing; restore it from git, or run signalbox upgrade"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SignalboxError(f"{file}: cannot be read: {error}") from error


def has_lock(root: Path) -> bool:
    """Whether a directory is a project whose code is installed, and not part of it."""
    return (root / LOCK).is_file()


def foreign_code(root: Path, stage: str) -> str:
    """Say why a stage can't run here by the code that a project's lock names; empty if it can.

    Raises
    ------
    SignalboxError
        If the lock isn't readable.
    """
    lock = read_lock(root)
    if stage not in lock.stages:
        return f"{LOCK} has no stage {stage}"
    if stage not in bundled_stages():
        return f"signalbox {lock.version} had a stage {stage}, {installed_version()} has none"
    if lock.stages[stage] != stage_hash(stage):
        return (
            f"{LOCK}: stage {stage} belongs to code of signalbox {lock.version}, and what is "
            f"installed is another ({installed_version()})"
        )
    return ""


def require_current(root: Path, stage: str) -> None:
    """Refuse a stage whose code isn't the one that the project's lock names.

    Raises
    ------
    SignalboxError
        Says what to do.
    """
    if why := foreign_code(root, stage):
        raise SignalboxError(
            f"{why}; run signalbox upgrade, which says what will run again, or install the version "
            "that the lock names"
        )


def run_stage_of_lock(stage: str, root: Path) -> None:
    """Run a stage as ``python -m`` would, in the current directory, once its lock was checked.

    Raises
    ------
    SystemExit
        With code 2 and one line on stderr if the lock doesn't fit; as the stage ends otherwise.
    """
    try:
        module = module_of(stage)
        require_current(root, stage)
    except SignalboxError as error:
        print(f"{stage}: error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_USER_ERROR) from None
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

"""Python in a run's copy imports the copy's code, also what is installed in editable mode.

``pip install -e`` (and a ``.pth`` file, and ``PYTHONPATH``) put the project's own folders on the
path of an interpreter, so that a stage would import the code that lies in the working tree now,
whatever the run's commit holds. Which interpreter a command starts is not known beforehand, so each
of them is told by the one hook that all have: a ``sitecustomize`` on ``PYTHONPATH``, which replaces
what points into the original by what points into the copy.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

_FOLDER: Final = os.path.join(".git", "dvc-airflow")
_ORIGIN: Final = "origin"
_PYTHON: Final = "python"

# For whatever Python a stage uses, so nothing in it is younger than Python 3.6.
_HOOK: Final = '''\
"""Written by dvc-airflow: modules of the project come from this run's copy of it."""
import os
import sys

ORIGINAL, COPY, WORKSPACES = {original!r}, {copy!r}, {workspaces!r}
HERE = os.path.dirname(os.path.abspath(__file__))


def within(path, folder):
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def moved(path):
    """The path in the copy; the path itself if it has nothing to do with it; None if it is gone."""
    real = os.path.realpath(path)
    if not within(real, ORIGINAL) or within(real, COPY) or within(real, WORKSPACES):
        return path
    copy = COPY + real[len(ORIGINAL):]
    if os.path.exists(copy) or os.path.exists(copy + ".py"):
        return copy
    # An environment, or what git ignores on purpose, exists only there.
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix):
        if within(real, os.path.realpath(prefix)):
            return path
    return path if ignored(real) else None


def ignored(path):
    import subprocess
    try:
        command = ["git", "-C", ORIGINAL, "check-ignore", "-q", "--", path]
        return subprocess.call(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def redirect(mapping):
    for name, path in list(mapping.items()):
        found = moved(str(path))
        if found is None:
            del mapping[name]
        elif found != str(path):
            mapping[name] = type(path)(found)


def redirect_all():
    kept = []
    for entry in sys.path:
        if os.path.abspath(entry) == HERE:
            continue
        found = moved(entry) if entry else entry
        if found is not None and (found not in kept or found == entry):
            kept.append(found)
    sys.path[:] = kept
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            redirect(getattr(module, "MAPPING", {{}}))
            namespaces = getattr(module, "NAMESPACES", {{}})
            for key, paths in list(namespaces.items()):
                namespaces[key] = [path for path in map(moved, paths) if path is not None]
    redirector = sys.modules.get("editables.redirector")
    redirect(getattr(getattr(redirector, "RedirectingFinder", None), "_redirections", {{}}))


def run_next():
    """Run the sitecustomize that this one stands before."""
    from importlib import util
    from importlib.machinery import PathFinder
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


redirect_all()
run_next()
'''


def write_hook(git_root: Path, clone: Path, final: Path, workspaces: Path) -> None:
    """Write what `isolate` needs into a clone.

    Parameters
    ----------
    git_root : Path
        The original repository.
    clone : Path
        Its copy.
    final : Path
        Where that copy will be once it is complete.
    workspaces : Path
        Holds all copies; may lie in the original.
    """
    folder = clone / _FOLDER / _PYTHON
    folder.mkdir(parents=True, exist_ok=True)
    (clone / _FOLDER / _ORIGIN).write_text(str(git_root), encoding="utf-8")
    hook = _HOOK.format(
        original=os.path.realpath(git_root),
        copy=os.path.realpath(final),
        workspaces=os.path.realpath(workspaces),
    )
    (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")


def isolate(project: Path, environ: MutableMapping[str, str]) -> None:
    """Let commands that inherit an environment use the copy's code.

    Parameters
    ----------
    project : Path
        The project in the copy; in any other directory nothing happens.
    environ : mutable mapping
        The environment; gets another ``PYTHONPATH``, and in ``PATH`` the copy's folders instead
        of the original's.
    """
    for clone in (project, *project.parents):
        if (clone / _FOLDER / _ORIGIN).is_file():
            break
    else:
        return
    folder = str(clone / _FOLDER / _PYTHON)
    before = environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = os.pathsep.join([folder, before] if before else [folder])
    original = (clone / _FOLDER / _ORIGIN).read_text(encoding="utf-8")
    searched = environ.get("PATH", os.defpath).split(os.pathsep)
    environ["PATH"] = os.pathsep.join(_in_copy(entry, original, clone) for entry in searched)


def _in_copy(entry: str, original: str, clone: Path) -> str:
    if entry != original and not entry.startswith(original.rstrip(os.sep) + os.sep):
        return entry
    copy = clone / os.path.relpath(entry, original)
    return str(copy) if copy.is_dir() else entry

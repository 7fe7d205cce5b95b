"""What .dvc files and dvc.lock may contain, checked as DVC 3 checks them.

DVC refuses a whole project for one file of an older format: a .dvc file with ``cmd``, an
output with ``metric``, a dvc.lock without ``schema``. The error says which command brings the
file up to date.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from dvc_airflow.graph.bulk import without_lists
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.schema import check_keys, expect
from dvc_airflow.graph.yaml_marks import Marked, Path, load_marked

LOCK_SCHEMA: Final = "2.0"

Check = Callable[[Marked, Any, Path], None]


def check_source(marked: Marked) -> None:
    """Refuse anything in a .dvc file that DVC would refuse."""
    expect(marked, marked.data, dict, "a mapping", ())
    if "cmd" in marked.data:
        problem = (
            "'cmd' cannot stand in a .dvc file since DVC 1.0; move the stage to dvc.yaml "
            "(dvc stage add), and delete this file"
        )
        raise marked.error(problem, "cmd")
    _SOURCE(marked, marked.data, ())
    for i, item in enumerate(marked.data.get("outs") or []):
        if "path" not in item:
            raise marked.error("each entry of 'outs' needs a 'path'", "outs", i)
    for i, item in enumerate(marked.data.get("deps") or []):
        if not item.get("path") and "db" not in item:
            raise marked.error("each entry of 'deps' needs a 'path'", "deps", i)


def check_lock(root: FilePath, path: str) -> None:
    """Refuse a dvc.lock that DVC would refuse.

    Parameters
    ----------
    root : Path
        The project.
    path : str
        The file, relative to it; a file that is not there is no error.

    Raises
    ------
    PipelineError
        If the file cannot be read, is in conflict, or is not of schema 2.0.
    """
    full = root / path
    if not os.path.lexists(full):
        return
    if not full.is_file():
        raise PipelineError(path, 1, "this is no file; move it away, and 'dvc repro' writes one")
    try:
        text = full.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PipelineError(path, 1, f"cannot be read: {exc}") from exc
    marked = load_marked(without_lists(text), path)
    expect(marked, marked.data, dict, "a mapping", ())
    schema = marked.data.get("schema")
    if schema is None:
        problem = (
            "there is no 'schema', so this is a lock file of DVC 1 (or an empty one); "
            "delete it and run 'dvc repro' or 'dvc commit' with DVC 3"
        )
        raise marked.error(problem)
    if schema != LOCK_SCHEMA:
        raise marked.error(f"'schema' must be '{LOCK_SCHEMA}', not {schema!r}", "schema")
    _LOCK(marked, marked.data, ())


def _fields(words: str, checks: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    allowed = tuple(checks)

    def check(marked: Marked, value: Any, where: Path) -> None:
        expect(marked, value, dict, "a mapping", where)
        for key, item in value.items():
            found = checks.get(key) if isinstance(key, str) else None
            if found is None:
                if key == "metric":
                    problem = "'metric' cannot stand here since DVC 1.0; delete the line"
                    raise marked.error(problem, *where, key)
                check_keys(marked, {key: item}, allowed, where, words)
            else:
                found(marked, item, (*where, key))
        for key in required:
            if key not in value:
                raise marked.error(f"{key!r} is missing", *where)

    return check


def _each(check: Check) -> Check:
    def each(marked: Marked, value: Any, where: Path) -> None:
        expect(marked, value, list, "a list", where)
        for i, item in enumerate(value):
            check(marked, item, (*where, i))

    return each


def _named(check: Check) -> Check:
    def named(marked: Marked, value: Any, where: Path) -> None:
        expect(marked, value, dict, "a mapping", where)
        for key, item in value.items():
            expect(marked, key, str, "text", (*where, key))
            check(marked, item, (*where, key))

    return named


def _optional(check: Check) -> Check:
    def optional(marked: Marked, value: Any, where: Path) -> None:
        if value is not None:
            check(marked, value, where)

    return optional


def _kind(kind: type | tuple[type, ...], words: str) -> Check:
    def check(marked: Marked, value: Any, where: Path) -> None:
        expect(marked, value, kind, words, where)

    return check


def _anything(marked: Marked, value: Any, where: Path) -> None:
    """Accept everything."""


def _checksum(marked: Marked, value: Any, where: Path) -> None:
    if value is None or value == "":
        return
    expect(marked, value, (str, int), "a hash", where)
    if len(str(value)) < 3:
        raise marked.error(f"'{where[-1]}' must be a hash, not {value!r}", *where)


def _hash_name(marked: Marked, value: Any, where: Path) -> None:
    expect(marked, value, str, "the name of a hash", where)
    if not value:
        raise marked.error("'hash' must name one, such as md5; or leave it out", *where)


def _cloud(marked: Marked, value: Any, where: Path) -> None:
    _named(_fields("for an object", {**_META, **_CHECKSUMS}))(marked, value, where)
    if len(value) > 1:
        raise marked.error("'cloud' may name one remote only", *where)


_TEXT: Final = _kind(str, "a string")
_FLAG: Final = _kind(bool, "true or false")
_NUMBER: Final = _kind(int, "a whole number")
_MAPPING: Final = _kind(dict, "a mapping")
_META: Final[dict[str, Check]] = {
    "size": _NUMBER,
    "nfiles": _NUMBER,
    "isexec": _FLAG,
    "version_id": _TEXT,
}
_CHECKSUMS: Final[dict[str, Check]] = {"md5": _checksum, "checksum": _checksum, "etag": _checksum}
_ANNOTATIONS: Final[dict[str, Check]] = {
    "desc": _TEXT,
    "type": _TEXT,
    "labels": _each(_TEXT),
    "meta": _anything,
}
_FILES: Final = _each(
    _fields(
        "for a file",
        {**_CHECKSUMS, **_META, "relpath": _TEXT, "cloud": _cloud},
        required=("relpath",),
    )
)
_ARTIFACT: Final[dict[str, Check]] = {
    **_CHECKSUMS,
    **_META,
    "path": _TEXT,
    "persist": _FLAG,
    "cloud": _cloud,
    "hash": _hash_name,
    "files": _FILES,
    "fs_config": _MAPPING,
}
_REPO: Final = _fields(
    "for a repository",
    {
        "url": _TEXT,
        "rev": _TEXT,
        "rev_lock": _TEXT,
        "config": _kind((str, dict), "a string or a mapping"),
        "remote": _kind((str, dict), "a string or a mapping"),
    },
    required=("url",),
)
_DATABASE: Final = _fields(
    "for a database",
    dict.fromkeys(("query", "connection", "file_format", "table"), _TEXT),
)
_SOURCE: Final = _fields(
    "in a .dvc file",
    {
        "md5": _checksum,
        "wdir": _optional(_TEXT),
        "deps": _optional(
            _each(_fields("for a dependency", {**_ARTIFACT, "repo": _REPO, "db": _DATABASE}))
        ),
        "outs": _optional(
            _each(
                _fields(
                    "for an output",
                    {**_ARTIFACT, **_ANNOTATIONS, "cache": _FLAG, "remote": _TEXT, "push": _FLAG},
                )
            )
        ),
        "locked": _FLAG,
        "frozen": _FLAG,
        "meta": _anything,
        "always_changed": _FLAG,
        "desc": _TEXT,
    },
)
_DATA: Final = _each(
    _fields(
        "for locked data",
        {
            **_CHECKSUMS,
            **_META,
            "path": _TEXT,
            "cloud": _cloud,
            "files": _FILES,
            "hash": _hash_name,
            "dataset": _MAPPING,
        },
        required=("path",),
    )
)
_LOCK: Final = _fields(
    "in dvc.lock",
    {
        "schema": _TEXT,
        "datasets": _anything,
        "stages": _named(
            _fields(
                "for a locked stage",
                {
                    "cmd": _kind((str, list), "a string or a list of strings"),
                    "deps": _DATA,
                    "params": _named(_named(_anything)),
                    "outs": _DATA,
                },
                required=("cmd",),
            )
        ),
    },
)

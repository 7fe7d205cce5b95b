"""What a run left: dvc.lock entries and the outputs that git keeps; and how two runs compare."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc_airflow.graph import Graph
from dvc_airflow.graph.model import Out, Stage
from dvc_airflow.runtime.git import git, git_or_none

Entry = dict[str, Any]


@dataclass(frozen=True)
class RunOutcome:
    """What a run left.

    Attributes
    ----------
    entries : dict
        Address to the stage's entry in dvc.lock.
    files : dict
        Path (in the project) of each output that DVC does not cache, or of each file in it,
        to the sha256 of its bytes.
    """

    entries: dict[str, Entry]
    files: dict[str, str]


@dataclass
class Comparison:
    """How a run differs from the reference.

    Attributes
    ----------
    problems : dict
        Address of a stage to what is different.
    """

    problems: dict[str, list[str]] = field(default_factory=dict)

    def add(self, stage: str, text: str) -> None:
        """Add what is different of a stage."""
        self.problems.setdefault(stage, []).append(text)


def read_worktree(project: Path, graph: Graph, stages: Iterable[str]) -> RunOutcome:
    """Return what lies in a work tree after ``dvc repro``."""

    def read(file: str) -> str | None:
        path = project / file
        return path.read_text(encoding="utf-8") if path.is_file() else None

    chosen = [graph.stages[address] for address in stages]
    files = {
        name: hashlib.sha256((project / name).read_bytes()).hexdigest()
        for stage in chosen
        for out in git_outs(stage)
        for name in _files_below(project, out.path)
    }
    return RunOutcome(_entries(chosen, read), files)


def read_commit(
    repository: Path, commit: str, prefix: str, graph: Graph, stages: Iterable[str]
) -> RunOutcome:
    """Return what a saved run's commit holds.

    Parameters
    ----------
    repository : Path
        The git repository.
    commit : str
        The saved run.
    prefix : str
        The project's directory in the repository; empty if it is the root.
    graph, stages
        The project, and the stages that ran.
    """

    def read(file: str) -> str | None:
        return git_or_none(repository, "show", f"{commit}:{posixpath.join(prefix, file)}")

    chosen = [graph.stages[address] for address in stages]
    files: dict[str, str] = {}
    for stage in chosen:
        for out in git_outs(stage):
            full = posixpath.join(prefix, out.path)
            listed = git(
                repository,
                "--literal-pathspecs",
                "ls-tree",
                "-r",
                "-z",
                commit,
                "--",
                full,
                strip=False,
            )
            for line in listed.split("\0"):
                head, _, path = line.partition("\t")
                if path:
                    name = posixpath.relpath(path, prefix or ".")
                    files[name] = _blob_sha256(repository, head.split()[2])
    return RunOutcome(_entries(chosen, read), files)


def git_outs(stage: Stage) -> list[Out]:
    """Return the outputs of a stage that DVC does not cache."""
    return [out for out in stage.outs if not out.cache]


def entry_place(stage: Stage) -> tuple[str, str]:
    """Return the dvc.lock of a stage and the stage's name in it."""
    return f"{os.path.splitext(stage.file)[0]}.lock", stage.name


def differences(graph: Graph, expected: RunOutcome, found: RunOutcome) -> Comparison:
    """Compare dvc.lock entry by entry and the other outputs byte by byte."""
    result = Comparison()
    for address, entry in expected.entries.items():
        other = found.entries.get(address)
        if other is None:
            result.add(address, "dvc.lock has no entry of it")
        elif other != entry:
            result.add(address, f"dvc.lock: {_what_differs(entry, other)}")
        outs = git_outs(graph.stages[address])
        for out in outs:
            result.problems.setdefault(address, []).extend(
                _file_differences(expected.files, found.files, out.path)
            )
    result.problems = {stage: texts for stage, texts in result.problems.items() if texts}
    return result


def contradictions(graph: Graph, outcome: RunOutcome, md5_of: Mapping[str, str]) -> list[str]:
    """Return what cannot be true of one run, whatever its stages computed.

    A stage must have read what another stage of the same run made, and an output that git keeps
    must have the hash that dvc.lock names.

    Parameters
    ----------
    graph : Graph
        The project.
    outcome : RunOutcome
        The saved run.
    md5_of : mapping
        Path of an output that git keeps (single files alone) to the md5 of its bytes.
    """
    made: dict[str, tuple[str, str]] = {}
    found: list[str] = []
    for address, entry in outcome.entries.items():
        for path, digest in hashes(graph.stages[address], entry, "outs"):
            made[path] = (address, digest)
            kept = md5_of.get(path)
            if kept is not None and kept != digest:
                found.append(
                    f"stage {address}: dvc.lock names {digest[:8]} for {path}, "
                    f"but the commit's file is {kept[:8]}"
                )
    for address, entry in outcome.entries.items():
        for path, digest in hashes(graph.stages[address], entry, "deps"):
            maker = made.get(path)
            if maker is not None and maker[1] != digest:
                found.append(
                    f"stage {address} read {path} as {digest[:8]}, but stage {maker[0]} of the "
                    f"same run made {maker[1][:8]}"
                )
    return found


def hashes(stage: Stage, entry: Entry, key: str) -> list[tuple[str, str]]:
    """Return (path in the project, md5) of a dvc.lock entry's outputs or dependencies."""
    wdir = stage.wdir
    return [
        (posixpath.normpath(posixpath.join(wdir, item["path"])), str(item["md5"]))
        for item in entry.get(key, [])
        if "md5" in item
    ]


def md5_of_files(
    repository: Path, commit: str, prefix: str, paths: Iterable[str]
) -> dict[str, str]:
    """Return the md5 of single files in a commit."""
    found: dict[str, str] = {}
    for path in paths:
        blob = git_or_none(
            repository,
            "rev-parse",
            "--verify",
            "--quiet",
            f"{commit}:{posixpath.join(prefix, path)}",
        )
        if blob and git(repository, "cat-file", "-t", blob) == "blob":
            found[path] = hashlib.md5(_blob(repository, blob), usedforsecurity=False).hexdigest()
    return found


def load_yaml(text: str) -> Any:
    """Read YAML as DVC does (1.2)."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _entries(stages: Iterable[Stage], read: Any) -> dict[str, Entry]:
    loaded: dict[str, dict[str, Entry]] = {}
    found: dict[str, Entry] = {}
    for stage in stages:
        file, name = entry_place(stage)
        if file not in loaded:
            text = read(file)
            loaded[file] = (load_yaml(text) or {}).get("stages") or {} if text else {}
        if name in loaded[file]:
            found[stage.address] = loaded[file][name]
    return found


def _what_differs(expected: Entry, found: Entry) -> str:
    parts = []
    for key in sorted({*expected, *found}):
        one, other = expected.get(key), found.get(key)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            had = {item["path"]: item for item in one}
            have = {item["path"]: item for item in other}
            names = sorted(p for p in {*had, *have} if had.get(p) != have.get(p))
            parts.append(f"{key} {', '.join(names)}" if names else f"the order of {key}")
        else:
            parts.append(f"{key} {one!r} → {other!r}"[:200])
    return "; ".join(parts)


def _file_differences(expected: Mapping[str, str], found: Mapping[str, str], out: str) -> list[str]:
    def below(path: str) -> bool:
        return path == out or path.startswith(f"{out}/")

    texts = []
    for path in sorted({p for p in {*expected, *found} if below(p)}):
        if path not in found:
            texts.append(f"{path} is not in the commit")
        elif path not in expected:
            texts.append(f"{path} is in the commit, but dvc repro does not make it")
        elif expected[path] != found[path]:
            texts.append(f"{path} has other bytes")
    return texts


def _files_below(project: Path, path: str) -> list[str]:
    start = project / path
    if start.is_file():
        return [path]
    return sorted(str(file.relative_to(project)) for file in start.rglob("*") if file.is_file())


def _blob_sha256(repository: Path, blob: str) -> str:
    return hashlib.sha256(_blob(repository, blob)).hexdigest()


def _blob(repository: Path, blob: str) -> bytes:
    import subprocess

    command = ["git", "-C", str(repository), "cat-file", "blob", blob]
    return subprocess.run(command, capture_output=True, check=True).stdout

"""Copies of a project to experiment with: a git origin, a DVC remote, a reference run, hosts.

The project itself is only read: git and DVC commands that could write run in the copies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dvc_airflow.conformance.commands import dvc, reproduce
from dvc_airflow.conformance.outcome import (
    RunOutcome,
    entry_place,
    git_outs,
    hashes,
    load_yaml,
    read_worktree,
)
from dvc_airflow.conformance.result import ConformanceError
from dvc_airflow.graph import Graph, load_graph, select_stages
from dvc_airflow.graph.build import is_url
from dvc_airflow.runtime.git import git, git_or_none, resolve_commit
from dvc_airflow.runtime.snapshot import require_repository

REMOTE: Final = "conformance"
BRANCH: Final = "conformance"
_SHOWN: Final = 5
# Hooks and templates of the user's git have no business in copies.
_QUIET: Final = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "init.templateDir=",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "protocol.file.allow=always",
)


@dataclass
class Scratch:
    """A project's copies.

    Attributes
    ----------
    directory : Path
        Holds all of them.
    prefix : str
        The project's directory in its git repository; empty if it is the root.
    commit : str
        The commit of the project that is examined.
    targets : list of str or None
        As for ``dvc repro``.
    stages : list of str
        The selected stages, in the order of dvc.yaml.
    graph : Graph
        The project's stages.
    expected : RunOutcome
        What a plain ``dvc repro`` made.
    seconds : dict
        How long the reference run took for each stage.
    stale : frozenset of str
        Hashes of the outputs of the made-up older run that the copies' commit names.
    """

    directory: Path
    prefix: str
    commit: str
    targets: list[str] | None
    timeout: float
    graph: Graph
    stages: list[str]
    ignored: list[tuple[Path, str]] = field(default_factory=list)
    expected: RunOutcome = field(default_factory=lambda: RunOutcome({}, {}))
    stale: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)
    _repeats: dict[str, bool] = field(default_factory=dict)

    @property
    def origin(self) -> Path:
        """The bare repository that all copies come from."""
        return self.directory / "origin.git"

    @property
    def remote(self) -> Path:
        """The common DVC remote: inputs, and the outputs of the made-up older run."""
        return self.directory / "remote"

    @property
    def reference(self) -> Path:
        """The project of the reference run."""
        return self.directory / "reference" / self.prefix

    def own_remote(self, name: str) -> Path:
        """Make a remote that holds what the common one holds, for a check that writes to it."""
        remote = self.directory / f"{name}.remote"
        _link_tree(self.remote, remote)
        return remote

    def clone(self, name: str, *, data: bool = True, remote: Path | None = None) -> Path:
        """Make a copy with a cache of its own and return its project.

        Parameters
        ----------
        name : str
            Of the copy's directory.
        data : bool
            Whether its cache holds what the common remote holds.
        remote : Path, optional
            Its remote, if not the common one.
        """
        root = self.directory / name
        git(self.directory, *_QUIET, "clone", "--quiet", str(self.origin), str(root))
        for key, value in (("user.name", "Conformance"), ("user.email", "conformance@localhost")):
            git(root, "config", key, value)
        project = root / self.prefix
        cache = self.directory / f"{name}.cache"
        _write_config(project, cache, remote or self.remote)
        if data and self.remote.is_dir():
            _link_tree(self.remote, cache)
        for source, path in self.ignored:
            _copy(source, project / path)
        return project

    def repeats(self, address: str) -> bool:
        """Whether a stage, forced to run again on the same inputs, makes the same outputs."""
        if address not in self._repeats:
            dvc(
                self.reference,
                "repro",
                "--quiet",
                "--force",
                "--single-item",
                "--no-run-cache",
                address,
                timeout=self.timeout,
            )
            again = read_worktree(self.reference, self.graph, [address])
            outs = [path for out in git_outs(self.graph.stages[address]) for path in [out.path]]
            same_lock = again.entries[address] == self.expected.entries[address]
            same_files = all(
                self.expected.files.get(path) == digest
                for path, digest in again.files.items()
                if any(path == out or path.startswith(f"{out}/") for out in outs)
            )
            self._repeats[address] = same_lock and same_files
        return self._repeats[address]

    def below(self, addresses: Iterable[str]) -> set[str]:
        """Return some stages and every selected stage that reads from them."""
        found = set(addresses)
        while True:
            more = {s for s in self.stages if self.graph.upstream[s] & found} - found
            if not more:
                return found
            found |= more

    def runnable(self) -> list[str]:
        """Return the selected stages that are not frozen."""
        return [address for address in self.stages if not self.graph.stages[address].frozen]


def prepare(
    project: Path,
    directory: Path,
    *,
    targets: Sequence[str] | None = None,
    rev: str | None = None,
    timeout: float = 3600.0,
    log: Callable[[str], None] = print,
) -> Scratch:
    """Copy a project and run it once by a plain ``dvc repro``.

    The copies' commit is then one on top of the project's: dvc.lock and the outputs that git
    keeps are those of a made-up *older* run, all outputs of which differ (by a byte more in each
    file). So a bridge that takes what is committed for what the run made is always found out,
    whatever the stages compute.

    Parameters
    ----------
    project : Path
        The project; it is only read.
    directory : Path
        An empty directory for the copies.
    targets : sequence of str, optional
        As for ``dvc repro``.
    rev : str, optional
        The revision to examine; HEAD by default, if nothing is uncommitted.
    timeout : float
        Seconds that ``dvc repro`` may take.
    log : callable
        Told what is going on.

    Raises
    ------
    ConformanceError
        If the project has uncommitted changes, or something of it cannot be copied.
    """
    root = require_repository(project)
    commit = _commit_of(root, rev)
    prefix = os.path.relpath(project.resolve(), root.resolve())
    prefix = "" if prefix == "." else prefix
    origin = directory / "origin.git"
    git(directory, *_QUIET, "clone", "--quiet", "--bare", "--no-hardlinks", str(root), str(origin))
    git(origin, "update-ref", f"refs/heads/{BRANCH}", commit)
    git(origin, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    chosen = list(targets) if targets else None
    empty = Graph(str(project), {}, {})
    scratch = Scratch(directory, prefix, commit, chosen, timeout, empty, [])
    reference = scratch.clone("reference")
    scratch.graph = load_graph(reference)
    scratch.stages = select_stages(scratch.graph, chosen)
    _refuse_outside(scratch)
    scratch.ignored = _ignored_inputs(scratch, project, reference)
    for source, path in scratch.ignored:
        _copy(source, reference / path)
    log("copying tracked data")
    _copy_data(scratch, project)
    log(f"reference: dvc repro {' '.join(chosen or [])}")
    targets_or_all = chosen or _root_targets(scratch)
    scratch.seconds = reproduce(reference, *targets_or_all, timeout=timeout)
    scratch.expected = read_worktree(reference, scratch.graph, scratch.stages)
    log("committing a made-up older run")
    scratch.stale = _commit_older_run(scratch)
    return scratch


def _root_targets(scratch: Scratch) -> list[str]:
    """Name the stages where the root has no dvc.yaml, as dvc repro needs it."""
    return [] if (scratch.reference / "dvc.yaml").is_file() else list(scratch.stages)


def _commit_of(root: Path, rev: str | None) -> str:
    if rev is not None:
        commit = resolve_commit(root, rev)
        if commit is None:
            msg = f"there is no revision {rev!r} in {root}"
            raise ConformanceError(msg)
        return commit
    # Without optional locks, or git would refresh the project's index.
    status = git(root, "--no-optional-locks", "status", "--porcelain", "-z", strip=False)
    changed = [line[3:] for line in status.split("\0") if line]
    if changed:
        shown = ", ".join(changed[:_SHOWN]) + (" …" if len(changed) > _SHOWN else "")
        msg = (
            f"{root} has uncommitted changes ({shown}); commit or stash them, or examine what "
            "is committed by --rev HEAD"
        )
        raise ConformanceError(msg)
    return git(root, "rev-parse", "HEAD")


def _refuse_outside(scratch: Scratch) -> None:
    """Stages that write outside of the project would write to the real thing."""
    outside = [
        f"{address} ({out.path})"
        for address in scratch.stages
        for out in scratch.graph.stages[address].outs
        if is_url(out.path) or os.path.isabs(out.path) or out.path.startswith("../")
    ]
    if outside:
        msg = (
            f"stage(s) {', '.join(outside)} write outside of the project, where no copy can "
            "stand in; choose --targets without them"
        )
        raise ConformanceError(msg)


def _ignored_inputs(scratch: Scratch, project: Path, copy: Path) -> list[tuple[Path, str]]:
    """Return data that git ignores and nothing tracks: the bridge links it from the project."""
    made = {out.path for stage in scratch.graph for out in stage.outs}
    made |= {out.path for source in scratch.graph.sources for out in source.outs}

    def is_made(path: str) -> bool:
        return any(
            path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in made
        )

    paths = {dep.path for address in scratch.stages for dep in scratch.graph.stages[address].deps}
    return [
        (project / path, path)
        for path in sorted(paths)
        if not is_url(path)
        and not os.path.isabs(path)
        and not path.startswith("../")
        and not is_made(path)
        and (project / path).exists()
        and not (copy / path).exists()
    ]


def _copy_data(scratch: Scratch, project: Path) -> None:
    """Copy from the project's cache what .dvc files, frozen stages and persistent outputs need."""
    cache = Path(dvc(project, "cache", "dir").strip().splitlines()[-1])
    # Also into the remote: other hosts get their inputs there.
    own = scratch.directory / "reference.cache"
    for digest in _tracked(scratch):
        copy_object(cache, own, digest)
    _link_tree(own, scratch.remote)
    files = [source.file for source in scratch.graph.sources]
    if files:
        dvc(scratch.reference, "checkout", "--quiet", "--allow-missing", *files)
    kept = [
        out.path
        for address in scratch.stages
        for out in scratch.graph.stages[address].outs
        if out.cache and (out.persist or scratch.graph.stages[address].frozen)
    ]
    if kept:
        dvc(scratch.reference, "checkout", "--quiet", "--allow-missing", *kept)
    missing = [
        out.path
        for source in scratch.graph.sources
        for out in source.outs
        if _is_read(scratch, out.path) and not (scratch.reference / out.path).exists()
    ]
    if missing:
        msg = f"{', '.join(missing)} is not in the project's cache {cache}; run 'dvc fetch' first"
        raise ConformanceError(msg)


def _is_read(scratch: Scratch, path: str) -> bool:
    deps = (dep.path for s in scratch.stages for dep in scratch.graph.stages[s].deps)
    return any(
        dep == path or dep.startswith(f"{path}/") or path.startswith(f"{dep}/") for dep in deps
    )


def _tracked(scratch: Scratch) -> set[str]:
    found: set[str] = set()
    for source in scratch.graph.sources:
        data = load_yaml((scratch.reference / source.file).read_text(encoding="utf-8")) or {}
        found |= {str(out["md5"]) for out in data.get("outs", []) if "md5" in out}
    locked = read_worktree(scratch.reference, scratch.graph, scratch.stages).entries
    for address, entry in locked.items():
        stage = scratch.graph.stages[address]
        if stage.frozen or any(out.persist for out in stage.outs):
            found |= {digest for _, digest in hashes(stage, entry, "outs")}
    return found


def copy_object(cache: Path, target: Path, digest: str) -> None:
    """Copy an object of a DVC cache, and all files of a directory."""
    for layout in ("files/md5", "."):
        source = cache / layout / digest[:2] / digest[2:]
        if source.is_file():
            destination = target / layout / digest[:2] / digest[2:]
            if not destination.exists():
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, destination)
                destination.chmod(0o444)
            if digest.endswith(".dir"):
                for item in json.loads(source.read_text(encoding="utf-8")):
                    copy_object(cache, target, str(item["md5"]))
            return


def _commit_older_run(scratch: Scratch) -> frozenset[str]:
    """Commit a run with other outputs to the origin; return the hashes of those."""
    _link_tree(scratch.directory / "reference.cache", scratch.remote)
    project = scratch.clone("older")
    chosen = [scratch.graph.stages[address] for address in scratch.runnable()]
    for file in {entry_place(stage)[0] for stage in chosen}:
        _copy(scratch.reference / file, project / file)
    if not chosen:
        msg = "all selected stages are frozen: there is nothing to run"
        raise ConformanceError(msg)
    dvc(project, "checkout", "--quiet", "--force", "--allow-missing")
    outs = [out for stage in chosen for out in stage.outs]
    for out in outs:
        if not out.cache:
            _copy(scratch.reference / out.path, project / out.path)
        if not out.persist:
            _age(project / out.path)
    dvc(
        project,
        "commit",
        "--quiet",
        "--force",
        *(stage.address for stage in chosen),
        timeout=scratch.timeout,
    )
    older = read_worktree(project, scratch.graph, scratch.runnable())
    stale = _stale_hashes(scratch, older)
    _make_changed(scratch, project, older)
    root = scratch.directory / "older"
    git(root, "add", "--all")
    git(
        root,
        *_QUIET,
        "commit",
        "--quiet",
        "--no-verify",
        "--allow-empty",
        "-m",
        "An older run, whose outputs all differ (made up by the conformance suite)",
    )
    git(root, *_QUIET, "push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}")
    cache = scratch.directory / "older.cache"
    # What the run cache says of the made-up run isn't true.
    shutil.rmtree(cache / "runs", ignore_errors=True)
    # In the remote lie inputs and the older run alone: nothing of what a run has to make.
    shutil.rmtree(scratch.remote)
    _share_older(scratch, older, cache)
    return stale


def _share_older(scratch: Scratch, older: RunOutcome, cache: Path) -> None:
    wanted = _tracked(scratch)
    for address, entry in older.entries.items():
        stage = scratch.graph.stages[address]
        wanted |= {digest for _, digest in hashes(stage, entry, "outs")}
    scratch.remote.mkdir()
    for digest in sorted(wanted):
        copy_object(cache, scratch.remote, digest)


def _stale_hashes(scratch: Scratch, older: RunOutcome) -> frozenset[str]:
    def outs(outcome: RunOutcome) -> set[str]:
        return {
            digest
            for address, entry in outcome.entries.items()
            for _, digest in hashes(scratch.graph.stages[address], entry, "outs")
        }

    return frozenset(outs(older) - outs(scratch.expected))


def _make_changed(scratch: Scratch, project: Path, older: RunOutcome) -> None:
    """Let the older run's first stages have had another command, so that they run again.

    All stages after them run because what they read changes; that is how a stage that hears
    nothing of the stages before it is told from one that does.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    by_file: dict[str, list[str]] = {}
    for address, entry in older.entries.items():
        stage = scratch.graph.stages[address]
        real = dict(hashes(stage, scratch.expected.entries[address], "deps"))
        if all(real.get(path) == digest for path, digest in hashes(stage, entry, "deps")):
            file, name = entry_place(stage)
            by_file.setdefault(file, []).append(name)
    for file, names in by_file.items():
        path = project / file
        data: Any = yaml.load(path.read_text(encoding="utf-8"))
        for name in names:
            entry = data["stages"][name]
            command = entry["cmd"]
            older_cmd = "# as it was once"
            entry["cmd"] = (
                [*command, older_cmd] if isinstance(command, list) else (f"{command} {older_cmd}")
            )
        with path.open("w", encoding="utf-8") as stream:
            yaml.dump(data, stream)


def _age(path: Path) -> None:
    """Give every file of an output a byte more: other content that most readers still accept."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
    else:
        files = [path] if path.is_file() else []
    for file in files:
        content = file.read_bytes()
        # Not in place: it may be a link into the cache.
        file.unlink()
        file.write_bytes(content + b"\n")


def _write_config(project: Path, cache: Path, remote: Path) -> None:
    """Give a copy its own cache and remote, over whatever the project's configuration says."""
    (project / ".dvc" / "config.local").write_text(
        f"[core]\n    remote = {REMOTE}\n    analytics = false\n    autostage = false\n"
        f"[cache]\n    dir = {cache}\n"
        f"['remote \"{REMOTE}\"']\n    url = {remote}\n",
        encoding="utf-8",
    )


def _link_tree(source: Path, target: Path) -> None:
    """Copy a tree of objects that never change, by hard links where possible."""
    for directory, _, names in os.walk(source):
        place = target / os.path.relpath(directory, source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            destination = place / name
            if destination.exists():
                continue
            try:
                os.link(os.path.join(directory, name), destination)
            except OSError:
                shutil.copy2(os.path.join(directory, name), destination)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
        shutil.copy2(source, target)


def tree_of(repository: Path, commit: str) -> str:
    """Return the hash of a commit's tree."""
    return git_or_none(repository, "rev-parse", f"{commit}^{{tree}}") or ""

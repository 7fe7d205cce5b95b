"""Paths that lead out of a run's copy and back into the tree that it was made from.

In a copy, an absolute path into the project still means the working tree: a stage would read what
lies there now, whatever the run's commit and parameters are, and write over it. And ``../x`` means
a neighbour of the copy instead of a neighbour of the project. Links that git tracks are led to
where they belong; anything else of the kind is refused before a stage runs, with what makes it
right. Of a command only words can be judged: those that are such a path are refused, a mention
inside a longer text is a warning.

Absolute paths to data that git ignores or doesn't track are a different thing: the copy doesn't
have it, and naming it so is one of the ways to let runs read it (see `inputs`).
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dvc_airflow.graph import Graph, Stage
from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.edges import OutIndex
from dvc_airflow.graph.walk import DVC_DIR
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.inputs import parameters
from dvc_airflow.runtime.untracked import below, join, words

_END: Final = r"(?![\w.-])"
_START: Final = r"(?:(?<![\w./~}-])|(?<=://)|(?<=\s-\w))"
_TAIL: Final = r"""(?P<tail>(?:/[^\s'"`;|&<>(){}$,:=*?\[\]\\]*)?)"""


@dataclass(frozen=True)
class _Use:
    """A path as a stage writes it, and where that stands."""

    path: str
    stage: str
    where: str
    wdir: str = "."
    """What it is relative to, itself relative to the project."""


@dataclass
class _Copy:
    """What a copy has and makes."""

    project: Path
    git_root: Path
    clone: Path
    graph: Graph
    spelled: Path
    made: OutIndex = field(default_factory=OutIndex)
    read: OutIndex = field(default_factory=OutIndex)

    def __post_init__(self) -> None:
        self.home = below(self.project, self.git_root)
        for stage in self.graph:
            for out in stage.outs:
                self._claim(self.made, out.path, stage.address)
            for dep in stage.deps:
                self._claim(self.read, dep.path, stage.address)
        for source in self.graph.sources:
            for out in source.outs:
                self._claim(self.made, out.path, source.file)

    def _claim(self, index: OutIndex, path: str, owner: str) -> None:
        if not is_url(path):
            location = self.location(os.path.join(self.clone, self.home, path))
            if location is not None:
                index.add(location, owner)

    def location(self, path: str) -> str | None:
        """Return an absolute path relative to the repository, in the copy or the original."""
        for full in (os.path.normpath(path), _real_folder(path)):
            for root in (str(self.clone), str(self.git_root)):
                if _within(full, root):
                    return join(os.path.relpath(full, root))
        return None

    def has(self, location: str) -> bool:
        """Whether the copy has a path, or will have it; or only the original's git does."""
        if any(_within(location, join(self.home, own)) for own in (DVC_DIR, ".git")):
            return False
        if _within(location, ".git"):
            return False
        return (
            os.path.lexists(self.clone / location)
            or self.makes(location)
            or bool(self._listed(location))
        )

    def makes(self, location: str) -> bool:
        """Whether a path is an output or tracked data, or lies in or around one."""
        return bool(self.made.makers(location or "."))

    def names(self, location: str) -> bool:
        """Whether a path is an output or a dependency, or lies in one."""
        return self.made.owner(location) is not None or self.read.owner(location) is not None

    def _listed(self, location: str) -> str:
        return git(self.git_root, "--literal-pathspecs", "ls-files", "--", location or ".")

    def outside(self, path: str, wdir: str) -> str | None:
        """Return what a relative path means in the original, if it leaves the repository."""
        full = os.path.normpath(self.git_root / self.home / wdir / path)
        return None if _within(full, str(self.git_root)) else full


def refuse_live_paths(
    project: Path,
    git_root: Path,
    clone: Path,
    graph: Graph,
    *,
    stages: Sequence[str] | None,
    links: Sequence[str] = (),
    spelled: Path | None = None,
) -> list[str]:
    """Refuse stages that name the original tree where they mean the run's copy.

    Parameters
    ----------
    project, git_root : Path
        The project and its repository, without links in their paths.
    clone : Path
        The copy, as git made it.
    graph : Graph
        The project in the copy.
    stages : sequence of str or None
        The stages that will run; all of them by default.
    links : sequence of str
        What `lead_links` returned.
    spelled : Path, optional
        The project as its user writes it, maybe with links.

    Returns
    -------
    list of str
        Warnings: what may lead to the original, and can't be told.

    Raises
    ------
    WorkspaceError
        Names each stage, the path, where it stands, and what to write instead.
    """
    copy = _Copy(project, git_root, clone, graph, spelled or project)
    _leave_links_to_ignored_data(copy, links)
    chosen = [graph.stages[name] for name in stages or graph.stages if name in graph.stages]
    refusals: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for stage in chosen:
        for use in _paths(stage, copy):
            refusals.update(dict.fromkeys(_about_path(use, copy)))
        for use in _values(stage, copy):
            _judge_value(use, copy, refusals, warnings)
        _judge_commands(stage, copy, refusals, warnings)
    if refusals:
        raise WorkspaceError("\n".join(refusals))
    return list(warnings)


def _paths(stage: Stage, copy: _Copy) -> Iterator[_Use]:
    """Paths that dvc.yaml, or the .dvc files of what the stage reads, name as paths."""
    if stage.wdir != ".":
        yield _Use(stage.wdir, stage.address, f"{stage.file}: wdir")
    for dep in stage.deps:
        yield _Use(dep.written, stage.address, f"{stage.file}: deps", stage.wdir)
        for source in copy.graph.sources:
            for out in source.outs:
                if _within(dep.path, out.path) or _within(out.path, dep.path):
                    folder = posixpath.dirname(source.file) or "."
                    yield _Use(out.written, stage.address, f"{source.file}: outs", folder)
    for out in stage.outs:
        yield _Use(out.written, stage.address, f"{stage.file}: outs", stage.wdir)
    for file in dict.fromkeys([*stage.params, *(file for file, _ in stage.used)]):
        yield _Use(_as_written(file, copy), stage.address, f"{stage.file}: params or vars")


def _as_written(file: str, copy: _Copy) -> str:
    """Return a parameter file's path as it was relative, if it leaves the repository.

    The graph gives those absolute, as it gives absolute ones: only the first is another file in
    the original.
    """
    inner = copy.clone / copy.home
    if os.path.isabs(file) and copy.location(file) is None:
        relative = os.path.relpath(file, inner)
        if not os.path.exists(file) and os.path.exists(copy.project / relative):
            return relative
    return file


def _about_path(use: _Use, copy: _Copy) -> Iterator[str]:
    if is_url(use.path):
        return
    if os.path.isabs(use.path):
        yield from _about_absolute(use, use.path, copy)
        return
    full = copy.outside(use.path, use.wdir)
    if full is not None:
        yield (
            f"stage {use.stage!r} names {use.path} ({use.where}), which leaves the repository: in "
            "a run's workspace it is another path. Name it by its absolute path instead: "
            f"{full}"
        )


def _about_absolute(use: _Use, path: str, copy: _Copy) -> Iterator[str]:
    if os.path.normpath(path).startswith(f"{copy.clone}{os.sep}"):
        return
    location = copy.location(path)
    is_out = use.where.endswith(": outs")
    if location is not None and (is_out or copy.has(location)):
        yield _refusal(use, path, location, copy)


def _refusal(use: _Use, path: str, location: str, copy: _Copy) -> str:
    folder = join(copy.home, "" if os.path.isabs(use.wdir) else use.wdir)
    relative = posixpath.relpath(location or ".", folder or ".")
    return (
        f"stage {use.stage!r} names {path} ({use.where}): that is the original tree, not the "
        f"run's own copy of it. Name it by its relative path instead: {relative}"
    )


def _values(stage: Stage, copy: _Copy) -> Iterator[_Use]:
    for key, text in parameters(stage, copy.clone / copy.home):
        yield _Use(text, stage.address, key, stage.wdir)


def _judge_value(
    use: _Use, copy: _Copy, refusals: dict[str, None], warnings: dict[str, None]
) -> None:
    text = use.path
    if not text or "\0" in text or "\n" in text or len(text) > 1000 or is_url(text):
        return
    expanded = os.path.expanduser(text)
    if os.path.isabs(expanded):
        location = copy.location(expanded)
        if location is None or not copy.has(location):
            return
        shown = _Use(text, use.stage, f"{use.where} = {text!r}", use.wdir)
        if location and not copy.makes(location) and (copy.git_root / location).is_dir():
            # It may hold ignored data, which only the original has.
            warnings[
                f"stage {use.stage!r} has {use.where} = {text!r}: that is the original tree, not "
                "the run's copy of it; where it holds code, name it by its relative path"
            ] = None
            return
        refusals[_refusal(shown, text, location, copy)] = None
    elif text.startswith("../") or "/../" in text:
        for wdir in dict.fromkeys([use.wdir, "."]):
            full = copy.outside(text, wdir)
            if full is not None and os.path.exists(full):
                refusals.update(
                    dict.fromkeys(_about_path(_Use(text, use.stage, use.where, wdir), copy))
                )
                return


def _judge_commands(
    stage: Stage, copy: _Copy, refusals: dict[str, None], warnings: dict[str, None]
) -> None:
    where = f"{stage.file}: cmd"
    for command in [stage.cmd] if isinstance(stage.cmd, str) else stage.cmd:
        whole = _whole_words(command)
        for mention, path in _mentions(command, copy):
            location = copy.location(path)
            if location is None or not copy.has(location):
                continue
            use = _Use(mention, stage.address, where, stage.wdir)
            if mention.rstrip("/") in whole or (location and copy.names(location)):
                refusals[_refusal(use, mention, location, copy)] = None
            else:
                warnings[
                    f"the command of stage {stage.address!r} mentions {mention}: if it reads or "
                    "writes there, that is the original tree and not the run's copy of it"
                ] = None
        for word in sorted(words(command)):
            full = copy.outside(word, stage.wdir) if word.startswith("../") else None
            if full is not None and os.path.exists(full):
                warnings[
                    f"the command of stage {stage.address!r} names {word}, which leaves the "
                    f"repository: in the run's workspace that isn't {full}"
                ] = None


def _whole_words(command: str) -> set[str]:
    """Words of a command that are a path as a whole, alone or behind ``=`` or between ``:``."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        found = list(lexer)
    except ValueError:  # a quote that is never closed: the shell will say so
        found = command.split()
    parts = {part for word in found if " " not in word for part in re.split(r"[=:,]", word)}
    return {word.rstrip("/") for word in {*found, *parts}}


def _mentions(command: str, copy: _Copy) -> Iterator[tuple[str, str]]:
    """Yield each path into the original that stands in a command: as written, and absolute."""
    for spelled, root in _spellings(copy):
        for match in re.finditer(_START + re.escape(spelled) + _END + _TAIL, command):
            yield match[0], root + match["tail"]


def _spellings(copy: _Copy) -> Iterator[tuple[str, str]]:
    """Yield ways to write the original's root, and what they mean."""
    root = str(copy.git_root)
    yield root, root
    given = os.path.abspath(copy.spelled)
    if copy.home and given.endswith(f"/{copy.home}"):
        given = given[: -len(copy.home) - 1]
    if given != root and os.path.realpath(given) == root:
        yield given, root
    home = os.path.expanduser("~")
    if home not in ("/", root) and _within(root, home):
        for name in ("~", "$HOME", "${HOME}"):
            yield f"{name}/{os.path.relpath(root, home)}", root


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def lead_links(git_root: Path, clone: Path, links: Sequence[str]) -> list[str]:
    """Lead links that git tracks to what they mean: the copy's own files, or files outside it.

    Git isn't told: in the run's saved commit they are what they were.

    Parameters
    ----------
    git_root, clone : Path
        A repository, and its copy.
    links : sequence of str
        The links, relative to the repository.

    Returns
    -------
    list of str
        Those that lead to something in the copy that isn't there yet.
    """
    led = [link for link in links if _lead(git_root, clone, link)]
    if led:
        listed = "".join(f"{link}\0" for link in led)
        git(clone, "update-index", "--skip-worktree", "-z", "--stdin", stdin=listed)
    return [link for link in led if not os.path.isabs(os.readlink(clone / link))
            and not (clone / link).exists()]  # fmt: skip


def _lead(git_root: Path, clone: Path, link: str) -> bool:
    path = clone / link
    if not path.is_symlink():
        return False  # git writes links as files where the file system has none
    target = os.readlink(path)
    folder = posixpath.dirname(link)
    if os.path.isabs(target):
        full = _real_folder(target)
        inside = False
    else:
        full = os.path.normpath(git_root / folder / target)
        inside = not os.path.normpath(os.path.join(folder, target)).startswith("..")
    if _within(full, str(git_root)):
        wanted = os.path.relpath(os.path.relpath(full, git_root), folder or ".")
    else:
        wanted = full
    if inside or wanted == target or (os.path.isabs(target) and wanted == full):
        return False
    path.unlink()
    path.symlink_to(wanted)
    return True


def _leave_links_to_ignored_data(copy: _Copy, links: Sequence[str]) -> None:
    """Lead links back whose target only the original has: data that git ignores is read there."""
    for link in links:
        path = copy.clone / link
        location = join(posixpath.dirname(link), os.readlink(path))
        if not copy.makes(location) and os.path.lexists(copy.git_root / location):
            path.unlink()
            path.symlink_to(copy.git_root / location)


def _real_folder(path: str) -> str:
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)

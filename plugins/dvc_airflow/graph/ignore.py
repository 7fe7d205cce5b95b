"""What git and DVC leave out: .gitignore and .dvcignore, by the rules of DVC's own libraries."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

try:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern
except ImportError:  # pathspec before 1
    from pathspec.patterns import (  # type: ignore[attr-defined]
        GitWildMatchPattern as GitIgnoreSpecPattern,
    )

DVC_DIR: Final = ".dvc"
DVC_IGNORE: Final = ".dvcignore"
GIT_IGNORE: Final = ".gitignore"
_ALWAYS: Final = (".hg/", ".git/", ".git", f"{DVC_DIR}/")
_NEVER: Final = frozenset({".git", ".hg", DVC_DIR})
_EXCLUDES_FILE: Final = re.compile(
    r"^\s*\[core\][^\[]*?^\s*excludesfile\s*=\s*\"?(?P<path>[^\"\n]+)", re.M | re.S | re.I
)


@dataclass(frozen=True)
class _Rule:
    regex: re.Pattern[str]
    ignores: bool
    directories_only: bool


class DvcIgnore:
    """What the ``.dvcignore`` files of a project leave out of dependencies and outputs.

    Follows ``dvc.ignore.DvcIgnoreFilter``: the patterns of nested files are rewritten for the
    root and appended, the last one that matches wins, and what is in a directory left out
    cannot come back.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._patterns: dict[str, tuple[str, ...]] = {}
        self._folders: dict[str, bool] = {}

    def __contains__(self, path: str) -> bool:
        """Whether a file (relative to the project), or a folder around it, is left out."""
        return self.matches(path, is_dir=False)

    def matches(self, path: str, *, is_dir: bool) -> bool:
        """Whether a path relative to the project is left out."""
        if self._is_plain(path):
            return False
        if not is_dir:
            return self._decide(path, is_dir=False)
        if path not in self._folders:
            self._folders[path] = self._decide(path, is_dir=True)
        return self._folders[path]

    def _decide(self, path: str, *, is_dir: bool) -> bool:
        folder = os.path.dirname(path)
        # Nested patterns reach below their own folder only, so a folder is decided once.
        if folder and self.matches(folder, is_dir=True):
            return True
        return _verdict(_compiled(self._of(folder)), path, is_dir)

    def leaves_out_output(self, path: str) -> bool:
        """Whether DVC refuses an output because it is left out.

        DVC asks twice: whether a file or a directory of that name would be left out, and
        whether what stands there now (a file, if there is nothing) is.
        """
        if path in ("", ".") or os.path.isabs(path):
            return False
        if self._is_plain(path):
            return False
        return self.matches(path, is_dir=(self._root / path).is_dir())

    def _is_plain(self, path: str) -> bool:
        """Whether only the names that are always left out matter, and the path has none."""
        patterns = self._of(os.path.dirname(path))
        return patterns is _ALWAYS and not _NEVER.intersection(path.split("/"))

    def _of(self, folder: str) -> tuple[str, ...]:
        found = self._patterns.get(folder)
        if found is None:
            above = self._of(os.path.dirname(folder)) if folder else _ALWAYS
            found = self._patterns[folder] = above + self._read(folder, above)
            if found == above:
                found = self._patterns[folder] = above
        return found

    def _read(self, folder: str, above: tuple[str, ...]) -> tuple[str, ...]:
        shown = f"{folder}/{DVC_IGNORE}" if folder else DVC_IGNORE
        path = self._root / shown
        if not path.is_file():
            return ()
        parts = shown.split("/")
        rules = _compiled(above)
        if any(
            _verdict(rules, "/".join(parts[:length]), length < len(parts))
            for length in range(1, len(parts) + 1)
        ):
            return ()
        lines = (line.strip() for line in path.read_text("utf-8", "replace").splitlines())
        return tuple(_moved(line, folder) for line in lines if line and not line.startswith("#"))


def _moved(rule: str, folder: str) -> str:
    """Return a pattern of a nested file as the root's file would write it."""
    if not folder:
        return rule
    negated, rule = rule.startswith("!"), rule.removeprefix("!")
    anywhere = "/" not in rule[:-1] or rule.startswith("**/")
    rule = rule.removeprefix("**/" if anywhere else "/").removeprefix("\\")
    return f"{'!' if negated else ''}/{folder}{'/**/' if anywhere else '/'}{rule}"


@functools.lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> tuple[_Rule, ...]:
    rules: list[_Rule] = []
    for pattern in patterns:
        regex, ignores = GitIgnoreSpecPattern.pattern_to_regex(pattern)
        if regex is not None and ignores is not None:
            rules.append(_Rule(re.compile(str(regex)), ignores, pattern.endswith("/")))
    return tuple(reversed(rules))


def _verdict(rules: Iterable[_Rule], path: str, is_dir: bool) -> bool:
    names = (path, f"{path}/") if is_dir else (path,)
    for rule in rules:
        if rule.directories_only and not is_dir:
            continue
        if any(rule.regex.match(name) for name in names):
            return rule.ignores
    return False


@dataclass(frozen=True)
class _GitRule:
    regex: re.Pattern[str]
    ignores: bool
    directories_only: bool
    inside: bool


@dataclass
class GitIgnore:
    """What git ignores in the work tree around a project, as DVC asks dulwich.

    Attributes
    ----------
    top : Path or None
        The git work tree; nothing is ignored without one.
    """

    root: Path
    top: Path | None
    _files: dict[str, list[_GitRule]] = field(default_factory=dict)
    _shared: list[list[_GitRule]] = field(default_factory=list)
    _folders: dict[str, bool] = field(default_factory=dict)
    _home: tuple[str, ...] = ()

    @classmethod
    def of_project(cls, root: Path, *, no_scm: bool) -> GitIgnore:
        """Find the work tree around a project, and what is ignored in all of it."""
        top = None if no_scm else next((p for p in (root, *root.parents) if _is_git(p)), None)
        found = cls(root, top)
        if top is not None:
            found._home = root.relative_to(top).parts
            found._shared = [_git_rules(path) for path in _shared_files(_git_dir(top))]
        return found

    def ignores(self, path: str, *, is_dir: bool = False) -> bool:
        """Whether a path relative to the project, or a folder around it, is ignored."""
        if self.top is None:
            return False
        parts = [*self._home, *path.split("/")]
        if self._is_inside_ignored(parts[:-1]):
            return True
        return self._verdict(parts, is_dir=is_dir) or (is_dir and self._inside(parts))

    def _is_inside_ignored(self, parts: list[str]) -> bool:
        if not parts:
            return False
        folder = "/".join(parts)
        found = self._folders.get(folder)
        if found is None:
            found = self._is_inside_ignored(parts[:-1]) or self._verdict(parts, is_dir=True)
            self._folders[folder] = found
        return found

    def _of(self, parts: list[str]) -> Iterable[tuple[int, list[_GitRule]]]:
        for depth in range(len(parts) - 1, -1, -1):
            folder = "/".join(parts[:depth])
            rules = self._files.get(folder)
            if rules is None:
                assert self.top is not None
                rules = self._files[folder] = _git_rules(self.top / folder / GIT_IGNORE)
            if rules:
                yield depth, rules
        for rules in reversed(self._shared):
            yield 0, rules

    def _verdict(self, parts: list[str], *, is_dir: bool) -> bool:
        for depth, rules in self._of(parts):
            name = "/".join(parts[depth:])
            for rule in rules:
                if rule.regex.fullmatch(name) and (is_dir or not rule.directories_only):
                    return rule.ignores
        return False

    def _inside(self, parts: list[str]) -> bool:
        """Whether a rule such as ``folder/*`` ignores what is in a directory."""
        for depth, rules in self._of([*parts, "x"]):
            name = "/".join([*parts[depth:], "x"])
            for rule in rules if depth < len(parts) else ():
                if rule.inside and rule.regex.fullmatch(name):
                    return rule.ignores
        return False


def _is_git(folder: Path) -> bool:
    return (folder / ".git").exists()


def _git_dir(top: Path) -> Path:
    found = top / ".git"
    if found.is_file():
        named = found.read_text("utf-8", "replace").partition("gitdir:")[2].strip()
        return Path(os.path.normpath(top / named))
    return found


def _shared_files(git_dir: Path) -> list[Path]:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git"
    named = home / "ignore"
    for config in (git_dir / "config", Path.home() / ".gitconfig", home / "config"):
        try:
            match = _EXCLUDES_FILE.search(config.read_text("utf-8", "replace"))
        except OSError:
            continue
        if match:
            named = Path(match["path"].strip()).expanduser()
            break
    return [git_dir / "info" / "exclude", named]


def _git_rules(path: Path) -> list[_GitRule]:
    """Rules of one file, the last one first; none if it is not there or a link."""
    try:
        lines = [] if path.is_symlink() else path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []
    return [rule for line in reversed(lines) if (rule := _git_rule(line.rstrip("\r")))]


def _git_rule(line: str) -> _GitRule | None:
    if not line.strip() or line.startswith("#"):
        return None
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    ignores, line = not line.startswith("!"), line.removeprefix("!")
    name = line.rstrip("/")
    if not name:
        return None
    try:
        regex = re.compile(_translated(name), re.S)
    except re.error:
        return None
    inside = name.endswith(("/*", "/**"))
    return _GitRule(regex, ignores, line.endswith("/"), inside)


def _translated(pattern: str) -> str:
    """Return the regular expression of a pattern of git's ``wildmatch``."""
    prefix = "" if "/" in pattern else "(?:.*/)?"
    pattern = pattern.removeprefix("/")
    out, i = prefix, 0
    while i < len(pattern):
        rest, char = pattern[i:], pattern[i]
        at_start = i == 0 or pattern[i - 1] == "/"
        if at_start and rest.startswith("**/"):
            out, i = out + "(?:.*/)?", i + 3
        elif at_start and rest == "**":
            out, i = out + ".+", i + 2
        elif char == "*":
            i += len(rest) - len(rest.lstrip("*"))
            out += "[^/]*"
        elif char == "?":
            out, i = out + "[^/]", i + 1
        elif char == "[" and (found := re.match(r"\[[!^]?\]?[^\]]*\]", rest)):
            body = found[0][1:-1].replace("\\", "\\\\")
            out += f"(?!/)[{'^' + body[1:] if body[:1] in '!^' else body}]"
            i += len(found[0])
        elif char == "\\" and i + 1 < len(pattern):
            out, i = out + re.escape(pattern[i + 1]), i + 2
        else:
            out, i = out + re.escape(char), i + 1
    return out

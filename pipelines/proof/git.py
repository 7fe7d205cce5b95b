"""What a proof asks git: the commit, its files, whether the work tree still has them, tags."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.errors import SignalboxError

_HEAD_LINE = re.compile(r"^ledger-head: *([0-9a-f]{64})$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class TagAnchor:
    """A release's tag that holds the ledger's head."""

    name: str
    head: str


class Git:
    """A repository, only read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Output of a git command.

        Raises
        ------
        SignalboxError
            With the last line git printed.
        """
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                input=stdin,
                capture_output=True,
                check=False,
                env=git_environment(),
            )
        except OSError as error:
            raise SignalboxError(f"git cannot be started: {error}") from error
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise SignalboxError(f"git {arguments[0]}: {lines[-1] if lines else 'failed'}")
        return done.stdout

    def commit(self, rev: str = "HEAD") -> str:
        """Full hash of a commit."""
        name = ["--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"]
        try:
            return self.run("rev-parse", *name).decode().strip().splitlines()[-1]
        except SignalboxError:
            raise SignalboxError(f"{rev}: no such commit in this repository") from None

    def blobs(self, commit: str) -> dict[str, str]:
        """Path → blob of every file of a commit below this folder; links and submodules too."""
        listed = self.run("ls-tree", "-r", "-z", commit).decode("utf-8", "surrogateescape")
        found = {}
        for line in filter(None, listed.split("\0")):
            facts, path = line.split("\t", 1)
            found[path] = facts.split(" ")[2]
        return found

    def hash_files(self, paths: list[str]) -> list[str]:
        """Blob hash of files as they lie in the work tree, read anew."""
        text = "".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape")
        return self.run("hash-object", "--stdin-paths", stdin=text).decode().split()

    def content(self, commit: str, path: str) -> bytes:
        """Bytes of a file as committed."""
        return self.run("cat-file", "blob", f"{commit}:./{path}")

    def anchors(self) -> list[TagAnchor]:
        """Annotated tags whose message holds a ``Ledger-Head:`` line."""
        form = "--format=%(objecttype)%00%(refname:short)%00%(contents)%01"
        listed = self.run("for-each-ref", form, "refs/tags").decode("utf-8", "replace")
        found = []
        for entry in listed.split("\x01"):
            kind, _, rest = entry.strip("\n").partition("\0")
            name, _, message = rest.partition("\0")
            head = _HEAD_LINE.search(message)
            if kind == "tag" and head:
                found.append(TagAnchor(name, head.group(1)))
        return found


def git_environment() -> dict[str, str]:
    """Environment in which git looks at the folder it is told, and asks nobody anything."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return {**keep, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1"}

"""The bridge's graph against DVC's own index, over a folder of git clones of DVC projects.

``python -m benchmarks.public_graphs --data DIR [--history N]``: every folder in DIR that is a git
repository is cloned to a temporary place, and each DVC project in it is read twice, by
`dvc_airflow.graph.load_graph` and by ``dvc.repo.Repo(...).index.graph``. With ``--history`` the
last N commits that changed a file of DVC's are read as well as HEAD. Both must accept, with the
same stages and edges, or both must refuse. Ends with 1 if one project differs.
"""

import argparse
import contextlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc_airflow.errors import DvcAirflowError
from dvc_airflow.graph import load_graph

_OUTCOMES = EQUAL, REFUSED, DIFFERENT = "equal", "both refuse", "different"
_FILES = ("*dvc.yaml", "*.dvc", "*dvc.lock", "*params.yaml", "*.dvcignore", "*.gitignore")

Edges = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Reading:
    """What one of the two readers made of a project.

    Attributes
    ----------
    nodes : frozenset of str
        Addresses of stages, and .dvc files.
    edges : frozenset of (str, str)
        Pairs (reads from, read by).
    problem : str
        Why it refused; empty if it did not.
    seconds : float
        Wall time.
    """

    nodes: frozenset[str] = frozenset()
    edges: Edges = frozenset()
    problem: str = ""
    seconds: float = 0.0


@dataclass
class Tally:
    """Counts of one repository."""

    name: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_OUTCOMES, 0))
    edges: int = 0
    ours: float = 0.0
    dvcs: float = 0.0
    differences: list[str] = field(default_factory=list)

    def add(self, where: str, ours: Reading, dvcs: Reading) -> None:
        """Count one version of one project."""
        outcome = judge(ours, dvcs)
        self.counts[outcome] += 1
        if outcome == EQUAL:
            self.edges += len(ours.edges)
            self.ours += ours.seconds
            self.dvcs += dvcs.seconds
        elif outcome == DIFFERENT:
            self.differences.append(f"{self.name} {where}: {_difference(ours, dvcs)}")


def read_ours(project: Path) -> Reading:
    """Read a project by the bridge."""
    clock = time.perf_counter()
    try:
        graph = load_graph(project)
    except DvcAirflowError as exc:
        return Reading(problem=str(exc))
    seconds = time.perf_counter() - clock
    nodes = frozenset(graph.stages) | {source.file for source in graph.sources}
    return Reading(nodes, frozenset(graph.edges()), seconds=seconds)


def read_dvcs(project: Path) -> Reading:
    """Read a project by DVC's index; whatever DVC raises is a refusal."""
    from dvc.repo import Repo

    clock = time.perf_counter()
    try:
        with contextlib.chdir(project), Repo(str(project)) as repo:
            graph = repo.index.graph
            seconds = time.perf_counter() - clock
            nodes = frozenset(stage.addressing for stage in repo.index.stages)
            edges = frozenset((up.addressing, down.addressing) for down, up in graph.edges)
    except Exception as exc:
        return Reading(problem=f"{type(exc).__name__}: {exc}".splitlines()[0])
    return Reading(nodes, edges, seconds=seconds)


def judge(ours: Reading, dvcs: Reading) -> str:
    """Return `EQUAL`, `REFUSED` or `DIFFERENT`.

    DVC's graph also has edges from .dvc files, which are data to the bridge; those count where
    the bridge has a task at both ends.
    """
    if ours.problem or dvcs.problem:
        return REFUSED if ours.problem and dvcs.problem else DIFFERENT
    same = ours.nodes == dvcs.nodes and ours.edges == _between_tasks(dvcs.edges, ours)
    return EQUAL if same else DIFFERENT


def _between_tasks(edges: Edges, ours: Reading) -> Edges:
    made_again = {name for edge in ours.edges for name in edge if name.endswith(".dvc")}

    def is_task(name: str) -> bool:
        return not name.endswith(".dvc") or name in made_again

    return frozenset((up, down) for up, down in edges if is_task(up) and is_task(down))


def _difference(ours: Reading, dvcs: Reading) -> str:
    if ours.problem:
        return f"only the bridge refuses it: {ours.problem}"
    if dvcs.problem:
        return f"only DVC refuses it: {dvcs.problem}"
    if ours.nodes != dvcs.nodes:
        return f"stages {sorted(ours.nodes ^ dvcs.nodes)} in one only"
    return f"edges {sorted(ours.edges ^ _between_tasks(dvcs.edges, ours))} in one only"


def projects_in(folder: Path) -> Iterator[Path]:
    """DVC projects in a work tree: folders that hold ``.dvc``."""
    for path, folders, _ in os.walk(folder):
        if ".dvc" in folders:
            yield Path(path)
        folders[:] = sorted(name for name in folders if name not in (".git", ".dvc"))


def versions_of(clone: Path, history: int) -> list[str]:
    """HEAD, and the last commits that changed a file of DVC's; the newest first."""
    head = _git(clone, "rev-parse", "HEAD")
    if history < 1:
        return [head]
    found = _git(clone, "log", f"-{history}", "--format=%H", "--", *_FILES).split()
    return list(dict.fromkeys([head, *found]))


def compare_clone(source: Path, history: int) -> Tally:
    """Compare every project of every wanted version of a repository, in a clone of it."""
    tally = Tally(source.name)
    with tempfile.TemporaryDirectory() as name:
        clone = Path(os.path.realpath(name)) / "clone"
        _git(source, "clone", "--quiet", "--shared", "--no-checkout", str(source), str(clone))
        for version in versions_of(clone, history):
            _git(clone, "checkout", "--quiet", "--force", version)
            _git(clone, "clean", "--quiet", "-ffdx")
            for project in projects_in(clone):
                where = f"{version[:10]} {project.relative_to(clone).as_posix()}"
                tally.add(where, read_ours(project), read_dvcs(project))
    return tally


def _git(folder: Path, *words: str) -> str:
    env = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words)} in {folder} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def table(tallies: list[Tally]) -> str:
    """Return a row a repository, and the sum."""
    total = Tally("total")
    for tally in tallies:
        total.edges += tally.edges
        total.ours += tally.ours
        total.dvcs += tally.dvcs
        for outcome, count in tally.counts.items():
            total.counts[outcome] += count
    width = max(10, *(len(tally.name) for tally in [*tallies, total]))
    out = io.StringIO()
    head = f"{'repository':{width}} {'equal':>7} {'both refuse':>12} {'different':>10} {'edges':>7}"
    print(f"{head} {'ours':>9} {'DVC':>9} {'DVC/ours':>9}", file=out)
    for tally in [*tallies, total]:
        ratio = f"{tally.dvcs / tally.ours:.1f}" if tally.ours else "–"
        print(
            f"{tally.name:{width}} {tally.counts[EQUAL]:7} {tally.counts[REFUSED]:12} "
            f"{tally.counts[DIFFERENT]:10} {tally.edges:7} {tally.ours * 1000:6.0f} ms "
            f"{tally.dvcs * 1000:6.0f} ms {ratio:>9}",
            file=out,
        )
    return out.getvalue()


def main(argv: list[str] | None = None) -> int:
    """Compare, print the table and every difference; end with 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of git clones")
    parser.add_argument("--history", type=int, default=0, help="commits of each (default: HEAD)")
    options = parser.parse_args(argv)
    import dvc.repo  # noqa: F401 - so that the first project's time is not that of the import

    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    found = sorted(path for path in options.data.iterdir() if (path / ".git").exists())
    if not found:
        print(f"{options.data} holds no git clone", file=sys.stderr)
        return 2
    tallies = [compare_clone(path.resolve(), options.history) for path in found]
    print(table(tallies), end="")
    differences = [line for tally in tallies for line in tally.differences]
    for line in differences:
        print(line)
    return bool(differences)


if __name__ == "__main__":
    raise SystemExit(main())

"""Two versions of a product side by side, or runs that were never released.

Everything is read from git, ``dvc.lock`` and the ledger; nothing here changes anything.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, new_ids
from pipelines.core.git import git, git_or_none
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle.candidate import (
    GateDecision,
    read_decision,
    saved_commit,
)
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.registry import find_version, versions
from pipelines.release.registry.read import load_product


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(_Fact):
    """Something that can be compared: a version, or a run that was never released.

    Attributes
    ----------
    name : str
        What `compare_versions` takes: ``v1.2.3``, or ``<dag>/<run>``, or a commit's hash.
    commit : str
        Full hash of the commit.
    time : str
        When it was released or its gate judged, ISO 8601.
    version : str
        Of the form v1.2.3; empty if it was never released.
    verdict : str
        What the gate says of it; empty where the ledger doesn't say.
    """

    name: str
    commit: str
    time: str = ""
    version: str = ""
    verdict: str = ""


def choices(project: Path, product: str, limit: int = 50) -> list[Choice]:
    """List what can be compared: versions, then judged runs, each the newest first.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    limit : int, default 50
        Most versions, and most runs.

    Returns
    -------
    list of Choice
        A commit that was released is there as its version alone.
    """
    entries = Ledger.of(project).history()
    gates = [entry for entry in entries if entry.kind == "gate" and entry.subject == product]
    judged = {str(entry.data.get("commit")): entry for entry in gates}
    found: dict[str, Choice] = {}
    for version in reversed(versions(project, product)[-limit:]):
        gate = judged.get(version.commit)
        time = datetime.fromtimestamp(version.time).astimezone().isoformat()
        verdict = "" if gate is None else str(gate.data.get("verdict"))
        found[version.commit] = Choice(
            name=version.version,
            commit=version.commit,
            time=_utc(time),
            version=version.version,
            verdict=verdict,
        )
    runs = 0
    for commit, gate in reversed(judged.items()):
        if commit in found or runs == limit:
            continue
        runs += 1
        name = str(gate.data.get("run") or commit)
        verdict = str(gate.data.get("verdict"))
        found[commit] = Choice(name=name, commit=commit, time=gate.time, verdict=verdict)
    return list(found.values())


def _utc(time: str) -> str:
    from datetime import UTC

    return datetime.fromisoformat(time).astimezone(UTC).isoformat(timespec="seconds")


class ReportFile(_Fact):
    """A page that a run of the pipeline wrote.

    Attributes
    ----------
    path : str
        Relative to the project.
    bytes : int
        Size; 0 where ``dvc.lock`` doesn't say.
    """

    path: str
    bytes: int


def reports_of(project: Path, product: str, commit: str) -> list[ReportFile]:
    """List the pages of a product that a commit's ``dvc.lock`` names, its report first.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Full hash of the commit.

    Returns
    -------
    list of ReportFile
        Pages of stages behind the gate or the report; folders of pages are left out.

    Raises
    ------
    SignalboxError
        If the commit has no ``dvc.lock``.
    """
    params = load_product(project, product)
    report = params.report or ""
    stages = _stages_behind(
        CommitFiles(project, commit), [evidence_of(params.gate).as_posix(), report]
    )
    found = {
        str(out["path"]): ReportFile(path=str(out["path"]), bytes=int(out.get("size", 0)))
        for stage in stages.values()
        for out in stage.get("outs", [])
        if str(out["path"]).endswith(".html")
    }
    return sorted(found.values(), key=lambda page: (page.path != report, page.path))


class Side(_Fact):
    """One of two versions that are compared.

    Attributes
    ----------
    name : str
        As it was asked for.
    version : str
        Of the form v1.2.3; empty if it was never released.
    commit : str
        Full hash of the commit.
    time : str
        When it was committed, ISO 8601.
    verdict : str
        What the gate says of it.
    """

    name: str
    version: str
    commit: str
    time: str
    verdict: str


class FigureChange(_Fact):
    """One figure on both sides.

    Attributes
    ----------
    id, label, unit : str
        As in `Figure`.
    a, b : Figure or None
        None where the side has no such figure.
    """

    id: str
    label: str
    unit: str
    a: Figure | None
    b: Figure | None

    @property
    def stage(self) -> str:
        """Stage that measured it."""
        return self.id.split(".", 1)[0]

    @property
    def difference(self) -> float | None:
        """`b` minus `a`; None where one of them has no value."""
        if self.a is None or self.b is None or self.a.value is None or self.b.value is None:
            return None
        return self.b.value - self.a.value

    @property
    def apart(self) -> bool | None:
        """Whether the two intervals have no value in common; None without two intervals.

        Two intervals that overlap don't prove that nothing changed; two that don't are a change
        that chance does not explain, at a level well beyond that of each interval.
        """
        if self.a is None or self.b is None:
            return None
        bounds = (self.a.low, self.a.high, self.b.low, self.b.high)
        if None in bounds:
            return None
        low_a, high_a, low_b, high_b = (float(bound) for bound in bounds if bound is not None)
        return high_a < low_b or high_b < low_a


class Change(_Fact):
    """Something that is compared as a whole: a parameter, a verdict of a check, a file's hash.

    Attributes
    ----------
    name : str
        Dotted key, check or path.
    a, b : object
        JSON; None where the side hasn't got it.
    """

    name: str
    a: Any = None
    b: Any = None

    @property
    def same(self) -> bool:
        """Whether both sides have the same."""
        return bool(self.a == self.b)


class Comparison(_Fact):
    """Two versions side by side.

    Attributes
    ----------
    product : str
        Name of the product.
    a, b : Side
        The first is usually the older one.
    checks : list of Change
        Check → verdict, of all checks of either gate.
    figures : list of FigureChange
        All figures that the gates judged, in their stages' order.
    params : list of Change
        Parameters of stages behind the gate with another value, or on one side only.
    data : list of Change
        Path → MD5 of what came in from outside: samples, suites of rules, pointers.
    artifacts : list of Change
        Path → MD5 of what is released.
    code : list of Change
        Path → MD5 of code that differs.
    """

    product: str
    a: Side
    b: Side
    checks: list[Change]
    figures: list[FigureChange]
    params: list[Change]
    data: list[Change]
    artifacts: list[Change]
    code: list[Change]


def compare_versions(project: Path, product: str, a: str, b: str) -> Comparison:
    """Compare two versions of a product, or runs that were never released.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    a, b : str
        ``v1.2.3`` (also with ``<product>@`` before it), a saved run ``<dag>/<run>``, a commit's
        hash of at least 7 digits, or ``HEAD``.

    Returns
    -------
    Comparison

    Raises
    ------
    SignalboxError
        If there is no such version or run, it is no run of the pipeline, or a file of it is gone or
        was changed after its stage made it.
    """
    params = load_product(project, product)
    found = []
    for name in (a, b):
        version, commit = _resolve(project, product, name)
        files = CommitFiles(project, commit)
        decision = read_decision(project, params, commit)
        ends = [evidence_of(params.gate).as_posix(), *params.artifacts]
        found.append(_Read(files, name, version, decision, _stages_behind(files, ends)))
    left, right = found
    gate = evidence_of(params.gate).as_posix()
    return Comparison(
        product=product,
        a=left.side(project),
        b=right.side(project),
        checks=_changes(left.decision.checks, right.decision.checks),
        figures=_figure_changes(left.figures(gate), right.figures(gate)),
        params=_differing(left.params(), right.params()),
        data=_changes(left.outside(code=False), right.outside(code=False)),
        artifacts=_changes(left.outs(params.artifacts), right.outs(params.artifacts)),
        code=_differing(left.outside(code=True), right.outside(code=True)),
    )


_HASH = re.compile(r"^[0-9a-f]{7,40}$")


def _resolve(project: Path, product: str, name: str) -> tuple[str, str]:
    """Return version (or nothing) and commit of what is asked for."""
    short = name.removeprefix(f"{product}@")
    if short.startswith("v"):
        return short, find_version(project, product, short).commit
    commit = saved_commit(project, name) if "/" in name else None
    if name == "HEAD" or _HASH.match(name):
        spec = f"{name}^{{commit}}"
        commit = git_or_none(project, "rev-parse", "--verify", "--quiet", spec)
    if not commit:
        raise SignalboxError(
            f"{product}: there is no {name!r}; name a version (v1.2.3), a saved run "
            "(git for-each-ref refs/runs), a commit's hash or HEAD"
        )
    known = {version.commit: version.version for version in versions(project, product)}
    return known.get(commit, ""), commit


class _Read:
    """What is read of one side."""

    def __init__(
        self,
        files: CommitFiles,
        name: str,
        version: str,
        decision: GateDecision,
        stages: Mapping[str, dict[str, Any]],
    ) -> None:
        self.files, self.name, self.version = files, name, version
        self.decision, self.stages = decision, stages

    def side(self, project: Path) -> Side:
        time = git(project, "show", "--no-patch", "--format=%cI", self.files.commit)
        return Side(
            name=self.name,
            version=self.version,
            commit=self.files.commit,
            time=_utc(time),
            verdict=self.decision.verdict,
        )

    def figures(self, gate: str) -> dict[str, Figure]:
        """Figures of the evidence that the gate judged, by today's ids."""
        judged = self._evidence(gate).inputs
        order = {name: place for place, name in enumerate(self.stages)}
        paths = sorted(judged, key=lambda path: order.get(Path(path).stem, len(order)))
        found = [figure for path in paths for figure in self._evidence(path).figures]
        return new_ids({figure.id: figure for figure in found})

    def _evidence(self, path: str) -> Evidence:
        try:
            return Evidence.model_validate(json.loads(self.files.read(path)))
        except ValueError as error:
            raise SignalboxError(
                f"{path} of commit {self.files.commit[:12]}: not an evidence file"
            ) from error

    def params(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for stage in self.stages.values():
            for values in (stage.get("params") or {}).values():
                for key, value in (values or {}).items():
                    found |= dict(_leaves(str(key), value))
        return found

    def outs(self, paths: list[str]) -> dict[str, str]:
        locked = self.files.locked()
        return {path: locked[path] for path in paths if path in locked}

    def outside(self, *, code: bool) -> dict[str, str]:
        """Path → MD5 of what the stages read that no stage made."""
        made = self.files.locked()
        return {
            str(dep["path"]): str(dep.get("md5", ""))
            for stage in self.stages.values()
            for dep in stage.get("deps", [])
            if str(dep["path"]) not in made and _is_code(str(dep["path"])) == code
        }


def _is_code(path: str) -> bool:
    return path.endswith(".py") or path.split("/", 1)[0] == "pipelines"


def _stages_behind(files: CommitFiles, ends: list[str]) -> dict[str, dict[str, Any]]:
    """Return the stages that made some files, and all stages before those, in ``dvc.lock``'s order.

    DVC writes them there by name, so they are put into the order in which they ran.
    """
    stages = files.stages()
    maker = {
        str(out["path"]): name for name, stage in stages.items() for out in stage.get("outs", [])
    }
    found: dict[str, dict[str, Any]] = {}

    def visit(path: str) -> None:
        name = maker.get(path)
        if name is None or name in found:
            return
        for dep in stages[name].get("deps", []):
            visit(str(dep["path"]))
        found[name] = stages[name]

    for path in ends:
        visit(path)
    return found


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Take a parameter apart; entries of a list that have an ``id`` go by it."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    elif isinstance(value, list) and value and all(_has_id(item) for item in value):
        for item in value:
            yield from _leaves(f"{key}.{item['id']}", {k: v for k, v in item.items() if k != "id"})
    else:
        yield key, value


def _has_id(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str)


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    return [Change(name=name, a=a.get(name), b=b.get(name)) for name in {**a, **b}]


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    return sorted(
        (change for change in _changes(a, b) if not change.same), key=lambda change: change.name
    )


def _figure_changes(a: Mapping[str, Figure], b: Mapping[str, Figure]) -> list[FigureChange]:
    return [
        FigureChange(
            id=name,
            label=(b.get(name) or a[name]).label,
            unit=(b.get(name) or a[name]).unit,
            a=a.get(name),
            b=b.get(name),
        )
        for name in {**a, **b}
    ]

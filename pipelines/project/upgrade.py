"""``signalbox upgrade``: bring a project to the installed code, after saying what will run again.

Three files can change: the lock, stages of ``dvc.yaml`` whose bundled definition is another one
now, and ``params.yaml`` (with ``release.yaml``) where keys were renamed. All is planned first, on
texts; nothing is written before somebody has seen it.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.project import PIPELINE
from pipelines.core.settings import renamed_text
from pipelines.project.lock import (
    COMMAND,
    LOCK,
    STAGES,
    Lock,
    bundled_stages,
    has_lock,
    installed_version,
    read_lock,
    stage_hash,
)
from pipelines.project.skeleton import (
    PRODUCTS,
    RELEASE,
    definition_hash,
    dump_entry,
    find_entry,
    load_mapping,
    outs_of,
    stage_entry,
    stage_text,
    stages_of,
    with_stages,
)

PARAMS = "params.yaml"


@dataclass(frozen=True)
class Rerun:
    """A stage that will run again.

    Attributes
    ----------
    stage : str
    because : tuple of str
        Why, in words.
    """

    stage: str
    because: tuple[str, ...]


class UpgradeJson(TypedDict):
    """What ``upgrade --json`` prints."""

    installed: str
    locked: str
    reruns: dict[str, list[str]]
    follow: list[str]
    renamed: list[str]
    files: list[str]
    diff: str
    problems: list[str]
    applied: bool


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade would do.

    Attributes
    ----------
    installed, locked : str
        Versions of the installed code, and of the lock.
    reruns : tuple of Rerun
        Stages that run again whatever comes of those before them.
    follow : tuple of str
        Stages behind them: they run again only where an out of theirs changes.
    renamed : tuple of str
        Keys that are moved, in words.
    files : mapping of str to (str, str)
        File → its text before and after; only those that change.
    problems : tuple of str
        What somebody has to mend by hand.
    """

    installed: str
    locked: str
    reruns: tuple[Rerun, ...]
    follow: tuple[str, ...]
    renamed: tuple[str, ...]
    files: Mapping[str, tuple[str, str]]
    problems: tuple[str, ...] = ()

    @property
    def diff(self) -> str:
        """What changes in files that people write; the lock is its own and is left out."""
        parts = []
        for file, (before, after) in self.files.items():
            if file != LOCK:
                lines = difflib.unified_diff(
                    before.splitlines(keepends=True),
                    after.splitlines(keepends=True),
                    f"{file} (now)",
                    f"{file} (after the upgrade)",
                )
                parts.append("".join(lines))
        return "".join(parts)

    def lines(self) -> list[str]:
        """Say it to people."""
        if not self.files:
            return [f"nothing to do: the project is that of signalbox {self.installed}"]
        said = [f"signalbox {self.locked} → {self.installed}"]
        if not self.reruns:
            said.append("no stage runs again")
        for rerun in self.reruns:
            said.append(f"runs again: {rerun.stage} ({'; '.join(rerun.because)})")
        if self.follow:
            said.append(f"after them, where what they read changed: {', '.join(self.follow)}")
        said += [f"renamed: {text}" for text in self.renamed]
        said.append(f"files: {', '.join(self.files)}")
        return [*said, *(f"to mend by hand: {problem}" for problem in self.problems)]

    def as_json(self, *, applied: bool) -> UpgradeJson:
        """Return what programs read."""
        return UpgradeJson(
            installed=self.installed,
            locked=self.locked,
            reruns={rerun.stage: list(rerun.because) for rerun in self.reruns},
            follow=list(self.follow),
            renamed=list(self.renamed),
            files=list(self.files),
            diff=self.diff,
            problems=list(self.problems),
            applied=applied,
        )


def plan_upgrade(root: Path) -> Upgrade:
    """Find out what an upgrade to the installed code changes; nothing is written.

    Raises
    ------
    SignalboxError
        If it isn't a project of its own (its code is part of it), or a file isn't readable.
    """
    pipeline = load_mapping(root / PIPELINE).get(STAGES) or {}
    ours = [name for name, entry in pipeline.items() if _runs(entry, name)]
    if not ours and not has_lock(root):
        raise SignalboxError(
            f"{root / PIPELINE} has no {COMMAND}: the code is part of this project, and DVC sees "
            "by itself what changed"
        )
    lock = read_lock(root) if has_lock(root) else Lock("none")
    because: dict[str, list[str]] = {}
    text, stages = _new_pipeline(root, ours, lock, because)
    _add_code_reasons(stages, lock, because)
    renamed = _rename(root)
    for stage, keys in _stages_reading(root, stages, renamed.keys).items():
        because.setdefault(stage, []).append(f"params renamed: {', '.join(keys)}")
    new_lock = Lock(
        installed_version(),
        {stage: stage_hash(stage) for stage in stages},
        {stage: definition_hash(stage) for stage in stages},
    )
    wanted = {PIPELINE: text, LOCK: new_lock.text, **renamed.files}
    files = {}
    for file, after in wanted.items():
        path = root / file
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before != after:
            files[file] = (before, after)
    order = [stage for stage in stages if stage in because]
    return Upgrade(
        installed=new_lock.version,
        locked=lock.version,
        reruns=tuple(Rerun(stage, tuple(because[stage])) for stage in order),
        follow=_behind({**pipeline, **_entries(text)}, order),
        renamed=tuple(renamed.told),
        files=files,
        problems=tuple(renamed.problems),
    )


def apply_upgrade(root: Path, plan: Upgrade) -> None:
    """Write what was planned, the lock last: without it no stage runs.

    Raises
    ------
    SignalboxError
        If a file was changed since the plan was made.
    """
    for file, (before, _) in plan.files.items():
        path = root / file
        if (path.read_text(encoding="utf-8") if path.is_file() else "") != before:
            raise SignalboxError(f"{path} was changed meanwhile; run signalbox upgrade again")
    for file in sorted(plan.files, key=lambda name: name == LOCK):
        write_text(root / file, plan.files[file][1])


def _runs(entry: Any, stage: str) -> bool:
    """Whether a stage of the project is one of ours."""
    return (
        isinstance(entry, Mapping)
        and str(entry.get("cmd", "")).split() == [*COMMAND.split(), stage]
        and stage in bundled_stages()
    )


def _entries(text: str) -> dict[str, Any]:
    import yaml

    return dict(yaml.load(text, yaml.CSafeLoader)[STAGES])


def _new_pipeline(
    root: Path, ours: Sequence[str], lock: Lock, because: dict[str, list[str]]
) -> tuple[str, list[str]]:
    """Return the text of ``dvc.yaml`` after the upgrade, and its stages of ours."""
    file = root / PIPELINE
    text = file.read_text(encoding="utf-8")
    products = [name for name, parts in PRODUCTS.items() if parts.target in ours]
    for stage in ours:
        known = lock.definitions.get(stage)
        if known is not None and known != definition_hash(stage):
            text, added = _with_updated_stage(text, stage, known)
            if added:
                because.setdefault(stage, []).append(f"{PIPELINE}: {added}")
    missing = [stage for stage in stages_of(products) if stage not in ours]
    taken = [stage for stage in missing if stage in _entries(text)]
    missing = [stage for stage in missing if stage not in taken]
    for stage in missing:
        because.setdefault(stage, []).append("a new stage")
    if missing:
        text = with_stages(file, text, missing)
    return text, [stage for stage in bundled_stages() if stage in {*ours, *missing}]


def _with_updated_stage(text: str, stage: str, known: str) -> tuple[str, str]:
    """Bring a stage's definition up to date; return the text and what was added, in words.

    A definition that nobody changed is replaced. To one that a person changed what is missing is
    added, and nothing is taken out.
    """
    found = find_entry(text, f"{STAGES}.{stage}")
    if found is None:
        return text, ""
    now, wanted = _entries(text)[stage], stage_entry(stage)
    indent = int(found.key.start_mark.column)
    if definition_hash(stage, now) == known:
        return found.replaced(stage_text(stage, indent)), "its definition changed"
    merged = {**wanted, **now}
    added = []
    for kind in ("deps", "params", "outs", "metrics", "plots"):
        have = [*now.get(kind, ())]
        new = [entry for entry in wanted.get(kind, ()) if entry not in have]
        if new:
            merged[kind] = [*have, *new]
            names = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in new]
            added.append(f"{kind}: {', '.join(map(str, names))}")
    if not added:
        return text, ""
    return found.replaced(dump_entry({stage: merged}, indent)), "; ".join(added)


def _add_code_reasons(stages: Iterable[str], lock: Lock, because: dict[str, list[str]]) -> None:
    for stage in stages:
        known = lock.stages.get(stage)
        if known is None and "a new stage" not in because.get(stage, ()):
            because.setdefault(stage, []).append(f"it wasn't in {LOCK}")
        elif known is not None and known != stage_hash(stage):
            because.setdefault(stage, []).append("its code changed")


def _behind(entries: Mapping[str, Any], first: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that read, directly or not, what the first ones make."""
    made = {out: stage for stage, entry in entries.items()
            if isinstance(entry, Mapping) for out in outs_of(entry)}  # fmt: skip
    reads: dict[str, set[str]] = {}
    for stage, entry in entries.items():
        deps = entry.get("deps", ()) if isinstance(entry, Mapping) else ()
        for dep in deps:
            above = [dep, *(str(parent) for parent in Path(dep).parents)]
            reads.setdefault(stage, set()).update(made[path] for path in above if path in made)
    found: set[str] = set(first)
    while more := {stage for stage, above in reads.items() if above & found} - found:
        found |= more
    return tuple(stage for stage in entries if stage in found - set(first))


@dataclass(frozen=True)
class _Renamed:
    """Texts in which keys have their new names; `keys` are old and new dotted keys of params."""

    files: Mapping[str, str]
    told: Sequence[str]
    keys: Sequence[str]
    problems: Sequence[str]


def _rename(root: Path) -> _Renamed:
    """Give renamed keys of ``params.yaml`` their new names; a text without any stays as it is."""
    from pipelines.aiops.params import AiopsParams
    from pipelines.core.params import Params

    path = root / PARAMS
    if not path.is_file():
        return _Renamed({}, [], [], [])
    texts = {PARAMS: path.read_text(encoding="utf-8")}
    release = root / RELEASE
    texts[RELEASE] = release.read_text(encoding="utf-8") if release.is_file() else ""
    told: list[str] = []
    keys: list[str] = []
    for old, new in {**Params.renamed, **AiopsParams.renamed}.items():
        if _move(texts, old, new):
            told.append(renamed_text(old, new))
            keys += [old.partition("=")[0], new.rpartition(":")[2].partition("=")[0]]
    return _Renamed(texts, told, keys, _problems(texts))


def _move(texts: dict[str, str], old: str, new: str) -> bool:
    """Move one key; the lines around it, and its comment, stay where they are."""
    key, _, value = old.partition("=")
    pair = find_entry(texts[PARAMS], key)
    if pair is None or (value and pair.value != value):
        return False
    file, _, target = new.rpartition(":")
    target, _, changed = target.partition("=")
    if value:
        texts[PARAMS] = pair.with_value(changed)
    elif not file and target.rpartition(".")[0] == key.rpartition(".")[0]:
        texts[PARAMS] = pair.with_key(target.rpartition(".")[2])
    else:
        texts[PARAMS] = pair.replaced("")
        _set(texts, file or PARAMS, target, pair.value)
    return True


def _set(texts: dict[str, str], file: str, key: str, value: str) -> None:
    """Set a key that isn't there yet; what is there counts more than an old name's value."""
    if find_entry(texts[file], key) is not None:
        return
    section, _, name = key.rpartition(".")
    above = find_entry(texts[file], section)
    if above is not None:
        texts[file] = above.with_entry(name, value)
    elif "." not in section:
        texts[file] = f"{texts[file].rstrip()}\n\n{section}:\n  {name}: {value}\n".lstrip("\n")
    else:
        raise SignalboxError(f"{file}: add section {section} with {name}: {value} by hand")


def _problems(texts: Mapping[str, str]) -> list[str]:
    """Check the new params as every command would; what is still wrong is told, not hidden."""
    import tempfile

    from pipelines.aiops.params import load_aiops_params
    from pipelines.core.params import load_params

    with tempfile.TemporaryDirectory() as directory:
        for file, text in texts.items():
            if text:
                Path(directory, file).write_text(text, encoding="utf-8")
        found = []
        raw = load_mapping(Path(directory, PARAMS))
        checks: list[Callable[[], object]] = []
        if "data" in raw:
            checks.append(lambda: load_params(Path(directory, PARAMS)))
        if "aiops" in raw:
            checks.append(lambda: load_aiops_params(Path(directory)))
        for check in checks:
            try:
                check()
            except SignalboxError as error:
                found.append(str(error).replace(f"{directory}/", ""))
    return found


def _stages_reading(root: Path, stages: Iterable[str], keys: Sequence[str]) -> dict[str, list[str]]:
    """Return the stages that depend on a key, or on a section that holds it, each with the keys."""
    known = bundled_stages()
    found: dict[str, list[str]] = {}
    for stage in stages:
        for param in known[stage].get("params", ()):
            read = [key for key in keys if _meet(str(param), key)]
            if read:
                found.setdefault(stage, [])
                found[stage] += [key for key in read if key not in found[stage]]
    return found


def _meet(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")

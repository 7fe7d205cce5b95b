"""dvc.lock of a run: everybody's entries, in the order of dvc.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LockEntries = dict[str, dict[str, str]]


def collect_entries(results: Iterable[Mapping[str, Any]]) -> LockEntries:
    """dvc.lock entries (YAML text) by file and stage, from the results of stages."""
    entries: LockEntries = {}
    for result in results:
        if not result["lock"]:
            continue
        entries.setdefault(result["lock_file"], {})[result["lock_name"]] = result["lock"]
    return entries


def write_lockfile(path: Path, entries: Mapping[str, str], order: list[str]) -> None:
    """Merge entries into a dvc.lock and put it into the order of dvc.yaml.

    Parallel stages finish in any order, and DVC appends entries as they come, so
    without this the file would differ between equal runs. Where dvc.yaml lists a stage
    after those it reads from, the bytes are what a serial ``dvc repro`` writes. Entries
    of stages that dvc.yaml does not have any more stay, at the end.
    """
    from ruamel.yaml import YAML

    safe = YAML(typ="safe", pure=True)
    data: dict[str, Any] = {}
    if path.is_file():
        data = safe.load(path.read_text(encoding="utf-8")) or {}
    stages: dict[str, Any] = dict(data.get("stages") or {})
    stages.update({name: safe.load(text) for name, text in entries.items()})
    if not stages:
        return
    position_of = {name: number for number, name in enumerate(order)}
    names = sorted(stages, key=lambda name: position_of.get(name, len(order)))
    rest = {key: value for key, value in data.items() if key not in ("schema", "stages")}
    result = {"schema": "2.0", **rest, "stages": {name: stages[name] for name in names}}
    # The dumper DVC uses, with its settings.
    dumper = YAML()
    dumper.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        dumper.dump(result, file)

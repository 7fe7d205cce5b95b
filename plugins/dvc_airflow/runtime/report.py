"""Describes a finished stage: outputs, hashes, its dvc.lock entry, its metrics."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from dvc.output import Output
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import dumps_yaml, load_path

from dvc_airflow.runtime.protocol import METRICS_LIMIT, StageResult, Status


def describe(stage: PipelineStage, status: Status, seconds: float) -> StageResult:
    """Everything the Airflow task wants to know about a stage that is up to date."""
    file = stage.path_in_repo
    in_lock = isinstance(stage, PipelineStage)  # an import notes its hashes in its own .dvc file
    return StageResult(
        stage=stage.addressing,
        status=status,
        seconds=seconds,
        outs=[_describe_out(out) for out in stage.outs],
        lock_file=os.path.splitext(file)[0] + ".lock" if in_lock else file,
        lock_name=stage.name if in_lock else "",
        lock=dumps_yaml(to_single_stage_lockfile(stage)) if in_lock else "",
        metrics=_metrics(stage),
    )


def _describe_out(out: Output) -> dict[str, Any]:
    hash_info, meta = out.hash_info, out.meta
    return {
        "path": _path_of(out),
        "hash": hash_info.value if hash_info else None,
        "hash_name": hash_info.name if hash_info else None,
        "size": meta.size if meta else None,
        "files": meta.nfiles if meta else None,
        "cached": out.use_cache,
    }


def _path_of(out: Output) -> str:
    return os.path.relpath(out.fs_path, out.repo.root_dir) if out.is_in_repo else str(out)


def _metrics(stage: PipelineStage) -> dict[str, Any]:
    top = {os.path.normpath(path) for path in _top_level_metrics(stage)}
    found: dict[str, Any] = {}
    for out in stage.outs:
        path = _path_of(out)
        if (out.metric or os.path.normpath(path) in top) and _is_small(out.fs_path):
            try:
                found[path] = json_safe(load_path(out.fs_path, stage.repo.fs))
            except Exception as exc:  # a metrics file can hold anything
                print(f"metrics file {path} is not read: {exc}", flush=True)
    return found


def _top_level_metrics(stage: PipelineStage) -> list[str]:
    folder = os.path.dirname(stage.path_in_repo)
    return [os.path.join(folder, path) for path in stage.dvcfile.metrics]


def _is_small(path: str) -> bool:
    file = Path(path)
    return file.is_file() and file.stat().st_size <= METRICS_LIMIT


def json_safe(value: Any) -> Any:
    """Plain JSON: no dates, no infinities, only string keys."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value

"""Runs stages through DVC's own code; the half of the driver that imports DVC."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import _reproduce_stage
from dvc.stage import PipelineStage
from dvc.stage.exceptions import StageCmdFailedError

from dvc_airflow.runtime import links, locks, restore
from dvc_airflow.runtime.lockfile import LockEntries
from dvc_airflow.runtime.protocol import Status
from dvc_airflow.runtime.python_path import isolate
from dvc_airflow.runtime.report import describe
from dvc_airflow.runtime.results import forget_result, note_result, noted_results, run_of
from dvc_airflow.runtime.run_cache import keep_entry, share_run_cache, watch_run_cache
from dvc_airflow.runtime.uncached import keep_copies
from dvc_airflow.runtime.yaml_cache import parse_yaml_once


class StageFailedError(Exception):
    """A stage failed, with what the parent has to be told."""

    def __init__(self, stage: str, reason: str, command: str | None, exit_code: int | None) -> None:
        super().__init__(reason)
        self.answer = {
            "stage": stage,
            "reason": reason,
            "command": command,
            "exit_code": exit_code,
        }


def run_request(request: dict[str, Any]) -> int:
    """Run the stages of a request, write the answer; 0 means all succeeded."""
    _log_to_stdout()
    os.chdir(request["project"])
    isolate(Path(request["project"]), os.environ)
    results: list[dict[str, Any]] = []
    failure: dict[str, Any] | None = None
    try:
        locks.make_lockfile_writes_atomic()
        links.make_reflinks_atomic()
        parse_yaml_once()
        repo = _open_repo(request)
        repo.lock = locks.patient_lock(repo, float(request["lock_timeout"]))
        share_run_cache(repo)
        if request["collect"]:
            results = collect_results(repo, request)
        elif request["watch"]:
            from dvc_airflow.runtime.watched import run_watched

            results = run_watched(repo, request)
        else:
            for address in request["stages"]:
                results.append(run_stage(repo, address, request))
    except StageFailedError as exc:
        failure = exc.answer
    except Exception as exc:
        logging.getLogger("dvc").debug("", exc_info=True)
        stage = request["stages"][len(results)] if len(results) < len(request["stages"]) else ""
        failure = {"stage": stage, "reason": explain(exc), "command": None, "exit_code": None}
    answer = {"results": results, "failure": failure}
    Path(request["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    return 1 if failure else 0


def _open_repo(request: dict[str, Any]) -> Repo:
    # As the default remote: DVC's own pulls while it reproduces a stage know no other, and with
    # one named explicitly DVC leaves out outputs that dvc.yaml gives a remote of their own.
    config = {"core": {"remote": request["remote"]}} if request["remote"] else None
    return Repo(request["project"], config=config, _wait_for_lock=True)


def collect_results(repo: Repo, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Bring what stages made into the workspace; return what is missing, stage by stage.

    dvc.lock has the stages' entries only meanwhile: whether they stay, the caller decides.
    """
    files = [Path(repo.root_dir, file) for file in request["locks"]]
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    with lock_repo(repo), repo.scm_context(quiet=True):
        locks.clean_rwlock(repo)
        locks.merge_entries(repo, request["locks"])
        fetch = {"transfer": request["transfer"], "remote": None}
        try:
            return [
                {"stage": address, "missing": restore.bring_results(repo, stage, **fetch)}
                for address in request["stages"]
                for stage in _collect(repo, address)
            ]
        finally:
            for file, content in before.items():
                if content is None:
                    file.unlink(missing_ok=True)
                else:
                    file.write_bytes(content)


def run_stage(repo: Repo, address: str, request: dict[str, Any]) -> dict[str, Any]:
    """Bring one stage up to date and describe what that took."""
    project = Path(repo.root_dir)
    deadline = time.monotonic() + float(request["lock_timeout"])
    started = time.monotonic()
    while True:
        try:
            with lock_repo(repo), repo.scm_context(quiet=True):
                locks.clean_rwlock(repo)
                locks.merge_entries(repo, request["locks"])
                _note_given(project, request["locks"])
                forget_result(project, address)
                status, stage = _reproduce(repo, address, request)
                keep_copies(repo, stage, everything=request["transfer"])
                if request["transfer"] and not stage.frozen:
                    keep_entry(repo, stage)
                seconds = round(time.monotonic() - started, 3)
                result = describe(stage, status, seconds).to_json()
                if run_of(project) is not None:
                    note_result(project, result)
                print(f"stage '{address}': {status} ({seconds:.1f} s)", flush=True)
            break
        except LockError as exc:
            # Another stage of this run reads or writes one of our paths right now.
            if time.monotonic() > deadline:
                raise
            print(f"waiting: {str(exc).splitlines()[0]}", flush=True)
            time.sleep(0.3)
    if request["transfer"]:
        restore.push(repo, stage, None)
        result |= {"transferred": True, "remote": request["remote"]}
    return result


def _note_given(project: Path, entries: LockEntries) -> None:
    """Note the results that came from elsewhere; what was made here of an older attempt is void."""
    if not entries or run_of(project) is None:
        return
    noted = noted_results(project)
    for file, stages in entries.items():
        pipeline = os.path.splitext(file)[0] + ".yaml"
        for name, lock in stages.items():
            address = name if pipeline == "dvc.yaml" else f"{pipeline}:{name}"
            if noted.get(address, {}).get("lock") != lock:
                note_result(project, {"stage": address, "lock": lock})


def _reproduce(repo: Repo, address: str, request: dict[str, Any]) -> tuple[Status, PipelineStage]:
    (stage,) = _collect(repo, address)
    fetch = {"transfer": request["transfer"], "remote": None}
    restore.require_results(repo, stage)
    restore.restore_inputs(repo, stage, check_all=bool(request["locks"]), **fetch)
    if not request["force"]:
        restore.restore_outputs(repo, stage, **fetch)
    restored = watch_run_cache(repo, **fetch)
    try:
        done = _reproduce_stage(
            stage, interactive=False, force=request["force"], pull=request["transfer"]
        )
    except LockError:
        raise
    except StageCmdFailedError as exc:
        command, code = _command_of(exc, stage)
        raise StageFailedError(address, f"its command exited with {code}", command, code) from exc
    except DvcException as exc:
        raise StageFailedError(address, explain(exc), None, None) from exc
    if done is None or stage.frozen:
        return "unchanged", stage
    return ("cached" if restored else "ran"), stage


def _collect(repo: Repo, address: str) -> list[PipelineStage]:
    stages: list[PipelineStage] = repo.stage.from_target(address, accept_group=False)
    return stages


def _command_of(exc: StageCmdFailedError, stage: PipelineStage) -> tuple[str, int | None]:
    # The exception carries both only inside its text: "failed to run: CMD, exited with N".
    text = str(exc).removeprefix("failed to run: ")
    command, found, code = text.rpartition(", exited with ")
    if found and code.strip().lstrip("-").isdigit():
        return command, int(code)
    return str(stage.cmd), None


def explain(exc: BaseException) -> str:
    """Return an exception and what caused it, in one line each."""
    parts: list[str] = []
    current: BaseException | None = exc
    while current is not None and len(parts) < 5:
        text = str(current).strip() or type(current).__name__
        if text not in parts:
            parts.append(text)
        current = current.__cause__
    return ": ".join(parts)


def _log_to_stdout() -> None:
    """DVC's messages go where the commands' output goes, without colours and bars."""
    os.environ.setdefault("NO_COLOR", "1")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("dvc")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False

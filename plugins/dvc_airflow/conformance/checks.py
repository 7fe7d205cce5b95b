"""The checks: what happens in operation, done to a project, and compared with ``dvc repro``."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from dvc_airflow.conformance.commands import dvc
from dvc_airflow.conformance.hosts import (
    GRACE,
    HOLD,
    Attempt,
    Host,
    Run,
    Task,
    new_run,
    running_host,
    until,
)
from dvc_airflow.conformance.judge import (
    damaged_objects,
    half_saved,
    judge,
    judge_commit,
    leftovers,
)
from dvc_airflow.conformance.outcome import git_outs, hashes
from dvc_airflow.conformance.result import ConformanceError, Finding, NotApplicableError
from dvc_airflow.conformance.scratch import Scratch, tree_of
from dvc_airflow.runtime.git import git, git_or_none

# Airflow sends SIGKILL this long after it asked a task to stop.
_AIRFLOW_PATIENCE: Final = 5.0
_GONE_SECONDS: Final = 30.0
_MOMENTS: Final = (
    # who is killed, when: before the command starts (None), at a part of its duration, after it (1)
    ("the task", None),
    ("the task", 0.5),
    ("the driver's worker", 0.2),
    ("the driver's guard", 0.8),
    ("the driver's worker", 1.0),
)
_WHEN: Final = {None: "before its command", 1.0: "right after its command"}
_BACKFILL: Final = 3


def check_graph(scratch: Scratch, finding: Finding) -> None:
    """Compare the graph with DVC's own index: stages, and who reads from whom."""
    from dvc.repo import Repo

    root = scratch.reference
    with contextlib.chdir(root), Repo(str(root)) as repo:
        theirs = {stage.addressing: stage for stage in repo.index.stages if stage.cmd is not None}
        edges = {
            (up.addressing, down.addressing)
            for down, up in repo.index.graph.edges
            if up.cmd is not None
        }
        wanted = _reproduced(repo, scratch)
        outs = {
            address: {(os.path.relpath(out.fs_path, root), out.use_cache) for out in stage.outs}
            for address, stage in theirs.items()
        }
    ours = scratch.graph.stages
    finding.add(
        f"{len(theirs)} stages of DVC's index",
        [f"{a} is missing in ours" for a in sorted(set(theirs) - set(ours))]
        + [f"{a} is in ours alone" for a in sorted(set(ours) - set(theirs))],
    )
    finding.add(
        f"{len(edges)} edges of DVC's index",
        [f"{up} → {down} is missing in ours" for up, down in sorted(edges - scratch.graph.edges())]
        + [f"{up} → {down} is in ours alone" for up, down in sorted(scratch.graph.edges() - edges)],
    )
    both = [address for address in theirs if address in ours]
    finding.add(
        f"outputs of {len(both)} stages",
        [
            f"stage {address}: {sorted(outs[address])} for DVC, {sorted(mine)} for us"
            for address in both
            if (mine := {(out.path, out.cache) for out in ours[address].outs}) != outs[address]
        ],
    )
    finding.add(
        f"{len(wanted)} stages that '{' '.join(['dvc repro', *(scratch.targets or [])])}' runs",
        [f"{a} is missing in ours" for a in sorted(wanted - set(scratch.stages))]
        + [f"{a} is in ours alone" for a in sorted(set(scratch.stages) - wanted)],
    )


def _reproduced(repo: Any, scratch: Scratch) -> set[str]:
    """Return the stages that dvc repro of the targets looks at."""
    from dvc.repo.graph import get_subgraph_of_nodes

    in_root = (scratch.reference / "dvc.yaml").is_file()
    targets = scratch.targets or (["dvc.yaml"] if in_root else scratch.stages)
    chosen = {stage for target in targets for stage in repo.stage.collect(target)}
    graph = get_subgraph_of_nodes(repo.index.graph, chosen, downstream=False)
    return {stage.addressing for stage in graph if stage.cmd is not None}


def check_hosts(scratch: Scratch, finding: Finding) -> None:
    """Run on two hosts, stage by stage in turns; save on one, save again on the other."""
    remote = scratch.own_remote("hosts")
    with (
        running_host(scratch, "hosts-a", remote=remote) as a,
        running_host(scratch, "hosts-b", remote=remote, data=False) as b,
    ):
        tasks = a.tasks()
        if sum(bool(task.stages) for task in tasks) < 2:
            msg = "only one stage is selected: there is nothing to do in turns"
            raise NotApplicableError(msg)
        run = new_run(scratch, "manual__2026-01-01T00:00:00+00:00")
        if run.go(tasks, [a, b]):
            judge(finding, a, run, remote)
            _pull_and_status(scratch, finding, a, str(run.xcoms["save_run"]["commit"]))
            first = tree_of(a.root, str(run.xcoms["save_run"]["commit"]))
            _save_again(finding, run, b, first, "saved again on the other host")
        else:
            finding.add("stages in turns on two hosts", [run.failure()])
        for host in (a, b):
            finding.add(f"host {host.name} afterwards", leftovers(host, run))
    if not finding.problems:
        _again_elsewhere(scratch, finding, remote)


def _pull_and_status(scratch: Scratch, finding: Finding, host: Host, commit: str) -> None:
    """Check out the saved run elsewhere: pull its data; DVC must find nothing to do."""
    project = scratch.clone("hosts-reader", data=False, remote=host.remote)
    root = scratch.directory / "hosts-reader"
    git(root, "fetch", "--quiet", str(host.root), commit)
    git(root, "checkout", "--quiet", "--detach", commit)
    stages = [s for s in scratch.runnable() if not _always_runs(scratch, s)]
    try:
        dvc(project, "pull", "--quiet", "--with-deps", *scratch.stages, timeout=scratch.timeout)
        said = dvc(project, "status", "--json", *stages).splitlines() if stages else ["{}"]
        problems: list[str] = [] if said[-1] == "{}" else said
    except Exception as exc:  # what DVC says is the finding
        problems = [str(exc)]
    finding.add("the saved run, pulled by another clone: dvc status finds nothing to do", problems)


def _always_runs(scratch: Scratch, address: str) -> bool:
    stage = scratch.graph.stages[address]
    return stage.always_changed or not (stage.deps or stage.params)


def _again_elsewhere(scratch: Scratch, finding: Finding, remote: Path) -> None:
    """Run the same on a third host, which has nothing but the remote."""
    with running_host(scratch, "hosts-c", remote=remote, data=False) as host:
        run = new_run(scratch, "manual__2026-01-02T00:00:00+00:00")
        what = "the same run on a fresh third host: all comes from the remote"
        if not run.go(host.tasks(), [host]):
            finding.add(what, [run.failure()])
            return
        finding.add(what, ran_in_vain(scratch, finding, run))
        judge(finding, host, run, remote)


def ran_in_vain(
    scratch: Scratch, finding: Finding, run: Run, stages: Collection[str] | None = None
) -> list[str]:
    """Return stages (of all, or of some) that ran although a run before had made the same."""
    excused = set()
    for address in scratch.runnable():
        stage = scratch.graph.stages[address]
        outside = any(os.path.isabs(d.path) or d.path.startswith("../") for d in stage.deps)
        kept = any(out.persist for out in stage.outs) or _keeps_directory(scratch, address)
        if _always_runs(scratch, address) or outside or kept:
            excused |= scratch.below({address})
    ran = [
        stage
        for stage, status in run.statuses().items()
        if status == "ran" and (stages is None or stage in stages)
    ]
    spared = sorted(set(ran) & excused)
    if spared:
        finding.note(f"{', '.join(spared)} ran again: DVC keeps no run cache of such stages")
    return [f"stage {stage} ran again" for stage in ran if stage not in excused]


def _keeps_directory(scratch: Scratch, address: str) -> bool:
    """Whether git keeps a directory that the stage makes: DVC's run cache does not restore it."""
    stage = scratch.graph.stages[address]
    hashed = dict(hashes(stage, scratch.expected.entries[address], "outs"))
    return any(hashed.get(out.path, "").endswith(".dir") for out in git_outs(stage))


def check_cached(scratch: Scratch, finding: Finding) -> None:
    """Run once and compare; run again, and nothing runs."""
    with running_host(scratch, "cached") as host:
        tasks = host.tasks()
        first = new_run(scratch, "manual__2026-01-01T00:00:00+00:00")
        first.go(tasks, [host])
        if not judge(finding, host, first):
            return
        second = new_run(scratch, "manual__2026-01-02T00:00:00+00:00")
        second.go(tasks, [host])
        if judge(finding, host, second):
            said = ran_in_vain(scratch, finding, second)
            finding.add("the second run computes nothing", said)
        finding.add("afterwards", leftovers(host, second))


def check_kill(scratch: Scratch, finding: Finding) -> None:
    """SIGKILL of the task, of the driver's guard and of its worker, at several moments."""
    with running_host(scratch, "kill", lock_timeout=60.0) as host:
        run = new_run(scratch, "manual__2026-01-01T00:00:00+00:00")
        victim, before, after, seconds = _approach(scratch, host, run)
        for who, moment in _MOMENTS:
            attempt = run.start(host, victim.name, hold=True)
            hit, running = _hit(attempt, who, moment, seconds)
            state = run.note(victim.name, attempt.wait(scratch.timeout))
            when = _WHEN.get(moment, f"at {moment or 0:.0%} of its command")
            what = f"SIGKILL of {who} of '{victim.name}' {when}"
            if not hit:
                finding.note(f"{what}: it was over before")
            survived = running and moment != 1.0 and state == "success"
            finding.add(
                what,
                ["the task succeeded all the same"] * survived
                + _after_a_kill(host, run, attempt, victim, state),
            )
            if state == "success":
                break
        done = run.states[victim.name] == "success" or run.step(host, victim.name) == "success"
        if done and run.go(after, [host]):
            finding.compared.append(f"the run went on after {sum(run.tries.values())} tries")
        judge(finding, host, run)
        finding.add("afterwards", [*leftovers(host, run), *damaged_objects(host)])
        finding.compared.append(f"{len(before)} task(s) before the kills were left as they were")


def _approach(scratch: Scratch, host: Host, run: Run) -> tuple[Task, list[Task], list[Task], float]:
    """Run up to the stage that takes longest; say how long that is."""
    tasks = host.tasks()
    runs = {*scratch.runnable()}
    stages = [task for task in tasks if runs & set(task.stages)]
    victim = max(stages, key=lambda task: held_seconds(scratch, task))
    position = tasks.index(victim)
    before, after = tasks[:position], tasks[position + 1 :]
    if not run.go(before, [host]):
        msg = f"the run failed before anything was done to it: {run.failure()}"
        raise ConformanceError(msg)
    return victim, before, after, held_seconds(scratch, victim)


def held_seconds(scratch: Scratch, task: Task) -> float:
    """Return how long a task's commands take in all, held up as they are."""
    total = 0.0
    for address in task.stages:
        command = scratch.graph.stages[address].cmd
        commands = 1 if isinstance(command, str) else len(command)
        total += scratch.seconds.get(address, 0.0) + 2 * HOLD * commands
    return total


def _hit(attempt: Attempt, who: str, moment: float | None, seconds: float) -> tuple[bool, bool]:
    """Kill a process of a try at a moment; whether it was there, and the command ran."""
    ready: Callable[[], bool] = (
        (lambda: len(attempt.drivers()) == 2) if moment is None else attempt.command_runs
    )
    until(lambda: ready() or attempt.ended(), _GONE_SECONDS)
    if moment == 1.0:
        until(
            lambda: attempt.ended() or not attempt.command_runs(),
            2 * seconds + _GONE_SECONDS,
            0.001,
        )
    elif moment:
        until(attempt.ended, moment * seconds)
    drivers = attempt.drivers()
    pids = {
        "the task": [attempt.pid],
        "the driver's guard": drivers[:1],
        "the driver's worker": drivers[1:],
    }
    hit, running = False, attempt.command_runs()
    for pid in pids[who]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            hit = True
    return hit, running


def _after_a_kill(host: Host, run: Run, attempt: Attempt, victim: Task, state: str) -> list[str]:
    problems = []
    if not until(lambda: not attempt.remains(), _GONE_SECONDS, 0.05):
        problems.append(f"{len(attempt.remains())} process(es) of the stage are still there")
    if state == "success":
        return problems
    return [*problems, *half_saved(host, run, victim.stages), *damaged_objects(host)]


def check_cancel(scratch: Scratch, finding: Finding) -> None:
    """SIGTERM, as Airflow stops a task: all is gone in time, nothing half-done is kept."""
    with running_host(scratch, "cancel", lock_timeout=60.0) as host:
        run = new_run(scratch, "manual__2026-01-01T00:00:00+00:00")
        victim, _, _, seconds = _approach(scratch, host, run)
        attempt = run.start(host, victim.name, hold=True)
        until(lambda: attempt.command_runs() or attempt.ended(), _GONE_SECONDS)
        until(attempt.ended, seconds / 2)
        running = attempt.command_runs()
        clock = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(attempt.pid, signal.SIGTERM)
        gone = until(lambda: attempt.ended() and not attempt.remains(), _GONE_SECONDS)
        took = time.monotonic() - clock
        state = run.note(victim.name, attempt.wait(scratch.timeout))
        what = f"SIGTERM to '{victim.name}' in the middle of its command"
        if not running:
            finding.note(f"{what}: it was over before")
        limit = GRACE + _AIRFLOW_PATIENCE
        late = (
            []
            if gone and took <= limit
            else [f"not all processes were gone after {took:.1f} s (limit {limit:.0f} s)"]
        )
        went_on = ["the task went on to its end"] if running and state == "success" else []
        finding.add(f"{what}: all processes gone after {took:.1f} s", late + went_on)
        if state != "success":
            _save_cancelled(finding, host, run, victim)
        again = new_run(scratch, "manual__2026-01-02T00:00:00+00:00")
        again.go(host.tasks(), [host])
        judge(finding, host, again)
        finding.add("afterwards", [*leftovers(host, again), *damaged_objects(host)])


def _save_cancelled(finding: Finding, host: Host, run: Run, victim: Task) -> None:
    """Airflow runs save_run after all others, whatever became of them."""
    problems = half_saved(host, run, victim.stages)
    if run.step(host, "save_run") == "success":
        problems.append("save_run takes the cancelled run for a complete one")
    problems += half_saved(host, run, victim.stages)
    finding.add("the cancelled run is not saved as complete", [*problems, *leftovers(host, run)])


def check_clear(scratch: Scratch, finding: Finding) -> None:
    """Clear finished tasks, with the workspace and without it; nothing changes."""
    with running_host(scratch, "clear") as host:
        tasks = host.tasks()
        run = new_run(scratch, "manual__2026-01-01T00:00:00+00:00")
        run.go(tasks, [host])
        if not judge(finding, host, run):
            return
        first = tree_of(host.root, str(run.xcoms["save_run"]["commit"]))
        stages = [task for task in tasks if task.stages]
        cleared = stages[len(stages) // 2]
        _clear(finding, host, run, cleared, "in the run's workspace")
        _save_again(finding, run, host, first, "saved again")
        workspace = Path(run.xcoms["open_workspace"]["root"])
        shutil.rmtree(workspace)
        _clear(finding, host, run, stages[-1], "after its workspace was removed")
        _save_again(finding, run, host, first, "saved again in the workspace made again")
        shutil.rmtree(workspace)
        _save_again(finding, run, host, first, "save_run alone cleared, the workspace removed")
        finding.add("afterwards", leftovers(host, run))


def _clear(finding: Finding, host: Host, run: Run, task: Task, where: str) -> None:
    scratch = host.scratch
    before = {r["stage"]: r["lock"] for r in run.xcoms[task.name]["stages"]}
    what = f"'{task.name}' cleared {where}"
    if run.step(host, task.name) != "success":
        finding.add(what, [run.failure()])
        return
    problems = []
    for result in run.xcoms[task.name]["stages"]:
        stage = result["stage"]
        if result["status"] == "ran" and not _always_runs(scratch, stage):
            problems.append(f"stage {stage} ran again")
        if result["lock"] != before[stage] and scratch.repeats(stage):
            problems.append(f"stage {stage} has another dvc.lock entry")
    finding.add(what, problems)


def _save_again(finding: Finding, run: Run, host: Host, tree: str, what: str) -> None:
    """Clear save_run: it saves the same tree again, or refuses and leaves what was saved."""
    ref = str(run.xcoms["save_run"]["ref"])
    earlier = dict(run.xcoms)
    if run.step(host, "save_run") == "success":
        commit = str(run.xcoms["save_run"]["commit"])
        found = tree_of(host.root, commit)
        if found == tree:
            finding.add(f"{what}: the same tree", [])
        elif judge_commit(finding, host, commit, what, host.remote):
            finding.add(
                what, ["its tree differs from the first one outside of the stages' outputs"]
            )
        return
    saved = git_or_none(host.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{tree}}")
    run.xcoms = earlier
    problems = [] if saved in (None, tree) else [f"{ref} was replaced, though save_run failed"]
    finding.note(f"{what}: refused, and says {run.errors.pop('save_run', '')[:200]}")
    finding.add(f"{what}: what was saved stays", problems)


def check_backfill(scratch: Scratch, finding: Finding) -> None:
    """Several runs of different logical dates at the same time in one cache."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(running_host(scratch, "backfill"))
        tasks = host.tasks()
        dates = [f"2026-01-{day:02d}T00:00:00+00:00" for day in range(1, _BACKFILL + 1)]
        runs = [new_run(scratch, f"backfill__{date}", date) for date in dates]
        _run_at_once(host, runs, tasks)
        commits = []
        for run in runs:
            judge(finding, host, run)
            commits.append(run.xcoms.get("save_run", {}).get("commit"))
            finding.add(f"run {run.run_id} afterwards", leftovers(host, run))
        trees = {tree_of(host.root, str(commit)) for commit in commits if commit}
        if len(trees) > 1 and all(map(scratch.repeats, scratch.runnable())):
            finding.add("trees of the runs", [f"{len(trees)} different ones"])
        elif len(trees) == 1:
            finding.add(f"one tree in all {len(runs)} runs", [])
        finding.add("the shared cache", damaged_objects(host))


def _run_at_once(host: Host, runs: list[Run], tasks: list[Task]) -> None:
    """Run every task of every run as soon as the tasks above it are done."""
    waiting = {(n, task.name): task for n in range(len(runs)) for task in tasks}
    active: dict[tuple[int, str], Attempt] = {}
    while waiting or active:
        for key in [key for key, attempt in active.items() if attempt.ended()]:
            number, name = key
            runs[number].note(name, active.pop(key).wait(runs[number].timeout))
        for (number, name), task in list(waiting.items()):
            states = [runs[number].states.get(up) for up in task.upstream]
            if "failed" in states or "killed" in states:
                del waiting[number, name]
                runs[number].states[name] = "failed"
            elif all(state == "success" for state in states):
                del waiting[number, name]
                active[number, name] = runs[number].start(host, name)
        late = [a for a in active.values() if time.monotonic() - a.started > host.scratch.timeout]
        for attempt in late:
            attempt.end()
        time.sleep(0.02)


CHECKS: Final[dict[str, Callable[[Scratch, Finding], None]]] = {
    "graph": check_graph,
    "cached": check_cached,
    "hosts": check_hosts,
    "kill": check_kill,
    "cancel": check_cancel,
    "clear": check_clear,
    "backfill": check_backfill,
}

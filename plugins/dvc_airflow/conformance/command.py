"""The command line: ``python -m dvc_airflow conformance PROJECT``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dvc_airflow.conformance.result import ConformanceError, Finding, NotApplicableError
from dvc_airflow.conformance.scratch import Scratch, prepare
from dvc_airflow.errors import DvcAirflowError

NAMES = ("graph", "cached", "hosts", "kill", "cancel", "clear", "backfill")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("examined", metavar="PROJECT", help="the DVC project; it is only read")
    parser.add_argument("--checks", default=",".join(NAMES), help="some of %(default)s")
    parser.add_argument("--targets", default="", help="as for dvc repro, with commas between")
    parser.add_argument(
        "--rev", help="the revision to examine (default: HEAD, if all is committed)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="longest time of a task and of dvc repro (default: %(default).0f)",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="where to make the copies: a directory that does not exist yet",
    )
    parser.add_argument(
        "--airflow",
        action="store_true",
        help="kill, cancel, clear and backfill by the scheduler of a real Airflow (slow)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the copies for you to look at")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the checks; 0 if none failed, 1 if one did.

    Raises
    ------
    ConformanceError
        If the project cannot be examined.
    """
    names = _names(options.checks)
    targets = [target for target in options.targets.split(",") if target]
    made = options.scratch is None
    directory = (
        Path(tempfile.mkdtemp(prefix="dvc-airflow-conformance-"))
        if made
        else (options.scratch.resolve())
    )
    if not made:
        directory.mkdir(parents=True)

    def log(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        scratch = prepare(
            Path(options.examined).resolve(),
            directory,
            targets=targets or None,
            rev=options.rev,
            timeout=options.timeout,
            log=log,
        )
        findings = []
        for finding in examine_all(scratch, names, airflow=options.airflow, log=log):
            findings.append(finding)
            if not options.json:
                print("\n".join(finding.lines()), flush=True)
        failed = sum(finding.outcome == "failed" for finding in findings)
        if options.json:
            print(json.dumps(report(options.examined, scratch, findings), indent=2))
        else:
            passed = sum(finding.outcome == "passed" for finding in findings)
            print(
                f"{passed} passed, {failed} failed, {len(findings) - passed - failed} not "
                f"applicable: {len(scratch.stages)} stages at commit {scratch.commit[:12]}"
            )
    finally:
        if options.keep:
            log(f"the copies are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


def examine_all(
    scratch: Scratch, names: Sequence[str], *, airflow: bool, log: Callable[[str], None]
) -> Iterator[Finding]:
    """Run checks one after another.

    Parameters
    ----------
    scratch : Scratch
        The project's copies.
    names : sequence of str
        Which checks.
    airflow : bool
        Whether kill, cancel, clear and backfill are done to runs of a real Airflow.
    log : callable
        Told what is going on.
    """
    from dvc_airflow.conformance import airflow_checks, checks

    by_airflow = [name for name in names if airflow and name in airflow_checks.CHECKS]
    for name in names:
        if name not in by_airflow:
            log(f"check {name}")
            yield examine(name, partial(checks.CHECKS[name], scratch))
    if not by_airflow:
        return
    from dvc_airflow.conformance.airflow_stack import Airflow, running_airflow

    stack = Airflow(scratch.directory / "airflow")
    copies = {name: airflow_checks.add_copy(stack, scratch, name) for name in by_airflow}
    log("starting Airflow")
    with running_airflow(stack):
        for name in by_airflow:
            log(f"check {name} by Airflow")
            stack.wait_for_dag(copies[name].dag)
            yield examine(f"{name} (Airflow)", partial(airflow_checks.CHECKS[name], copies[name]))


def examine(name: str, check: Callable[[Finding], None]) -> Finding:
    """Run one check; what goes wrong in it is a finding too."""
    finding = Finding(name)
    clock = time.monotonic()
    try:
        check(finding)
    except NotApplicableError as exc:
        finding.reason = str(exc)
    except DvcAirflowError as exc:
        finding.add("the check itself", [f"{type(exc).__name__}: {exc}"])
    finding.seconds = round(time.monotonic() - clock, 1)
    return finding


def report(project: str, scratch: Scratch, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return all findings as plain data."""
    return {
        "project": str(project),
        "commit": scratch.commit,
        "targets": scratch.targets,
        "stages": scratch.stages,
        "passed": all(finding.outcome != "failed" for finding in findings),
        "checks": {finding.name: finding.to_json() for finding in findings},
    }


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        msg = f"there is no check {', '.join(unknown) or repr(text)}; there are {', '.join(NAMES)}"
        raise ConformanceError(msg)
    return names

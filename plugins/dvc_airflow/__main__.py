"""``python -m dvc_airflow`` with ``apply``, ``gc``, ``graph``, ``params`` or ``conformance``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from dvc_airflow.conformance.command import add_arguments, run
from dvc_airflow.errors import DvcAirflowError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="dvc_airflow", description=__doc__)
    parser.add_argument("--project", default=".", help="the DVC project (default: here)")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="put a saved run into the working tree")
    apply.add_argument("ref", help="refs/runs/<dag>/<run>, or <dag>/<run>")
    apply.add_argument("--force", action="store_true", help="overwrite changed files")
    apply.add_argument(
        "--besides", action="append", default=[], metavar="FILE",
        help="a file that the run read and that may be another version here: a release wrote it",
    )  # fmt: skip
    gc = commands.add_parser(
        "gc", help="remove data that no branch, tag, experiment, workspace or saved run has"
    )
    gc.add_argument("--workspaces", help="directory of workspaces (default: runs in the project)")
    gc.add_argument("--failed", action="store_true", help="give up failed runs first")
    gc.add_argument("--cloud", action="store_true", help="in the DVC remote too")
    gc.add_argument("--remote", help="which DVC remote, with --cloud")
    gc.add_argument("--yes", action="store_true", help="do it; without, only say what would go")
    graph = commands.add_parser("graph", help="print the stages and what they read from")
    graph.add_argument("targets", nargs="*", help="as for dvc repro")
    params = commands.add_parser("params", help="print the parameters that stages depend on")
    params.add_argument("targets", nargs="*", help="as for dvc repro (default: every stage)")
    params.add_argument(
        "--check", action="append", metavar="KEY", help="refuse a key that is no parameter"
    )
    about = "compare runs of a project's copy by the bridge with a plain dvc repro"
    add_arguments(commands.add_parser("conformance", help=about, description=about))
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every question to Airflow
    known = {
        "apply": _apply,
        "conformance": run,
        "gc": _gc,
        "graph": _graph,
        "params": _params,
    }
    try:
        return known[options.command](options)
    except DvcAirflowError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1


def _apply(options: argparse.Namespace) -> int:
    from dvc_airflow.apply import apply_run

    for path in apply_run(
        options.project, options.ref, force=options.force, besides=options.besides
    ):
        print(path)
    return 0


def _gc(options: argparse.Namespace) -> int:
    from dvc_airflow.housekeeping import collect_garbage

    done = collect_garbage(
        options.project,
        options.workspaces,
        failed=options.failed,
        cloud=options.cloud,
        remote=options.remote,
        dry=not options.yes,
    )
    for line in done.lines():
        print(line)
    return 0


def _params(options: argparse.Namespace) -> int:
    from dvc_airflow.graph import load_graph, select_stages
    from dvc_airflow.graph.params import collect_params, refuse_unknown

    graph = load_graph(options.project)
    stages = select_stages(graph, options.targets) if options.targets else list(graph.stages)
    offered = {spec.key: spec.value for spec in collect_params(graph, stages, True)}
    if options.check:
        refuse_unknown(dict.fromkeys(options.check), offered, strict=True)
        return 0
    for key in offered:
        print(key)
    return 0


def _graph(options: argparse.Namespace) -> int:
    from dvc_airflow.graph import load_graph, select_stages

    graph = load_graph(options.project)
    for address in select_stages(graph, options.targets or None):
        above = ", ".join(sorted(graph.active_upstream(address)))
        print(f"{address}  <-  {above}" if above else address)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m dvc_airflow apply <ref>``, ``… graph`` and ``… conformance PROJECT``."""

from __future__ import annotations

import argparse
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
    graph = commands.add_parser("graph", help="print the stages and what they read from")
    graph.add_argument("targets", nargs="*", help="as for dvc repro")
    about = "compare runs of a project's copy by the bridge with a plain dvc repro"
    add_arguments(commands.add_parser("conformance", help=about, description=about))
    options = parser.parse_args(argv)
    known = {"apply": _apply, "graph": _graph, "conformance": run}
    try:
        return known[options.command](options)
    except DvcAirflowError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1


def _apply(options: argparse.Namespace) -> int:
    from dvc_airflow.apply import apply_run

    for path in apply_run(options.project, options.ref, force=options.force):
        print(path)
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

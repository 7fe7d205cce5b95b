"""The command ``signalbox verify``: hold a report against everything it follows from.

Exit codes: 0 verified; 1 something differs (the table names it); 2 wrong usage, or no such report;
3 cannot be verified, because artifacts are missing; 130 ended with Ctrl-C.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.cli.console import (
    AsJson,
    Project,
    one_line_errors,
    print_error,
    print_json,
    print_lines,
)
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.verification.results import Check, Finding, Verification

USAGE = 2
SHOWN = 3
"""Findings of one check that are shown; ``--verbose`` and ``--json`` have them all."""

_MARKS = {
    "ok": "[green]✓[/]",
    "differs": "[red]✗[/]",
    "missing": "[yellow]?[/]",
    "skipped": "–",
}


def verify(
    report: Annotated[Path, typer.Argument(help="A report's .json or .html, or a copy of it.")],
    *,
    project: Project = Path(),
    hashes_only: Annotated[
        bool, typer.Option("--hashes-only", help="Check hashes; compute no figure again.")
    ] = False,
    reproduce: Annotated[
        bool,
        typer.Option(
            "--reproduce", help="Run the pipeline in a clean clone too; compare bit for bit."
        ),
    ] = False,
    rev: Annotated[
        str | None,
        typer.Option(
            help="Commit, tag or saved run the report belongs to; default: the release that it "
            "is, else the work tree."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every difference, and what was checked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove a report: hashes, figures computed again, ledger, tags; name what differs.

    Exit codes: 0 verified, 1 something differs, 2 wrong usage, 3 artifacts are missing.

    Stages of the project's commit are run in scratch folders: verify only projects whose code you
    would run.

    Example: signalbox verify reports/model_release.json --hashes-only
    """
    from pipelines.verification.verify import Depth, open_project, verify_report

    depth = Depth(rederive=not hashes_only, reproduce=reproduce, rev=rev)
    progress = Console(stderr=True)  # the output itself begins with the verdict

    def show_step(text: str) -> None:
        print_lines([f"… {text}"], console=progress)

    with one_line_errors():
        try:
            root = open_project(project)
            result = verify_report(report, root, depth, show_step)
        except SignalboxError as error:
            print_error(str(error))
            raise typer.Exit(USAGE) from None
    if as_json:
        print_json(result.as_dict())
    else:
        show(Console(), result, verbose=verbose)
    raise typer.Exit(result.exit_code)


def show(console: Console, result: "Verification", *, verbose: bool = False) -> None:
    """Print the verdict, what to do, the table of checks, and the first differences of each."""
    from rich.table import Table
    from rich.text import Text

    print_lines([_verdict(result)], style=_STYLES[result.verdict], console=console)
    print_lines([result.hint] if result.hint else [], console=console)
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in result.checks:
        table.add_row(_MARKS[check.status.value], check.title, Text(check.sentence))
    console.print()
    console.print(table)
    for check in result.checks:
        _details(console, check, verbose=verbose)


_STYLES = {"verified": "bold green", "differs": "bold red", "cannot_verify": "bold yellow"}


def _details(console: Console, check: "Check", *, verbose: bool) -> None:
    """Print a check's findings; those that don't count only where all are asked for."""
    if not check.findings or (check.status.value == "skipped" and not verbose):
        return
    shown = len(check.findings) if verbose else SHOWN
    lines = ["", f"{check.title}:", *(f"  {_line(finding)}" for finding in check.findings[:shown])]
    if len(check.findings) > shown:
        lines.append(f"  and {len(check.findings) - shown} more: --verbose shows them")
    print_lines(lines, console=console)


def _line(finding: "Finding") -> str:
    text = f"{finding.path}: {finding.what}"
    if finding.expected:
        text += f"; expected {finding.expected}"
    return text + (f", found {finding.found}" if finding.found else "")


def _verdict(result: "Verification") -> str:
    at = f" at commit {result.commit[:12]}" if result.commit else ""
    if result.verdict == "verified":
        rest = "; ".join(result.open_points)
        return f"VERIFIED{at}" + (f"; not checked: {rest}" if rest else "")
    count = len(result.faults)
    more = f" (and {count - 1} more)" if count > 1 else ""
    if result.verdict == "differs":
        return f"DIFFERS{at}: first {_line(result.faults[0])}{more}"
    reasons = [check.sentence for check in result.checks if check.status.value == "missing"]
    return f"CANNOT BE VERIFIED{at}: {reasons[-1]}"

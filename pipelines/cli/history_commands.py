"""``signalbox history``: gate, approvals, releases, rollbacks and alarms of a product in time.

Exit codes: 0 shown; 1 the ledger cannot be read (one line says what to do); 2 wrong usage.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, one_line_errors, print_json
from pipelines.cli.ledger_commands import Last, Project, chosen, summary

if TYPE_CHECKING:
    from rich.text import Text

    from pipelines.release.ledger import Entry

STYLES = {
    "gate": "",
    "approval": "green",
    "rejection": "bold red",
    "override": "bold red",
    "release": "bold green",
    "rollback": "bold yellow",
    "erasure": "magenta",
    "alarm": "yellow",
    "publication": "bold green",
    "withdrawal": "bold yellow",
    "remediation": "yellow",
}
"""Kinds of the timeline: decisions about what is in production, and what called for them."""


def history(
    subject: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    last: Last = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Show decisions, releases, rollbacks, erasures, alarms and the like in order, day by day."""
    with one_line_errors():
        entries = chosen(project, list(STYLES), subject, last)
    if as_json:
        print_json([entry.model_dump() for entry in entries])
        return
    console = Console()
    if not entries:
        console.print("nothing was decided or released yet")
    day = ""
    for entry in entries:
        if entry.time[:10] != day:
            day = entry.time[:10]
            console.print(day, style="bold", highlight=False)
        console.print(_line(entry), soft_wrap=True)


def _line(entry: "Entry") -> "Text":
    """One entry; what stands in the ledger is text, never markup."""
    from rich.text import Text

    line = Text(f"  {entry.time[11:19]}  #{entry.seq:<5}")
    line.append(f"{entry.kind:<11}", style=STYLES[entry.kind])
    line.append(f" {entry.subject}  {summary(entry)}")
    return line

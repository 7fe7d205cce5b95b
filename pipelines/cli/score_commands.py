"""``signalbox score``: score a table with the model in production.

Exit codes: 0 scored; 1 there is no model in production, it was changed after its release, or the
table cannot be read (one line says what to do); 2 wrong usage.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.base.errors import SignalboxError

app = typer.Typer(add_completion=False)


@app.command("score")
def score(
    input_: Annotated[
        str, typer.Option("--input", help="Parquet or delimited text, local or not.")
    ],
    name: Annotated[str, typer.Option(help="Of the batch; default: file name and time.")] = "",
    reasons: Annotated[
        int | None, typer.Option(min=0, max=20, help="Reason codes a row; 0 = none.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
    project: Annotated[Path, typer.Option(help="Root of the project.")] = Path(),
) -> None:
    """Score a table with the model in production; write predictions with reasons."""
    from pipelines.mlops.scoring.record import FOLDER, predictions_path
    from pipelines.mlops.scoring.run import score_input

    try:
        record = score_input(project, input_, name, reasons=reasons)
    except SignalboxError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(record.model_dump_json())
        return
    typer.echo(
        f"{record.rows:,} rows scored by {record.model_version}, {record.selected:,} selected"
    )
    typer.echo(str(predictions_path(project / FOLDER, record.name)))

"""``signalbox score``: score a table with the model in production.

Exit codes: 0 scored; 1 there is no model in production, it was changed after its release, or the
table cannot be read (one line says what to do); 2 wrong usage.
"""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import AsJson, one_line_errors, print_json


def score(
    input_: Annotated[
        str, typer.Option("--input", help="Parquet or delimited text, local or not.")
    ],
    name: Annotated[str, typer.Option(help="Of the batch; default: file name and time.")] = "",
    reasons: Annotated[
        int | None, typer.Option(min=0, max=20, help="Reason codes a row; 0 = none.")
    ] = None,
    as_json: AsJson = False,
    project: Annotated[Path, typer.Option(help="Root of the project.")] = Path(),
) -> None:
    """Score a table with the model in production; write predictions with reasons."""
    from pipelines.mlops.scoring.record import FOLDER, in_words, predictions_path
    from pipelines.mlops.scoring.run import score_input

    with one_line_errors():
        record = score_input(project, input_, name, reasons=reasons)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    typer.echo(in_words(record))
    typer.echo(str(predictions_path(project / FOLDER, record.name)))

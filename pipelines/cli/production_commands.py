"""``signalbox score`` and ``signalbox monitor``: the model in production.

Exit codes: 0 scored, or watched, whether or not an alarm went off; 1 there is no model in
production, it was changed after its release, or a table, file or parameter is wrong (one
line says what to do); 2 wrong usage.
"""

from datetime import UTC, datetime, timedelta
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
    from pipelines.mlops.scoring.record import FOLDER, predictions_path
    from pipelines.mlops.scoring.record import describe as in_words
    from pipelines.mlops.scoring.score import score_input

    with one_line_errors():
        record = score_input(project, input_, name, reasons=reasons)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    typer.echo(in_words(record))
    typer.echo(str(predictions_path(project / FOLDER, record.name)))


def monitor(
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day to look at, UTC; default: until now."),
    ] = None,
    as_json: AsJson = False,
    project: Annotated[Path, typer.Option(help="Root of the project.")] = Path(),
) -> None:
    """Measure what was scored and how it turned out; alarms go to the ledger."""
    from pipelines.mlops.monitoring.result import describe
    from pipelines.mlops.monitoring.watch import watch_project

    now = datetime.now(UTC)
    # The last moment of the day, so that the result is named after it.
    last = None if date is None else date.replace(tzinfo=UTC) + timedelta(days=1, microseconds=-1)
    with one_line_errors():
        result = watch_project(project, min(last, now) if last else now, now)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    typer.echo(describe(result))

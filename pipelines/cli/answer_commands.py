"""``signalbox answer``: answer the question of a run that waits, and follow it to its end.

Exit codes: 0 answered, and the run ended well; 1 there is no such question, Airflow doesn't take
the answer, or the run failed; 2 wrong usage.
"""

from typing import Annotated

import typer
from rich.console import Console

from pipelines.cli.console import one_line_errors

Approve = Annotated[bool, typer.Option("--approve/--reject", help="What to answer.")]


def answer(
    product: Annotated[str, typer.Argument(help="Product, for example model_release.")],
    *,
    approve: Approve = ...,  # type: ignore[assignment]
    run: Annotated[
        str | None, typer.Option(help="Id of the run in Airflow; the one that waits if not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; an override must have a reason.")] = "",
) -> None:
    """Answer a release's question in Airflow, with the login of the project's own Airflow."""
    from pipelines.cli.release_run import answer_waiting

    with one_line_errors():
        answer_waiting(Console(), product, run, approve=approve, reason=reason)

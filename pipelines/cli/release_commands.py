"""``signalbox release``, ``rollback``, ``registry`` and ``answer``.

Exit codes: 0 done (``registry show``: nothing is wrong; ``answer``: the run ended well); 1
refused, or something is wrong (one line says what and what to do; nothing was released; for
``answer`` also: the run failed); 2 wrong usage.

Who someone is, the command line cannot know: an approval given here says ``command_line`` in
the ledger, beside the git identity of the release. Airflow's question is the one with a login.

``signalbox score`` and ``signalbox monitor``: the model in production.

Exit codes: 0 scored, or watched, whether or not an alarm went off; 1 there is no model in
production, it was changed after its release, or a table, file or parameter is wrong (one
line says what to do); 2 wrong usage.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, Project, one_line_errors, print_json, work_for
from pipelines.release.products import DEFAULT

if TYPE_CHECKING:
    from pipelines.release.lifecycle import Done


Product = Annotated[str, typer.Option(help="Product, as in release.yaml: registry.products.")]
Stage = Annotated[str, typer.Option(help="Stage of the registry.")]

registry = typer.Typer(help="Versions and stages of what was released.", no_args_is_help=True)


def release(
    commit: Annotated[str, typer.Argument(help="Saved run, commit, tag or branch.")],
    *,
    approver: Annotated[
        list[str] | None,
        typer.Option(help="Who approves, if nobody has in Airflow; twice for an override."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; an override must have it.")] = "",
    bump: Annotated[
        str | None, typer.Option(help="major, minor or patch; else as in release.yaml.")
    ] = None,
    stage: Stage = "production",
    product: Product = DEFAULT,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Release a run: needs the gate's decision and an approval in the ledger."""
    from pipelines.core.errors import SignalboxError
    from pipelines.release.lifecycle import release as do

    with one_line_errors():
        if bump not in (None, "major", "minor", "patch"):
            raise SignalboxError(f"--bump {bump!r}: use major, minor or patch")
        require_what_is_meant(project, product, commit)
        if approver:
            approve_here(project, product, commit, approver, reason)
        made = do(project, product, commit, stage=stage, bump=bump)  # type: ignore[arg-type]
        show_done(made, as_json)


def rollback(
    *,
    reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")],
    who: Annotated[str, typer.Option(help="Who decides; must be one of approval.approvers.")],
    to: Annotated[
        str | None, typer.Option(help="Version; else the one that the current one replaced.")
    ] = None,
    stage: Stage = "production",
    product: Product = DEFAULT,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version: only to one that was released and still is what it was."""
    from pipelines.release.lifecycle import rollback as do

    with one_line_errors():
        show_done(do(project, product, to=to, reason=reason, who=who, stage=stage), as_json)


@registry.command("show")
def show_registry(
    product: Product = DEFAULT, project: Project = Path(), as_json: AsJson = False
) -> None:
    """Show versions and stages, and what registry and ledger don't agree on."""
    from dataclasses import asdict

    from pipelines.release.lifecycle import problems
    from pipelines.release.registry import versions

    with one_line_errors():
        known, wrong = versions(project, product), problems(project, product)
    if as_json:
        print_json({"versions": [asdict(version) for version in known], "problems": wrong})
    else:
        _print_versions([asdict(version) for version in known], wrong)
    if wrong:
        raise typer.Exit(1)


@registry.command("repair")
def repair_registry(
    product: Product = DEFAULT, project: Project = Path(), as_json: AsJson = False
) -> None:
    """Finish a release or rollback that was interrupted between ledger, tags and pointer."""
    from pipelines.release.lifecycle import repair

    with one_line_errors():
        said = repair(project, product)
    if as_json:
        print_json({"repaired": said})
        return
    for line in said or ["nothing was interrupted"]:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def require_what_is_meant(project: Path, product: str, commit: str) -> None:
    """Refuse to release HEAD while the work tree holds something else."""
    from pipelines.release.registry.read import load_product
    from pipelines.release.registry.write import require_clean, require_commits

    require_commits(project)
    if commit in ("HEAD", "@"):
        require_clean(project, ignoring=["ledger", load_product(project, product).pointer])


def approve_here(
    project: Path, product: str, commit: str, approvers: list[str], reason: str
) -> None:
    """Log an approval that was given on the command line.

    Raises
    ------
    SignalboxError
        If the policy doesn't take it for one; that is logged too.
    """
    from datetime import UTC, datetime

    from pipelines.core.errors import SignalboxError
    from pipelines.release.approval import Answer, ApprovalParams, outcome
    from pipelines.release.config import load_section
    from pipelines.release.ledger import Ledger
    from pipelines.release.lifecycle import (
        changed_params,
        read_candidate,
        record_gate,
        record_outcome,
    )
    from pipelines.release.registry.write import resolve_commit

    full = resolve_commit(project, commit)
    decision = record_gate(project, product, full)
    now = datetime.now(UTC).isoformat()
    answers = [
        Answer(who=who, approves=True, reason=reason, at=now, channel="command_line")
        for who in approvers
    ]
    found = outcome(
        answers,
        decision.verdict,
        load_section(project, "approval", ApprovalParams),
        changed=bool(changed_params(Ledger.of(project).entries(), product, full)),
    )
    record_outcome(project, read_candidate(project, product, full), found)
    if not found.releases:
        raise SignalboxError(f"not approved: {' '.join(found.reasons) or found.policy}")


def show_done(made: "Done", as_json: bool) -> None:
    """Print what was released, and what is left to do in git."""
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    lines = [
        f"{made.kind}: {made.product} {made.version} is in {made.stage}"
        + (f" (before: {made.replaces})" if made.replaces else ""),
        f"commit:  {made.commit}",
        f"tags:    {', '.join(made.tags)}",
        f"ledger:  entry {made.entry}",
    ]
    if made.pointer:
        lines.append(f"commit what changed: git add ledger {made.pointer} && git commit")
    for warning in made.warnings:
        Console(stderr=True).print(f"warning: {warning}", style="yellow", markup=False,
                                   highlight=False, soft_wrap=True)  # fmt: skip
    for line in lines:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _print_versions(known: list[dict[str, Any]], wrong: list[str]) -> None:
    from rich.table import Table

    console = Console()
    if known:
        table = Table(box=None, pad_edge=False)
        for title in ("version", "commit", "in stage", "anchored in the ledger"):
            table.add_column(title)
        for version in known:
            anchored = (version["anchor"] or "no")[:12]
            table.add_row(
                version["version"], version["commit"][:12], ", ".join(version["stages"]), anchored
            )
        console.print(table)
    else:
        console.print("nothing has been released yet")
    for problem in wrong:
        console.print(f"problem: {problem}", style="red", markup=False, soft_wrap=True)


Approve = Annotated[bool, typer.Option("--approve/--reject", help="What to answer.")]


def answer(
    product: Annotated[str, typer.Argument(help="Product, for example model_release.")],
    *,
    approve: Approve = ...,  # type: ignore[assignment]
    run: Annotated[
        str | None, typer.Option(help="Id of the run in Airflow; the one that waits if not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; an override must have a reason.")] = "",
    project: Project = Path(),
) -> None:
    """Answer a release's question in Airflow, with the login of the project's own Airflow."""
    with one_line_errors(), work_for(project):
        from pipelines.cli.release_run import answer_waiting

        answer_waiting(Console(), product, run, approve=approve, reason=reason)


def score(
    input_: Annotated[
        str, typer.Option("--input", help="Parquet or delimited text, local or not.")
    ],
    name: Annotated[str, typer.Option(help="Of the batch; default: file name and time.")] = "",
    reasons: Annotated[
        int | None, typer.Option(min=0, max=20, help="Reason codes a row; 0 = none.")
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Score a table with the model in production; write predictions with reasons."""
    from pipelines.mlops.scoring.record import FOLDER, describe, predictions_path
    from pipelines.mlops.scoring.score import score_input

    with one_line_errors():
        record = score_input(project, input_, name, reasons=reasons)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    typer.echo(describe(record))
    typer.echo(str(predictions_path(project / FOLDER, record.name)))


def monitor(
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day to look at, UTC; default: until now."),
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
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

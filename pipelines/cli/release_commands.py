"""``signalbox release``, ``rollback``, ``compare``, ``registry`` and ``answer``.

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
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import (
    AsJson,
    Project,
    one_line_errors,
    print_json,
    print_lines,
    work_for,
)
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.core.evidence import Figure
    from pipelines.release.lifecycle import Done
    from pipelines.release.lifecycle.compare import Change, Comparison, FigureChange, Side


Product = Annotated[
    str,
    typer.Option(
        help="Product, as in release.yaml: registry.products; default: the one that is meant."
    ),
]
Products = Annotated[
    str, typer.Option(help="Only this product of release.yaml: registry.products; default: all.")
]
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
    product: Product = "",
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Release a run: needs the gate's decision and an approval in the ledger.

    Example: signalbox release HEAD --product model_release --approver alice
    """
    from pipelines.release.lifecycle import release as do

    with one_line_errors():
        if bump not in (None, "major", "minor", "patch"):
            raise SignalboxError(f"--bump {bump!r}: use major, minor or patch")
        name = product or product_of(project, commit)
        require_what_is_meant(project, name, commit)
        if approver:
            approve_here(project, name, commit, approver, reason)
        made = do(project, name, commit, stage=stage, bump=bump)  # type: ignore[arg-type]
        show_done(made, as_json)


def rollback(
    *,
    reason: Annotated[str, typer.Option(help="Why; goes to the ledger.")],
    who: Annotated[str, typer.Option(help="Who decides; must be one of approval.approvers.")],
    to: Annotated[
        str | None, typer.Option(help="Version; else the one that the current one replaced.")
    ] = None,
    stage: Stage = "production",
    product: Product = "",
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier version: only to one that was released and still is what it was.

    Example: signalbox rollback --product model_release --who alice --reason "complaints"
    """
    from pipelines.release.lifecycle import rollback as do

    with one_line_errors():
        name = product or product_in(project, stage)
        show_done(do(project, name, to=to, reason=reason, who=who, stage=stage), as_json)


def product_of(project: Path, commit: str) -> str:
    """Find the product that the release of a commit means: the one that its gate judged.

    Raises
    ------
    SignalboxError
        If the commit is no run, or one of several products.
    """
    from pipelines.core.artifacts import evidence_of
    from pipelines.core.project import dag_id
    from pipelines.release.lifecycle.files import CommitFiles
    from pipelines.release.registry.read import load_product, product_names
    from pipelines.release.registry.write import resolve_commit

    known = product_names(project)
    for name in known:  # a saved run is named after its product's DAG
        if commit.removeprefix("refs/runs/").startswith(f"{dag_id(project, name)}/"):
            return name
    full = resolve_commit(project, commit)
    files = CommitFiles(project, full).locked()
    judged = [
        name for name in known if evidence_of(load_product(project, name).gate).as_posix() in files
    ]
    return _the_one(judged, f"commit {full[:12]} holds", "no gate's decision; run a release DAG")


def product_in(project: Path, stage: str) -> str:
    """Find the product of which a version is in a stage.

    Raises
    ------
    SignalboxError
        If there is none, or there are several.
    """
    from pipelines.release.registry import current
    from pipelines.release.registry.read import product_names

    found = [name for name in product_names(project) if current(project, name, stage) is not None]
    return _the_one(found, f"{stage} holds", "nothing, so there is nothing to go back from")


def _the_one(names: list[str], where: str, nothing: str) -> str:
    if not names:
        raise SignalboxError(f"{where} {nothing}")
    if len(names) > 1:
        raise SignalboxError(f"{where} {' and '.join(names)}: say which one with --product")
    return names[0]


class ShownVersion(TypedDict):
    """One version, as ``registry show --json`` prints it; `time` is of the tag, in seconds."""

    product: str
    version: str
    commit: str
    tag: str
    time: int
    anchor: str | None
    stages: list[str]


class ShownRegistry(TypedDict):
    """What ``registry show --json`` prints.

    `production` is by product, null where nothing is there.
    """

    production: dict[str, str | None]
    versions: list[ShownVersion]
    problems: list[str]


def compare(
    product: Annotated[str, typer.Argument(help="Product, for example model_release.")],
    old: Annotated[
        str, typer.Argument(metavar="A", help="Version, saved run, commit's hash or HEAD.")
    ],
    new: Annotated[str, typer.Argument(metavar="B", help="The same, usually the newer one.")],
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every figure that differs, and all files.")
    ] = False,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Show two versions side by side, or runs that were never released: what differs.

    Example: signalbox compare model_release v1.0.0 HEAD
    """
    from pipelines.release.lifecycle import compare_versions

    with one_line_errors():
        found = compare_versions(project, product, old, new)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    print_lines(_comparison_lines(found, None if verbose else _MOST_SHOWN))


_MOST_SHOWN = 15
"""Lines of a section of a comparison that are shown; ``--verbose`` and ``--json`` have them all."""


def _comparison_lines(found: "Comparison", most: int | None) -> list[str]:
    lines = [f"A: {_side(found.a)}", f"B: {_side(found.b)}"]
    checks = [f"{c.name}: {c.a or 'not there'} → {c.b or 'not there'}"
              for c in found.checks if not c.same]  # fmt: skip
    lines += _section("checks of the gate", checks, most, f"all {len(found.checks)} alike")
    # What chance doesn't explain comes first.
    moved = sorted(
        (f for f in found.figures if (f.a and f.a.value) != (f.b and f.b.value)),
        key=lambda figure: not figure.apart,
    )
    figures = [_figure_change(figure) for figure in moved]
    lines += _section("figures, A → B", figures, most, f"all {len(found.figures)} alike")
    params = [f"{c.name}: {_param(c.a)} → {_param(c.b)}" for c in found.params]
    lines += _section("parameters, A → B", params, most, "all alike")
    for title, changes in (("data", found.data), ("artifacts", found.artifacts)):
        own = [f"{c.name}{_where(c)}" for c in changes if not c.same]
        lines += _section(f"{title} that differ", own, most, "none")
    code = [f"{c.name}{_where(c)}" for c in found.code]
    return [*lines, *_section("code that differs", code, most, "none")]


def _section(title: str, rows: list[str], most: int | None, nothing: str) -> list[str]:
    if not rows:
        return [f"{title}: {nothing}"]
    lines = ["", f"{title}:", *(f"  {row}" for row in rows[:most])]
    if most is not None and len(rows) > most:
        lines.append(f"  and {len(rows) - most:,} more: --verbose shows them")
    return lines


def _side(side: "Side") -> str:
    name = side.name if side.version in ("", side.name) else f"{side.name} ({side.version})"
    date = side.time[:16].replace("T", " ")
    verdict = {"approve": "approves", "review": "leaves it to people", "reject": "rejects"}
    return f"{name}, commit {side.commit[:12]} of {date} UTC; the gate {verdict[side.verdict]}"


def _figure_change(change: "FigureChange") -> str:
    text = f"{change.id}: {_value(change.a)} → {_value(change.b)}"
    if change.difference is not None:
        text += f", {change.difference:+.4g}"
    # Intervals that overlap don't prove that nothing changed.
    return f"{text}; the intervals don't overlap" if change.apart else text


def _value(figure: "Figure | None") -> str:
    if figure is None or figure.value is None:
        return "none"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"


def _param(value: object) -> str:
    import json

    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _where(change: "Change") -> str:
    return " (only in B)" if change.a is None else " (only in A)" if change.b is None else ""


@registry.command("show")
def show_registry(
    product: Products = "", project: Project = Path(), as_json: AsJson = False
) -> None:
    """Show versions and stages, and what registry and ledger don't agree on.

    Example: signalbox registry show
    """
    with one_line_errors():
        found = read_registry(project, product)
    if as_json:
        print_json(found)
    else:
        for name in found["production"]:
            own = [version for version in found["versions"] if version["product"] == name]
            print_lines(_version_lines(name, own))
        print_lines([f"problem: {problem}" for problem in found["problems"]], style="red")
    if found["problems"]:
        raise typer.Exit(1)


def read_registry(project: Path, product: str = "") -> ShownRegistry:
    """Read the versions of one product, or of all of them.

    Raises
    ------
    SignalboxError
        If ``release.yaml`` has no such product, or the ledger cannot be read.
    """
    from pipelines.release.lifecycle import problems
    from pipelines.release.registry import versions

    found = ShownRegistry(production={}, versions=[], problems=[])
    for name in _named(project, product):
        own = [
            ShownVersion(
                product=name,
                version=version.version,
                commit=version.commit,
                tag=version.tag,
                time=version.time,
                anchor=version.anchor,
                stages=list(version.stages),
            )
            for version in versions(project, name)
        ]
        found["production"][name] = next(
            (version["version"] for version in own if "production" in version["stages"]), None
        )
        found["versions"] += own
        # What is wrong with the ledger is wrong for every product: it is said once.
        found["problems"] += [
            text for text in problems(project, name) if text not in found["problems"]
        ]
    return found


def _named(project: Path, product: str) -> list[str]:
    """Return the product that is named, else all of the project."""
    from pipelines.release.registry.read import load_product, product_names

    if not product:
        return product_names(project)
    load_product(project, product)
    return [product]


def _version_lines(product: str, known: list[ShownVersion]) -> list[str]:
    if not known:
        return [f"{product}: nothing has been released yet"]
    now = next((v["version"] for v in known if "production" in v["stages"]), "")
    lines = [f"{product}: {f'{now} is in production' if now else 'nothing is in production'}"]
    for version in known:
        time = datetime.fromtimestamp(version["time"], UTC)
        stages = f", in {', '.join(version['stages'])}" if version["stages"] else ""
        anchor = "" if version["anchor"] else ", not anchored in the ledger"
        lines.append(
            f"  {version['version']:<8} {time:%Y-%m-%d %H:%M} UTC, commit "
            f"{version['commit'][:12]}{stages}{anchor}"
        )
    return lines


class Repaired(TypedDict):
    """What ``registry repair --json`` prints: one sentence for each thing that was done."""

    repaired: list[str]


@registry.command("repair")
def repair_registry(
    product: Products = "", project: Project = Path(), as_json: AsJson = False
) -> None:
    """Finish a release or rollback that was interrupted between ledger, tags and pointer.

    Example: signalbox registry repair
    """
    from pipelines.release.lifecycle import repair

    with one_line_errors():
        said = [text for name in _named(project, product) for text in repair(project, name)]
    if as_json:
        print_json(Repaired(repaired=said))
        return
    print_lines(said or ["nothing was interrupted"])


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
    warnings = [f"warning: {warning}" for warning in made.warnings]
    print_lines(warnings, style="yellow", console=Console(stderr=True))
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
        lines += ["commit what changed:", f"  git add ledger {made.pointer} && git commit"]
    print_lines(lines)


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
    as_json: AsJson = False,
) -> None:
    """Answer a release's question in Airflow, with the login of the project's own Airflow.

    Example: signalbox answer model_release --approve --reason "report read"
    """
    console = Console(stderr=as_json)
    with one_line_errors(), work_for(project):
        from pipelines.cli.release_run import answer_waiting

        done = answer_waiting(console, product, run, approve=approve, reason=reason)
        if as_json:
            print_json(done)


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
    """Score a table with the model in production; write predictions with reasons.

    Example: signalbox score --input data/new.parquet --name march
    """
    from pipelines.mlops.scoring.record import FOLDER, describe, predictions_path
    from pipelines.mlops.scoring.score import score_input

    with one_line_errors():
        record = score_input(project, input_, name, reasons=reasons)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    print_lines([describe(record), str(predictions_path(project / FOLDER, record.name))])


def monitor(
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day to look at, UTC; default: until now."),
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Measure what was scored and how it turned out; alarms go to the ledger.

    Example: signalbox monitor --date 2026-03-31
    """
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
    print_lines(describe(result).splitlines())

"""``signalbox rules``: publish released noise rules, look at them, take one out, run known fixes.

Exit codes: 0 done (``status``: nothing is wrong); 1 refused, or something is wrong; 2 wrong usage.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

import typer

from pipelines.cli.console import AsJson, Project, one_line_errors, print_json, print_lines

if TYPE_CHECKING:
    from pipelines.aiops.alerting.publishing import Published
    from pipelines.aiops.params import AiopsParams

Who = Annotated[str, typer.Option(help="Who asks for it; goes to the ledger.")]
Reason = Annotated[str, typer.Option(help="Why; goes to the ledger.")]
Merge = Annotated[
    bool, typer.Option("--merge", help="Merge into files that changed since the export.")
]
Unjudged = Annotated[
    bool,
    typer.Option(
        "--unjudged", help="Don't replay the files on the newest history; needs a reason."
    ),
]
Today = Annotated[
    str, typer.Option(help="Day that expiry is compared with, YYYY-MM-DD; empty = today.")
]

app = typer.Typer(help="Alert rules in production.", no_args_is_help=True)


@app.command("publish")
def publish_rules(
    *,
    who: Who = "",
    reason: Reason = "",
    merge: Merge = False,
    readmit: Annotated[
        list[str] | None, typer.Option(help="A withdrawn rule that may come back.")
    ] = None,
    today: Today = "",
    project: Project = Path(),
    unjudged: Unjudged = False,
    as_json: AsJson = False,
) -> None:
    """Write the released rules to the files that Alertmanager and Prometheus read.

    With aiops.export_rules.publish.shadow it writes none of them and says what it would do.

    Example: signalbox rules publish --who alice
    """
    from pipelines.aiops.alerting.publishing import judging_of, publish

    with one_line_errors():
        _require_reason(reason, unjudged=unjudged)
        params = _params(project)
        done = publish(
            project,
            params.export_rules,
            today=_day(today),
            who=who,
            reason=reason,
            merge_changed=merge,
            readmit=readmit or [],
            judging=None if unjudged else judging_of(project, params),
        )
        _show(done, as_json)


class RulesDiff(TypedDict):
    """What ``rules diff --json`` prints; rules that are left out, and changed files, with why."""

    release: str
    changed: dict[str, str]
    expired: dict[str, str]
    withdrawn: dict[str, str]
    unplaced: dict[str, str]
    shadow: bool
    diff: str


@app.command("diff")
def diff_rules(today: Today = "", project: Project = Path(), as_json: AsJson = False) -> None:
    """Show what publishing would change; nothing is written.

    Example: signalbox rules diff
    """
    from pipelines.aiops.alerting.publishing import make_plan
    from pipelines.aiops.alerting.publishing.released import released_rules
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        plan = make_plan(
            released_rules(project),
            Ledger.of(project).entries(),
            _params(project).export_rules,
            today=_day(today),
        )
    facts = RulesDiff(
        release=plan.released.name,
        changed=dict(plan.changed),
        expired=dict(plan.expired),
        withdrawn=dict(plan.withdrawn),
        unplaced=dict(plan.unplaced),
        shadow=plan.shadow,
        diff=plan.diff,
    )
    if as_json:
        print_json(facts)
        return
    print_lines(plan.diff.splitlines() or ["nothing would change"], wrap=False)
    print_lines(_left_out(dict(facts)))
    print_lines([f"{_SHADOW_ON}: 'publish' writes none of this"] if plan.shadow else [])
    print_lines([f"changed: {path}: {why}" for path, why in plan.changed.items()])


class WithdrawnRule(TypedDict):
    """What ``rules withdraw --json`` prints; `publication` is null where nothing was published."""

    rule: str
    publication: dict[str, Any] | None


@app.command("withdraw")
def withdraw_rule(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    *,
    reason: Reason = "",
    who: Who = "",
    merge: Merge = False,
    today: Today = "",
    project: Project = Path(),
    unjudged: Unjudged = False,
    as_json: AsJson = False,
) -> None:
    """Take one rule out of the published files and of what is in shadow, and keep it out.

    Example: signalbox rules withdraw hold-1a2b3c --reason "hid an incident" --who alice
    """
    from pipelines.aiops.alerting.publishing import judging_of, withdraw

    with one_line_errors():
        _require_reason(reason, unjudged=unjudged)
        params = _params(project)
        done = withdraw(
            project,
            params.export_rules,
            rule,
            reason=reason,
            who=who,
            today=_day(today),
            merge_changed=merge,
            judging=None if unjudged else judging_of(project, params, harm=True),
        )
    if as_json:
        facts = None if done is None else done.model_dump(mode="json")
        print_json(WithdrawnRule(rule=rule, publication=facts))
    elif done is not None:
        _show(done, as_json=False)
    else:
        print_lines([f"{rule} is withdrawn; nothing was published yet, so no file changed"])


class RulesStatus(TypedDict):
    """What ``rules status --json`` prints; `files` by path, `withdrawn` by rule with why."""

    released: str | None
    published: str | None
    files: dict[str, str]
    rules: list[dict[str, Any]]
    shadow: dict[str, Any] | None
    withdrawn: dict[str, str]
    problems: list[str]


@app.command("status")
def rules_status(today: Today = "", project: Project = Path(), as_json: AsJson = False) -> None:
    """Show what is published or in shadow, and what is not as it should be.

    Example: signalbox rules status
    """
    from pipelines.aiops.alerting.publishing import status

    with one_line_errors():
        own = _params(project).export_rules
        found = status(project, own, today=_day(today))
    if as_json:
        print_json(found)
    else:
        lines = [f"released:  {found['released'] or 'nothing'}"]
        lines += [f"published: {found['published'] or 'nothing'}"]
        lines += [f"{path}: {state}" for path, state in found["files"].items()]
        lines += [f"{r['id']} (until {r['expires']}): {r['sentence']}" for r in found["rules"]]
        lines += _trial(found["shadow"], on=own.publish.shadow)
        lines += [f"withdrawn: {rule}: {why}" for rule, why in found["withdrawn"].items()]
        print_lines(lines)
        print_lines([f"problem: {problem}" for problem in found["problems"]], style="red")
    if found["problems"]:
        raise typer.Exit(1)


def _params(project: Path) -> "AiopsParams":
    from pipelines.aiops.params import load_aiops_params

    return load_aiops_params(project)


def _require_reason(reason: str, *, unjudged: bool) -> None:
    from pipelines.core.errors import SignalboxError

    if unjudged and not reason.strip():
        raise SignalboxError("--unjudged needs a reason (--reason); nothing was written")


def _day(text: str) -> date:
    from pipelines.core.errors import SignalboxError

    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SignalboxError(f"--today {text!r}: use YYYY-MM-DD") from None


_SHADOW_ON: Final = "params.yaml: aiops.export_rules.publish.shadow is on"


def _trial(shadow: dict[str, Any] | None, *, on: bool) -> list[str]:
    """Say what is in shadow, since when, and what 'publish' would do next."""
    if shadow is None:
        return [f"in shadow: nothing yet; {_SHADOW_ON}: 'publish' writes no file"] if on else []
    since = shadow["since"][:16].replace("T", " ")
    lines = [f"in shadow since {since} UTC: {shadow['release']}; no file holds it"]
    lines += [f"{r['id']} (until {r['expires']}): {r['sentence']}" for r in shadow["rules"]]
    lines += _would_do(shadow["judged"])
    off = "aiops.export_rules.publish.shadow is off: the next 'publish' ends the trial and writes"
    return lines if on else [*lines, f"params.yaml: {off}"]


def _would_do(judged: dict[str, Any]) -> list[str]:
    """Say what the newest history says of rules in shadow."""
    if "figures" not in judged:
        return [f"what it would do is unknown: {judged['why']}"]
    found = {name.partition(".")[2]: value for name, value in judged["figures"].items()}
    first, last = judged["window"]
    share = found["saved_share"]
    saved = "no page is sent today" if share is None else f"{share:.0%} of pages would be saved"
    late = f"{found['late_15m_share'] or 0:.0%} told more than 15 minutes later"
    return [
        f"from {first} to {last}: {saved}; of {found['credible_incidents']:.0f} credible "
        f"incidents {found['missed']:.0f} would be missed and {late}",
        *(f"would be refused: {sentence}" for sentence in judged.get("refused", [])),
    ]


def _show(done: "Published", as_json: bool) -> None:
    facts = done.model_dump(mode="json")
    if as_json:
        print_json(facts)
        return
    where = " in shadow, nothing was written" if done.shadow else ""
    lines = [f"{done.release}: {len(done.rules)} rules{where}; ledger entry {done.entry}"]
    if done.shadow:
        lines += [f"would be written ('rules diff' shows how): {path}" for path in done.would_write]
        lines += _would_do(done.judged)
    else:
        lines += [f"written: {path}" for path in done.files] or ["all files held it already"]
    lines += [f"put right after an interruption: {path}" for path in done.recovered]
    lines += [f"reloaded: {done.reload}"] if done.reload else []
    to_do = ["commit what changed:", "  git add ledger && git commit"]
    print_lines([*lines, *_left_out(facts), *to_do])


def _left_out(facts: dict[str, Any]) -> list[str]:
    words = (("expired", "left out"), ("withdrawn", "left out, withdrawn"), ("unplaced", "by hand"))
    return [f"{said}: {rule}: {why}" for key, said in words for rule, why in facts[key].items()]


@app.command("remediate")
def remediate(
    *,
    effect: Annotated[
        bool, typer.Option("--effect", help="Show what remediations did so far; start nothing.")
    ] = False,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Run known fixes for alerts that fire now, as params.yaml: aiops.remediation allows.

    Example: signalbox rules remediate --effect
    """
    from pipelines.aiops.alerting.remediation.run import effects, respond

    with one_line_errors():
        params = _params(project)
        if effect:
            _show_effects(effects(project, params), as_json)
            return
        found = respond(project, params, trigger=_trigger())
    if as_json:
        print_json(found)
        return
    print_lines(
        [f"{outcome['outcome']}: {outcome['alert']}: {outcome['message']}" for outcome in found]
    )
    print_lines([f"  {line}" for outcome in found for line in outcome["output"].splitlines()])
    print_lines([] if found else ["no alert with a known fix fires"])


def _trigger() -> Any:
    """Return what starts DAGs: the Airflow that ``signalbox ui`` runs; None if none does."""
    from pipelines.cli.airflow_api import AirflowApi
    from pipelines.cli.airflow_stack import running

    stack = running()
    return None if stack is None else AirflowApi(stack.address).trigger


def _show_effects(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for row in found["effects"]:
        said = f"{row['action']} under {row['rule']}: {row['ended']} of {row['n']} ended in time"
        if row["difference"] is None:
            print_lines([f"{said}; {row['missing']}"])
            continue
        print_lines(
            [
                f"{said}; untreated: {row['control_share']:.0%} of {row['controls']}; difference "
                f"{row['difference']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%})"
            ]
        )
    print_lines([] if found["effects"] else ["no remediation was executed yet"])

"""Each product: what is in production, versions, decisions, questions, runs to compare."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.ledger.describe import approved_by, describe
from pipelines.release.lifecycle import (
    Choice,
    Standing,
    choices,
    reports_of,
    standing,
    title_of,
    waiting,
)
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.lifecycle.production import steps
from pipelines.release.registry.read import load_product, product_names
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Column,
    Facts,
    Fold,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    paged,
    strong,
)
from pipelines.reporting.numbers import NONE
from signalbox_airflow.pages.access import Project, Sees, User, require, respond
from signalbox_airflow.pages.layout import ago, draw, link, page, shortened, when
from signalbox_airflow.pages.questions import question_line, verdict
from signalbox_airflow.report_page import headers

DECISIONS = ("gate", "approval", "override", "rejection", "refusal", "release", "rollback")
_LAST = 12

router = APIRouter()


@router.get("/releases")
def show(project: Project, sees: Sees, user: User) -> HTMLResponse:
    """Answer with all products that the reader may see."""
    now = datetime.now(UTC)
    entries = Ledger.of(project).history()
    shown = [name for name in product_names(project) if sees(name)]
    parts = [_product(project, name, entries, user, now) for name in shown]
    nothing = Markup("") if parts else draw(Prose("You may see no product’s DAG."))
    ledger = draw(Prose(join(_ledger_state(project), " ", link("/ledger", "The ledger"))))
    return respond(page("Releases", "releases", Markup("\n").join([ledger, *parts, nothing])))


@router.get("/report/{product}/{commit}/{file}")
def report(project: Project, sees: Sees, product: str, commit: str, file: str) -> Response:
    """Answer with a page that a released or judged commit's run wrote."""
    require_product(project, sees, product)
    if commit not in {choice.commit for choice in choices(project, product)}:
        raise HTTPException(404, f"No version and no judged run of {product} is that commit.")
    known = {Path(page.path).name: page.path for page in reports_of(project, product, commit)}
    if file not in known:
        raise HTTPException(404, f"That commit has no such page; it has {', '.join(known)}.")
    try:
        content = CommitFiles(project, commit).read(known[file])
    except SignalboxError as error:
        raise HTTPException(404, str(error)) from None
    return HTMLResponse(content, headers=headers())


def require_product(project: Path, sees: Sees, product: str) -> None:
    """Stop where ``release.yaml`` names no such product, or the reader may not see its DAG.

    Raises
    ------
    HTTPException
        404 or 403.
    """
    known = product_names(project)
    if product not in known:
        raise HTTPException(404, f"There is no product of that name; there are {', '.join(known)}.")
    require(sees, product)


def report_link(product: str, commit: str, path: str, text: Text) -> Markup:
    """Link to a page that a commit's run wrote."""
    return link(f"/report/{quote(product)}/{commit}/{quote(Path(path).name)}", text)


def _ledger_state(project: Path) -> Text:
    found = Ledger.of(project).verify_with_tags()
    if found.problem is None:
        return f"The ledger’s {found.entries:,} entries hold."
    return join(strong(f"The ledger doesn’t hold from entry {found.problem.seq} on"), ": ",
                found.problem.reason)  # fmt: skip


def _product(project: Path, product: str, entries: list[Entry], user: str, now: datetime) -> Markup:
    stands = standing(project, product)
    known = choices(project, product)
    questions = [q for q in waiting(project, now) if q.product == product]
    blocks: list[Block] = [_stands(stands, now)]
    blocks += [Callout("bad", "Not in agreement", text) for text in stands.problems]
    if questions:
        blocks.append(Items([question_line(question, user, now) for question in questions]))
    blocks += _versions(project, product, entries, known, stands)
    blocks += _runs(project, product, [choice for choice in known if not choice.version], stands)
    section = draw(Section(product, title_of(product), blocks))
    return Markup("\n").join(
        [
            section,
            _form(product, known, stands.version),
            draw(_decisions(project, entries, product)),
        ]
    )


def _stands(stands: Standing, now: datetime) -> Block:
    if not stands.version:
        last = stands.last_run
        why: Text = "No run has been judged yet; trigger the DAG."
        if last is not None:
            why = join(
                "The last judged run, of ", when(last.time), ": ", verdict(last.verdict),
                f"; failed: {', '.join(last.failed)}" if last.failed else "", ".",
            )  # fmt: skip
        return Callout("info", "Nothing is in production", why)
    return Facts(
        [
            ("In production", strong(stands.version)),
            ("Since", ago(stands.since, now)),
            ("By", stands.how),
            ("Before it", stands.replaces or "nothing"),
            ("Commit", shortened(stands.commit)),
        ]
    )


def _versions(
    project: Path, product: str, entries: list[Entry], known: list[Choice], stands: Standing
) -> list[Block]:
    made = {step.version: (entry, step) for entry, step in steps(entries, product)
            if entry.kind == "release"}  # fmt: skip
    rows = []
    for choice in known:
        if not choice.version:
            continue
        entry, step = made.get(choice.version, (None, None))
        by = approved_by(step.approval) if step else ""
        rows.append(
            Row(
                [
                    _version(choice.version, stands.version),
                    when(entry.time if entry else choice.time),
                    verdict(choice.verdict),
                    by or NONE,
                    _report(project, product, choice),
                    _beside(product, choice, stands),
                ],
                strong=choice.version == stands.version,
            )
        )
    if not rows:
        return []
    columns = [Column("Version"), Column("Released (UTC)"), Column("Gate"), Column("Approved by"),
               Column("Report"), Column("Compare")]  # fmt: skip
    return paged(Table("Versions, the newest first", columns, rows))


def _runs(project: Path, product: str, runs: list[Choice], stands: Standing) -> list[Block]:
    if not runs:
        return []
    rows = [
        Row(
            [_run_name(choice), when(choice.time), verdict(choice.verdict),
             _report(project, product, choice), _beside(product, choice, stands)]
        )
        for choice in runs
    ]  # fmt: skip
    columns = [Column("Run", wide=True), Column("Judged (UTC)"), Column("Gate"), Column("Report"),
               Column("Compare")]  # fmt: skip
    return paged(Table("Judged runs that were not released, the newest first", columns, rows))


def _version(version: str, now: str) -> Text:
    return join(version, Markup("<br>in production")) if version == now else version


def _run_name(choice: Choice) -> Text:
    run = choice.name.partition("/")[2]
    return run or join("commit ", shortened(choice.commit))


def _report(project: Path, product: str, choice: Choice) -> Text:
    path = load_product(project, product).report
    return report_link(product, choice.commit, path, "report") if path else NONE


def _beside(product: str, choice: Choice, stands: Standing) -> Text:
    if not stands.version or choice.version == stands.version:
        return NONE
    query = {"a": stands.version, "b": choice.name}
    return link(f"/releases/{quote(product)}/compare", f"with {stands.version}", **query)


def label_of(choice: Choice) -> str:
    """Name a version or run in a list to choose from."""
    what = choice.version or choice.name.partition("/")[2] or f"commit {choice.commit[:12]}"
    return f"{what}, {choice.verdict or 'not judged'}, {when(choice.time)}"


def choice_form(product: str, known: list[Choice], a: str = "", b: str = "") -> Markup:
    """Draw the form that asks for two versions to compare."""
    option = Markup('<option value="{}"{}>{}</option>')

    def select(name: str, text: str, chosen: str) -> Markup:
        options = Markup("").join(
            option.format(
                choice.name,
                Markup(" selected") if choice.name == chosen else "",
                label_of(choice),
            )
            for choice in known
        )
        label = Markup('<label for="{0}-{1}">{2}</label>').format(product, name, text)
        field = Markup('<select id="{0}-{1}" name="{1}">{2}</select>').format(
            product, name, options
        )
        return Markup("<div>{}{}</div>").format(label, field)

    return Markup(
        '<form class="choose" method="get" action="{}">{}{}<button>Compare</button></form>'
    ).format(
        f"/signalbox/releases/{quote(product)}/compare",
        select("a", "First", a),
        select("b", "Second", b),
    )


def _form(product: str, known: list[Choice], production: str) -> Markup:
    if len(known) < 2:
        return Markup("")
    newest = sorted(known, key=lambda choice: choice.time, reverse=True)
    first = production or newest[1].name
    second = next(choice.name for choice in newest if choice.name != first)
    return Markup("<h3>{}</h3>{}").format(
        "Two versions side by side", choice_form(product, known, first, second)
    )


def _decisions(project: Path, entries: list[Entry], product: str) -> Block:
    report = load_product(project, product).report or ""
    mine = [entry for entry in entries if entry.subject == product and entry.kind in DECISIONS]
    lines = [
        join(Markup('<span class="when">{}</span> ').format(when(entry.time)),
             describe(entry, report))
        for entry in reversed(mine[-_LAST:])
    ]  # fmt: skip
    if not lines:
        return Prose("Nothing was decided yet.", quiet=True)
    title = "The last decision" if len(lines) == 1 else f"The last {len(lines)} decisions"
    return Fold(title, [Items(lines)])

"""The ledger: whether it holds, and its last entries as sentences."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.release.ledger import KINDS, Entry, Ledger, Verification
from pipelines.release.ledger.describe import describe
from pipelines.release.lifecycle import title_of
from pipelines.release.registry.read import product_names, reports
from pipelines.reporting.blocks import (
    Block,
    Column,
    Facts,
    Items,
    Prose,
    Row,
    Table,
    code,
    join,
    paged,
    strong,
)
from pipelines.reporting.page import Banner
from signalbox_airflow.pages.access import Project, Sees, respond
from signalbox_airflow.pages.layout import banner, draw, page, shortened, when

_SHOWN = 50
Last = Annotated[int, Query(ge=1, le=5000)]

router = APIRouter()


@router.get("/ledger")
def show(project: Project, sees: Sees, kind: str = "", last: Last = _SHOWN) -> HTMLResponse:
    """Answer with the ledger's state and its last entries."""
    if kind and kind not in KINDS:
        raise HTTPException(
            404, f"The ledger has no entries of that kind: {', '.join(sorted(KINDS))}."
        )
    ledger = Ledger.of(project)
    state = ledger.verify_with_tags()
    blocks: list[Block] = []
    if state.notes:
        blocks.append(Items(state.notes))
    if state.problem is None:
        hidden = {name for name in product_names(project) if not sees(name)}
        entries = [entry for entry in ledger.entries() if entry.subject not in hidden]
        chosen = [entry for entry in entries if kind in ("", entry.kind)]
        blocks += [_facts(state, entries), *_table(chosen[-last:], len(chosen), reports(project))]
        form = _form(sorted({entry.kind for entry in entries}), kind, last)
    else:
        form = Markup("")
        blocks.append(Prose("Entries are shown once they hold: signalbox ledger show prints them."))
    body = Markup("\n").join([banner(_banner(state)), form, draw(*blocks)])
    return respond(page("Ledger", "ledger", body))


def _banner(state: Verification) -> Banner:
    if state.problem is None:
        said = [f"{state.entries:,} entries, each signed and chained to the one before it."]
        return Banner("The ledger holds" if state.entries else "No entry yet", "good", said)
    problem = state.problem
    return Banner(
        f"Entry {problem.seq} doesn’t hold",
        "bad",
        [
            f"Line {problem.line} of ledger/ledger.jsonl: {problem.reason}.",
            f"{state.entries:,} entries before it hold. Restore the file from git, and find out "
            "who changed it.",
        ],
    )


def _facts(state: Verification, entries: list[Entry]) -> Block:
    last = when(entries[-1].time) if entries else "–"
    return Facts([("Last entry (UTC)", last), ("Head", shortened(state.head, 16)),
                  ("Keys", f"{len(state.keys)}"),
                  ("To verify by hand", code("signalbox ledger verify"))])  # fmt: skip


def _table(entries: list[Entry], known: int, products: dict[str, str]) -> list[Block]:
    if not entries:
        return [Prose("There are no entries to show.")]
    rows = [
        Row(
            [
                join(when(entry.time), Markup('<br><span class="quiet">{}</span>').format(
                    f"entry {entry.seq:,}")),
                join(strong(entry.kind.replace("_", " ")), " · ", title_of(entry.subject), ": ",
                     describe(entry, products.get(entry.subject, ""))),
            ]
        )
        for entry in reversed(entries)
    ]  # fmt: skip
    columns = [Column("Time (UTC)"), Column("What happened", wide=True)]
    caption = f"The last {len(rows)} of {known:,} entries, the newest first"
    return paged(Table(caption, columns, rows))


def _form(kinds: list[str], kind: str, last: int) -> Markup:
    option = Markup('<option value="{0}"{1}>{2}</option>')
    selected = Markup(" selected")
    choices = [option.format("", "", "all kinds")] + [
        option.format(name, selected if name == kind else "", name.replace("_", " "))
        for name in kinds
    ]
    counts = [option.format(number, selected if number == last else "", f"last {number}")
              for number in sorted({_SHOWN, 200, 1000, last})]  # fmt: skip
    field = Markup(
        '<div><label for="{0}">{1}</label><select id="{0}" name="{0}">{2}</select></div>'
    )
    return Markup(
        '<form class="choose" method="get" action="/signalbox/ledger">{}{}'
        "<button>Show</button></form>"
    ).format(
        field.format("kind", "Kind of entry", Markup("").join(choices)),
        field.format("last", "How many", Markup("").join(counts)),
    )

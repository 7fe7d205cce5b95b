"""The compliance report: what is asked, what shows it, what is missing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from pipelines.mlops.compliance import ai_act, gdpr, hiring, ledger_chapters
from pipelines.mlops.compliance.facts import LEDGER, day
from pipelines.mlops.compliance.facts import Facts as Found
from pipelines.mlops.compliance.gdpr import Privacy
from pipelines.mlops.compliance.requirement import (
    PARAPHRASED,
    RANK,
    Check,
    Law,
    Requirement,
    Status,
    badge,
    mark_of,
)
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Facts,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    Tone,
    code,
    join,
    link,
    stated,
    strong,
)
from pipelines.reporting.index import hash_text
from pipelines.reporting.page import Banner, Page

SCHEMA = "signalbox.compliance/1"
SHOWN = 50
"""Old files on the page; all of them stand in the JSON."""
DISCLAIMER = (
    "This is no legal advice and no statement that a law is complied with. “Met” means: the "
    f"artifacts that Signalbox looks for are there. {PARAPHRASED} The law's own words are at the "
    "link of each chapter."
)


def laws(found: Found, privacy: Privacy) -> list[Law]:
    """Hold the project against every text."""
    return [
        ai_act.annex_iv(found),
        ai_act.articles(found),
        gdpr.law(found, privacy),
        hiring.local_law(found),
        hiring.four_fifths(found),
    ]


def make_page(
    found: Found, privacy: Privacy, kpis: Sequence[ledger_chapters.ReportedKpi] = ()
) -> Page:
    """Summary first, then a chapter a law, decisions, KPIs, the record, and the artifacts."""
    laws_checked = laws(found, privacy)
    more = {hiring.LOCAL_LAW: hiring.tables(found)}
    report = found.params.report
    return Page(
        kind="Compliance report",
        title=report.title,
        banner=_banner(laws_checked),
        facts=Facts(
            [
                ("Purpose", stated(report.purpose)),
                ("Not for", report.not_for),
                ("Owner", stated(report.owner)),
                ("Use", found.use.description),
                ("As of", _as_of(found)),
            ]
        ),
        notice=report.notice,
        chapters=[
            _crosswalk(laws_checked),
            *(_chapter(law, more.get(law.anchor, ())) for law in laws_checked),
            ledger_chapters.decisions(found.entries),
            ledger_chapters.kpis(kpis),
            _record(privacy),
            _minimum(privacy),
            _artifacts(found),
        ],
        foot=join(
            DISCLAIMER,
            " The same content for machines: ",
            code("reports/compliance.json"),
            ". Dates come from the ledger; the same inputs give the same bytes.",
        ),
    )


def make_record(
    found: Found, privacy: Privacy, kpis: Sequence[ledger_chapters.ReportedKpi] = ()
) -> dict[str, Any]:
    """Say the same to a program."""
    laws_checked = laws(found, privacy)
    return {
        "schema": SCHEMA,
        "kind": "compliance",
        "title": found.params.report.title,
        "as_of": _as_of(found),
        "counts": counts(laws_checked),
        "decisions": asdict(found.decisions),
        "use": asdict(found.use),
        "requirements": [
            {
                "id": r.id,
                "law": law.title,
                "text": law.text,
                "place": r.source,
                "title": r.title,
                "asks": r.asks,
                "status": r.status,
                "judgement": r.judgement,
                "checks": [
                    {
                        "shown": Markup(check.shown).striptags(),
                        "found": check.found,
                        "refuted": check.refuted,
                        "artifacts": list(check.paths),
                    }
                    for check in r.checks
                ],
            }
            for law in laws_checked
            for r in law.requirements
        ],
        "record_of_processing": [
            {
                "place": line.article,
                "term": line.term,
                "text": Markup(line.text).striptags(),
                "given": line.given,
            }
            for line in privacy.record
        ],
        "special_categories": [{"column": column, "use": use} for column, use in privacy.special],
        "idle_inputs": [{"column": column, "why": why} for column, why in privacy.idle],
        "kept_too_long": [
            {"store": store, "path": path, "days": days, "limit": limit}
            for store, path, days, limit in privacy.kept_too_long
        ],
        "kpis": [dict(kpi.facts) for kpi in kpis],
        "artifacts": dict(sorted(found.hashes.items())),
    }


def counts(laws_checked: Sequence[Law]) -> dict[str, int]:
    """Count requirements by status."""
    every = [r.status for law in laws_checked for r in law.requirements]
    return {status: every.count(status) for status in RANK}


def _banner(laws_checked: Sequence[Law]) -> Banner:
    number = counts(laws_checked)
    total = sum(number.values())
    red = number["missing"] + number["not met"]
    tone: Tone = "bad" if red else "open" if number["partly"] else "good"
    return Banner(
        verdict=f"Evidence for {number['met']} of {total} requirements",
        tone=tone,
        sentences=[
            f"{number['partly']} are shown in part, {number['missing']} have no evidence at all, "
            f"and for {number['not met']} the evidence says that they are not kept. What is "
            "missing is named below, in red.",
            DISCLAIMER,
        ],
    )


def _as_of(found: Found) -> str:
    if not found.entries:
        return "no ledger, so no date"
    last = found.entries[-1]
    return f"{day(last)}, entry {last['seq']} of the ledger"


def _crosswalk(laws_checked: Sequence[Law]) -> Chapter:
    rows = [
        Row(
            [
                link(r.id, r.title),
                badge(r.status),
                f"{sum(check.found for check in r.checks)} of {len(r.checks)}",
                join(law.short.partition(",")[0], ", ", r.source),
            ]
        )
        for law in laws_checked
        for r in law.requirements
    ]
    summary = [
        Row([link(law.anchor, law.title), *(numbers.count(_number(law, s)) for s in RANK)])
        for law in laws_checked
    ]
    return Chapter("crosswalk", "Requirement, evidence, status", [
        Table(
            "By law",
            [Column("Law"), *(Column(s.capitalize(), numeric=True) for s in RANK)],
            summary,
        ),
        Table(
            "By requirement",
            [
                Column("Requirement"),
                Column("Status"),
                Column("Evidence", numeric=True),
                Column("Asked for in", wide=True),
            ],
            rows,
            note="A status follows from the evidence alone: all found is met, some is partly, none "
            "is missing; not met is where evidence says the opposite.",
        ),
    ], short="Crosswalk")  # fmt: skip


def _number(law: Law, status: Status) -> int:
    return sum(r.status == status for r in law.requirements)


def _chapter(law: Law, more: Sequence[Block]) -> Chapter:
    blocks: list[Block] = [
        Prose(join(law.applies, " Text: ", code(law.text))),
        *(_section(r) for r in law.requirements),
        *more,
    ]
    return Chapter(law.anchor, law.title, blocks, law.short)


def _section(requirement: Requirement) -> Section:
    blocks: list[Block] = [
        Prose(join(badge(requirement.status), " – ", requirement.source, ": ", requirement.asks)),
        Items([_line(check) for check in requirement.checks]),
    ]
    if requirement.judgement:
        blocks.append(
            Prose(join(strong("Engineering judgement, not law: "), requirement.judgement), True)
        )
    return Section(requirement.id, requirement.title, blocks)


def _line(check: Check) -> Text:
    where = Markup(", ").join(code(path) for path in check.paths)
    return join(mark_of(check), " ", check.shown, join(" (", where, ")") if where else "")


def _record(privacy: Privacy) -> Chapter:
    red = [line for line in privacy.record if not line.given]
    blocks: list[Block] = [
        Prose(
            "Generated from params.yaml, release.yaml (section privacy) and the artifacts. A "
            "controller has more processing than this pipeline; this is its line in their record."
        )
    ]
    if red:
        blocks.append(
            Callout("bad", "Not stated", ", ".join(f"{line.term} ({line.article})" for line in red))
        )
    blocks.append(
        Table(
            "Record of processing activities",
            [Column("Asked for"), Column("Art. 30"), Column("Entry", wide=True)],
            [
                Row([line.term, line.article, line.text if line.given else _missing(line.text)])
                for line in privacy.record
            ],
        )
    )
    if privacy.special:
        blocks.append(
            Table(
                "Columns marked as special categories (Art. 9)",
                [Column("Column"), Column("What it is used for", wide=True)],
                [Row([code(column), use]) for column, use in privacy.special],
            )
        )
    return Chapter("record", "Record of processing (GDPR Art. 30)", blocks, "Article 30 record")


def _missing(text: Text) -> Text:
    return join(badge("missing"), " ", text)


def _minimum(privacy: Privacy) -> Chapter:
    return Chapter("minimum", "Data minimisation and retention", [
        Section("idle", "Inputs that add nothing measurable", _idle(privacy)),
        Section("retention", "Retention", _retention(privacy)),
    ], "Minimisation, retention")  # fmt: skip


def _idle(privacy: Privacy) -> list[Block]:
    if not privacy.measured:
        return [Callout("bad", "Not known", "The contribution of inputs was not measured.")]
    if not privacy.idle:
        return [Prose(f"None. {privacy.how}")]
    return [
        Items([join(code(column), ": ", why) for column, why in privacy.idle]),
        Prose(privacy.how, True),
    ]


def _retention(privacy: Privacy) -> list[Block]:
    blocks: list[Block] = []
    if privacy.limits:
        blocks.append(
            Table("Limits", [Column("Store"), Column("Days", numeric=True)],
                  [Row([store, numbers.count(days)]) for store, days in privacy.limits])
        )  # fmt: skip
    if privacy.unlimited:
        blocks.append(Callout("bad", "No limit", ", ".join(privacy.unlimited)))
    if privacy.kept_too_long:
        blocks.append(
            Table(
                "Files older than their limit",
                [Column("File", wide=True), Column("Store"), Column("Days", numeric=True),
                 Column("Limit", numeric=True)],
                [Row([code(path), store, numbers.count(days), numbers.count(limit)])
                 for store, path, days, limit in privacy.kept_too_long[:SHOWN]],
            )
        )  # fmt: skip
        more = len(privacy.kept_too_long) - SHOWN
        if more > 0:
            blocks.append(Prose(f"And {numbers.count(more)} more; the JSON names them all."))
    elif privacy.limits:
        blocks.append(Prose("No file is older than its limit allows."))
    return blocks


def _artifacts(found: Found) -> Chapter:
    rows = [Row([code(path), hash_text(sha)]) for path, sha in sorted(found.hashes.items())]
    note = "" if LEDGER in found.hashes else "There is no entry of the ledger among them."
    return Chapter("artifacts", "Artifacts that were looked at", [
        Table(f"{len(rows)} artifacts", [Column("Path"), Column("SHA-256")], rows, small=True,
              note=note),
    ], "Artifacts")  # fmt: skip

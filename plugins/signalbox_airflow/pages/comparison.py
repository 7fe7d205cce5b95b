"""Two versions of a product side by side, or runs that were never released."""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from pipelines.core.errors import SignalboxError
from pipelines.release.lifecycle import Comparison, choices, compare_versions, title_of
from pipelines.release.lifecycle.compare import Change, FigureChange, Side
from pipelines.release.registry.read import load_product
from pipelines.reporting.blocks import (
    WORDS,
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
    badge,
    code,
    identifier,
    join,
    name,
    paged,
    strong,
)
from pipelines.reporting.numbers import NONE, count, decimal, figure_interval, figure_value, percent
from pipelines.reporting.page import Banner
from signalbox_airflow.pages.access import Project, Sees, respond
from signalbox_airflow.pages.layout import banner, draw, page, shortened, when, word
from signalbox_airflow.pages.questions import verdict
from signalbox_airflow.pages.releases import choice_form, report_link, require_product

if TYPE_CHECKING:
    from pipelines.mlops.monitoring.predictions import DecisionChanges

MODEL = "model_release"
RULES = "alert_noise_reduction"
FAIRNESS = "bias_audit"
_STAGES = {"evaluate": "Performance on test rows", FAIRNESS: "Fairness", "train": "Training",
           "drift": "Drift", "ingest": "Data as it came in", "validate": "Data after its checks",
           "split": "Split", "replay_rules": "Replay of the rules",
           "select_rules": "Choice of the rules", "alert_history": "Alert history"}  # fmt: skip
_FIRST = ("evaluate", FAIRNESS, "replay_rules")
"""Stages whose figures are shown at once; those of others are folded."""
_AT_ONCE = 15
"""Figures of such a stage before the fold."""
_SECONDS = 180

router = APIRouter()


@router.get("/releases/{product}/compare")
def show(project: Project, sees: Sees, product: str, a: str = "", b: str = "") -> HTMLResponse:
    """Answer with two versions side by side, or with the form that asks for them."""
    require_product(project, sees, product)
    known = choices(project, product)
    form = choice_form(product, known, a, b)
    title = f"{title_of(product)}: two versions side by side"
    if not a or not b:
        return respond(page(title, "releases", form))
    missing = [given for given in (a, b) if given not in {choice.name for choice in known}]
    if missing:
        raise HTTPException(404, f"{product} has no version and no judged run {missing[0]!r}.")
    found = _compared(project, product, a, b, tuple(choice.commit for choice in known))
    report = load_product(project, product).report
    blocks: list[Block] = [_sides(found, report)]
    blocks += [_checks(found), *_decisions(project, found), *_figures(found)]
    blocks += [_params(found), _hashes(found)]
    body = [form, banner(_banner(found)), draw(*blocks)]
    return respond(page(title, "releases", Markup("\n").join(body)))


@lru_cache(maxsize=16)
def _compared(project: Path, product: str, a: str, b: str, commits: tuple[str, ...]) -> Comparison:
    """Compare once: names stand for the same commits as long as `commits` is the same."""
    return compare_versions(project, product, a, b)


@lru_cache(maxsize=16)
def _changed_decisions(project: Path, a: str, b: str) -> "DecisionChanges":
    """Score in a process of its own: the API server needs no scikit-learn, and keeps its memory."""
    from pipelines.mlops.monitoring.predictions import DecisionChanges

    command = [sys.executable, "-m", DecisionChanges.__module__, str(project), a, b]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, env=paths, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SignalboxError(f"scoring the test rows took longer than {_SECONDS} s") from None
    if done.returncode:
        raise SignalboxError((done.stderr.strip().splitlines() or ["no reason was given"])[-1])
    return DecisionChanges.model_validate_json(done.stdout)


def _banner(found: Comparison) -> Banner:
    apart = [change for change in found.figures if change.apart]
    moved = [change for change in found.checks if not change.same]
    if found.a.commit == found.b.commit:
        return Banner("The same commit", "quiet", ["Nothing can differ."])
    said = [
        f"{len(moved)} of {len(found.checks)} checks of the gate with another verdict",
        f"{len(apart)} figures whose intervals have nothing in common",
        f"{len(found.params)} parameters differ",
        f"{sum(not change.same for change in found.artifacts)} of {len(found.artifacts)} "
        "released files differ",
    ]
    return Banner(
        "They differ" if moved or apart or found.params else "Hardly any difference",
        "open" if moved or apart else "quiet",
        ["; ".join(said) + "."],
    )


def _sides(found: Comparison, report: str | None) -> Block:
    def cells(side: Side) -> list[Text]:
        commit = side.commit
        shown = report_link(found.product, commit, report, "report") if report else NONE
        return [_short(side), when(side.time), verdict(side.verdict), shortened(commit), shown]

    first, second = cells(found.a), cells(found.b)
    rows = [
        Row([term, left, right])
        for term, left, right in zip(
            ("Name", "Committed (UTC)", "Gate", "Commit", "Report"), first, second, strict=True
        )
    ]
    return Table("What is compared", [Column(""), Column("First"), Column("Second")], rows)


def _short(side: Side) -> Text:
    return strong(side.version) if side.version else name(side.name.partition("/")[2] or side.name)


def _checks(found: Comparison) -> Block:
    rows = [
        Row(
            [identifier(change.name), _verdict(change.a), _verdict(change.b)],
            strong=not change.same,
        )
        for change in sorted(found.checks, key=lambda change: change.same)
    ]
    columns = [Column("Check"), Column("First"), Column("Second")]
    table = Table("Checks; those that changed first", columns, rows)
    return Section("checks", "The gate’s checks", paged(table))


def _verdict(said: Any) -> Text:
    return badge(said) if said in WORDS else NONE


def _figures(found: Comparison) -> list[Block]:
    stages = dict.fromkeys(change.stage for change in found.figures)
    last = len(_FIRST)
    order = sorted(stages, key=lambda stage: _FIRST.index(stage) if stage in _FIRST else last)
    blocks: list[Block] = []
    for stage in order:
        mine = [change for change in found.figures if change.stage == stage]
        title = _STAGES.get(stage, stage)
        at_once = mine[:_AT_ONCE] if stage in _FIRST else []
        folded = mine[len(at_once) :]
        if at_once:
            blocks.append(_figure_table(f"{title}, with intervals", at_once))
        if folded:
            more = f"{len(folded)} more figures: " if at_once else f"{len(folded)} figures: "
            blocks.append(Fold(more + title, [_figure_table(f"{title}, continued", folded)]))
    return [Section("figures", "Figures", blocks)]


def _figure_table(caption: str, changes: list[FigureChange]) -> Table:
    columns = [Column("Figure", wide=True), Column("First", numeric=True),
               Column("Interval", numeric=True), Column("Second", numeric=True),
               Column("Interval", numeric=True), Column("Change", numeric=True),
               Column("Intervals")]  # fmt: skip
    rows = []
    for change in changes:
        cells: list[Text] = [_figure_name(change)]
        for figure in (change.a, change.b):
            cells += (
                [NONE, NONE] if figure is None else [figure_value(figure), figure_interval(figure)]
            )
        cells.append(_difference(change))
        cells.append(_apart(change))
        rows.append(Row(cells, strong=bool(change.apart)))
    return Table(caption, columns, rows)


def _figure_name(change: FigureChange) -> Text:
    figure = change.b or change.a
    where = ", ".join(f"{key}: {value}" for key, value in figure.where.items()) if figure else ""
    small = Markup('<br><span class="quiet">{}</span>').format(where) if where else ""
    return join(change.label, small)


def _difference(change: FigureChange) -> Text:
    if change.difference is None:
        return NONE
    sign = "+" if change.difference > 0 else ""
    if change.unit == "share":
        return f"{sign}{decimal(change.difference * 100, 2)} points"
    if change.a and change.b and float(change.difference).is_integer():
        return f"{sign}{count(change.difference)}"
    return f"{sign}{decimal(change.difference, 4)}"


def _apart(change: FigureChange) -> Text:
    if change.apart is None:
        return NONE
    return word("open", "apart") if change.apart else "overlap"


def _params(found: Comparison) -> Block:
    rows = [Row([code(change.name), _value(change.a), _value(change.b)]) for change in found.params]
    columns = [Column("Parameter", wide=True), Column("First"), Column("Second")]
    said = paged(Table(f"{len(rows)} parameters differ", columns, rows))
    if not rows:
        said = [Prose("Every parameter of the stages behind the gate has the same value.")]
    return Section("params", "Parameters", said)


def _value(value: Any) -> Text:
    return NONE if value is None else code(value)


def _hashes(found: Comparison) -> Block:
    columns = [Column("Path", wide=True), Column("First (MD5)"), Column("Second (MD5)"), Column("")]

    def table(caption: str, changes: list[Change]) -> list[Block]:
        rows = [
            Row([code(change.name), _hash(change.a), _hash(change.b),
                 "same" if change.same else word("open", "differs")])
            for change in changes
        ]  # fmt: skip
        return paged(Table(caption, columns, rows)) if rows else []

    blocks = [
        *table("What is released", found.artifacts),
        *table("Data and rules that came in from outside", found.data),
        *table("Code that differs", found.code),
    ]
    if not found.code:
        blocks.append(Prose("The code of the stages behind the gate is the same."))
    return Section("hashes", "Data, files and code", blocks)


def _hash(value: Any) -> Text:
    return shortened(value) if value else NONE


def _decisions(project: Path, found: Comparison) -> list[Block]:
    """Say what the second model, or rule set, would decide otherwise."""
    if found.a.commit == found.b.commit:
        return []
    if found.product == RULES:
        return [_rules(project, found)]
    if found.product != MODEL:
        return []
    try:
        changes = _changed_decisions(project, found.a.commit, found.b.commit)
    except SignalboxError as error:
        why = Callout("info", "The models cannot be compared row by row", str(error))
        return [Section("decisions", "What would be decided otherwise", [why])]
    share = (changes.gained + changes.lost) / max(changes.rows, 1)
    facts = Facts(
        [
            ("Test rows", count(changes.rows)),
            ("Decided otherwise", f"{count(changes.gained + changes.lost)} ({percent(share)})"),
            (f"Only the second selects ({changes.positive})", count(changes.gained)),
            ("Only the first selects", count(changes.lost)),
            ("Selected", f"{count(changes.selected_a)} → {count(changes.selected_b)}"),
            ("Threshold", f"{decimal(changes.threshold_a)} → {decimal(changes.threshold_b)}"),
        ]
    )
    blocks: list[Block] = [facts, *([Items(changes.notes)] if changes.notes else [])]
    if changes.groups:
        blocks.append(_groups(changes))
    blocks.append(_sample(changes))
    return [Section("decisions", "What would be decided otherwise", blocks)]


def _rules(project: Path, found: Comparison) -> Block:
    from pipelines.aiops.alerting.publishing.harmful_rules import compare_rules

    changes = compare_rules(project, found.a.commit, found.b.commit)
    blocks: list[Block] = [
        Facts(
            [
                ("Only in the first", count(len(changes.removed))),
                ("Only in the second", count(len(changes.added))),
                ("In both", count(changes.same)),
            ]
        )
    ]
    named = (
        ("Rules that only the first has", changes.removed),
        ("Rules that only the second has", changes.added),
    )
    for caption, rules in named:
        rows = [Row([identifier(rule.id), rule.family, rule.sentence]) for rule in rules]
        columns = [Column("Rule"), Column("Family"), Column("What it does", wide=True)]
        blocks += paged(Table(caption, columns, rows)) if rows else []
    return Section("decisions", "What alerts would meet otherwise", blocks)


def _groups(changes: "DecisionChanges") -> Block:
    few = f"fewer than {changes.least}"
    rows = [
        Row(
            [join(group.feature, ": ", name(group.group)), count(group.rows),
             percent(group.selected_a), percent(group.selected_b),
             few if group.gained is None else count(group.gained),
             few if group.lost is None else count(group.lost)]
        )
        for group in changes.groups
    ]  # fmt: skip
    columns = [Column("Group"), Column("Rows", numeric=True), Column("First selects", numeric=True),
               Column("Second selects", numeric=True), Column("Newly selected", numeric=True),
               Column("No longer selected", numeric=True)]  # fmt: skip
    note = f"{changes.left_out} smaller groups are left out." if changes.left_out else ""
    return Table("By group", columns, rows, note=note)


def _sample(changes: "DecisionChanges") -> Block:
    def decided(score: float, threshold: float) -> Text:
        return strong("selected") if score >= threshold else "not selected"

    rows = []
    for first, second in changes.sample:
        left = decided(first, changes.threshold_a)
        right = decided(second, changes.threshold_b)
        other = (first >= changes.threshold_a) != (second >= changes.threshold_b)
        rows.append(Row([decimal(first), left, decimal(second), right,
                         word("open", "changes") if other else "stays"]))  # fmt: skip
    columns = [Column("First score", numeric=True), Column("First"),
               Column("Second score", numeric=True), Column("Second"),
               Column("Decision")]  # fmt: skip
    note = "Rows are drawn by how far their scores are apart; nothing else of a row is shown."
    return Table("Scores of a sample of test rows under both models", columns, rows, note=note)

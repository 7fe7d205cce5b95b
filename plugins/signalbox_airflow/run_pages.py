"""Pages about a saved run that aren't made by a stage: a stage's evidence, and the run's commit.

Whatever stands on them is from the run's commit and escaped: values come from data, params and
messages that whoever may start a run can write.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pipelines.core.artifacts import EVIDENCE, evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure
from pipelines.core.git import git
from pipelines.core.project import dag_name
from pipelines.release.lifecycle.candidate import GateDecision, read_decision
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.registry.read import ProductParams, load_product
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    WORDS,
    Block,
    Chapter,
    Code,
    Column,
    Facts,
    Fold,
    Items,
    Prose,
    Row,
    Table,
    Text,
    badge,
    code,
    identifier,
    join,
    strong,
)
from pipelines.reporting.page import Banner, Page, render
from signalbox_airflow.saved_runs import address, commit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPEN_FIGURES = 60
"""Figures that a page shows before it folds the rest."""
_OPEN_DETAILS = 12_000
"""Characters of details that a page shows unfolded."""


def evidence_page(project: Path, dag_id: str, run: str, stage: str) -> str:
    """Draw the evidence of a stage of a saved run.

    Raises
    ------
    SignalboxError
        If there is no such run or stage, or the file was changed after its stage made it.
    """
    commit = commit_of(project, dag_id, run)
    files = CommitFiles(project, commit)
    path = evidence_of(stage).as_posix()
    known = stages_with_evidence(files)
    if stage not in known:
        raise SignalboxError(f"run {run} has no evidence of {stage!r}; it has {', '.join(known)}")
    evidence = _parse(files.read(path), path)
    return render(
        Page(
            kind="Evidence",
            title=f"Stage {stage}",
            banner=Banner(
                f"{len(evidence.figures)} figures", "quiet",
                [join("From ", code(path), " of the run’s commit, as its stage made it.")],
            ),
            facts=Facts([*_about(dag_id, run, commit), ("Run and commit", _to_run(dag_id, run))]),
            chapters=[
                Chapter("figures", "Figures", _figures(evidence.figures)),
                Chapter("inputs", "Inputs", [_inputs(evidence.inputs)]),
                Chapter("details", "Details", _details(evidence.details)),
            ],
            foot=join("The same, for machines: ", code(f"git show {commit[:12]}:./dvc.lock"),
                      " names the hash of ", code(path), "."),
        )
    )  # fmt: skip


def run_page(project: Path, dag_id: str, run: str) -> str:
    """Draw what a saved run is: its commit, what was changed for it, and what it made.

    Raises
    ------
    SignalboxError
        If there is no such run, or its commit can't be read.
    """
    commit = commit_of(project, dag_id, run)
    files = CommitFiles(project, commit)
    outs = files.locked()
    product = _product(project, dag_id)
    decision = None if product is None else _decision(project, product, commit)
    return render(
        Page(
            kind="Run",
            title=f"{dag_id}: {run}",
            banner=_banner(decision),
            facts=Facts(_about(dag_id, run, commit)),
            chapters=[
                Chapter(
                    "pages",
                    "Report and evidence",
                    [*_pages(dag_id, run, product, files, outs), *_sentences(decision)],
                ),
                Chapter("commit", "Commit", _commit(project, commit)),
                Chapter("files", "What it made", [_outs(outs)]),
            ],
            foot="A run is saved as a git commit under refs/runs; what is released is a commit.",
        )
    )


def stages_with_evidence(files: CommitFiles) -> list[str]:
    """List the stages whose evidence ``dvc.lock`` of a commit names."""
    paths = (Path(path) for path in files.locked())
    return sorted(path.stem for path in paths if path.parent == EVIDENCE and path.suffix == ".json")


def _parse(raw: bytes, path: str) -> Evidence:
    try:
        return Evidence.model_validate_json(raw)
    except ValueError as error:
        raise SignalboxError(f"{path}: not an evidence file ({error})") from error


def _about(dag_id: str, run: str, commit: str) -> list[tuple[str, Text]]:
    digest = Markup('<span class="hash">{}</span>').format(commit)
    return [("DAG", dag_id), ("Run", run), ("Commit", digest)]


def _to_run(dag_id: str, run: str) -> Text:
    return _to(address(dag_id, run, "commits"), "All of this run")


def _to(href: str, text: Text) -> Markup:
    return Markup('<a href="{}">{}</a>').format(href, text)


def _figures(figures: "Sequence[Figure]") -> list[Block]:
    if not figures:
        return [Prose("This stage measures no figures; what it found stands in its details.")]
    shown = [_figure_table("Figures", figures[:_OPEN_FIGURES])]
    rest = figures[_OPEN_FIGURES:]
    more = f"{len(rest)} more figures"
    return [*shown, *([Fold(more, [_figure_table(more, rest)])] if rest else [])]


def _figure_table(caption: str, figures: "Sequence[Figure]") -> Table:
    return Table(
        caption=caption,
        columns=[
            Column("Figure", wide=True),
            Column("Value", numeric=True),
            Column("Interval", numeric=True),
            Column("n", numeric=True),
            Column("How, or why not", wide=True),
        ],
        rows=[
            Row(
                [
                    join(figure.label, Markup("<br>"), code(figure.id)),
                    numbers.figure_value(figure),
                    join(numbers.figure_interval(figure), " ", numbers.level(figure.level)),
                    numbers.count(figure.n),
                    figure.missing or figure.method,
                ]
            )
            for figure in figures
        ],
        cards=True,
    )


def _inputs(inputs: dict[str, str]) -> Table:
    return _hashes("What the figures were computed from", "SHA-256", inputs)


def _outs(outs: dict[str, str]) -> Table:
    return _hashes("Files and folders", "MD5, as DVC has it", outs)


def _hashes(caption: str, head: str, found: dict[str, str]) -> Table:
    return Table(
        caption=caption,
        columns=[Column("File"), Column(head)],
        rows=[
            Row([identifier(path), Markup('<span class="hash">{}</span>').format(digest)])
            for path, digest in sorted(found.items())
        ],
        cards=True,
    )


def _details(details: dict[str, Any]) -> list[Block]:
    if not details:
        return [Prose("None.")]
    blocks: list[Block] = []
    for key, value in details.items():
        text = json.dumps(value, indent=2, ensure_ascii=False)
        shown: Block = Code(text.splitlines(), key)
        if len(text) <= _OPEN_DETAILS // max(len(details), 1):
            blocks += [Prose(strong(key)), shown]
        else:
            blocks.append(Fold(f"{key} ({text.count(chr(10)) + 1:,} lines)", [shown]))
    return blocks


def _product(project: Path, dag_id: str) -> ProductParams | None:
    try:
        return load_product(project, dag_name(dag_id))
    except SignalboxError:
        return None


def _decision(project: Path, product: ProductParams, commit: str) -> GateDecision | None:
    try:
        return read_decision(project, product, commit)
    except SignalboxError:
        return None


def _banner(decision: GateDecision | None) -> Banner:
    if decision is None:
        return Banner("Saved", "quiet", ["No gate judged this run."])
    passed = len(decision.named("pass"))
    sentences: list[Text] = [f"{passed} of {len(decision.checks)} checks passed."]
    for verdict in ("fail", "inconclusive"):
        found = [identifier(check) for check in decision.named(verdict)]
        if found:
            sentences.append(join(badge(verdict), ": ", Markup(", ").join(found), "."))
    return Banner(f"The gate says {decision.verdict}", WORDS[decision.verdict][1], sentences)


def _sentences(decision: GateDecision | None) -> list[Block]:
    """Explain every check that didn't pass."""
    if decision is None or not decision.sentences:
        return []
    items = [
        join(badge(decision.checks[check]), " ", strong(identifier(check)), ": ", sentence)
        for check, sentence in decision.sentences.items()
    ]
    return [Fold("What did not pass, in words", [Items(items)])]


def _pages(
    dag_id: str,
    run: str,
    product: ProductParams | None,
    files: CommitFiles,
    outs: dict[str, str],
) -> list[Block]:
    found: list[Text] = []
    if product is not None and product.report in outs:
        found.append(_to(address(dag_id, run), "Report"))
    found += [
        join("Evidence of ", _to(address(dag_id, run, "evidence", stage), stage))
        for stage in stages_with_evidence(files)
    ]
    return [Items(found)] if found else [Prose("None.")]


def _commit(project: Path, commit: str) -> list[Block]:
    message = git(project, "show", "--no-patch", "--format=%an, %cI%n%n%B", commit)
    changed = git(project, "show", "--stat=100", "--format=", commit)
    return [
        Code(message.splitlines(), "message of the commit"),
        Fold("Files that differ from the commit it was made from", [
            Code(changed.splitlines() or ["none"], "changed files"),
        ]),
        Code([f"git worktree add ../{commit[:12]} {commit}"], "to look at all of it"),
    ]  # fmt: skip

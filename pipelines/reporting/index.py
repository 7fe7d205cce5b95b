"""The last chapter: every artifact and every figure of the page, and where it comes from."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from pipelines.core.evidence import Evidence
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Chapter,
    Column,
    Prose,
    Row,
    Section,
    Table,
    Text,
    code,
    join,
    name,
)
from pipelines.reporting.blocks import link as to
from pipelines.reporting.provenance import EVIDENCE, INPUT, TABLE, Artifact, Sourced, Sources

_ROLES = {
    EVIDENCE: "evidence: figures are read from it",
    TABLE: "drawn on this page",
    INPUT: "evidence was computed from it",
}


def chapter(sources: Sources) -> Chapter:
    """Build the index of artifacts and figures; the small numbers of the page lead here.

    Parameters
    ----------
    sources : Sources
        Artifacts and figures of the page.

    Returns
    -------
    Chapter
    """
    return Chapter(
        anchor="provenance",
        title="Where every figure comes from",
        short="Provenance",
        blocks=[
            Prose(
                "The small numbers beside figures and tables stand for the artifacts below. The "
                "SHA-256 of a file is that of its bytes; of a folder, that of its sorted names and "
                "file hashes."
            ),
            Section("artifacts", "Artifacts", [_artifacts(sources)]),
            Section("figures", "Figures", [_figures(sources)]),
        ],
    )


def own_chapter(evidence: Sequence[Evidence], sources: Sources) -> list[Chapter]:
    """Build the chapter with the figures of a project's own stages.

    Parameters
    ----------
    evidence : sequence of Evidence
        What those stages measured.
    sources : Sources
        Artifacts and figures of the page.

    Returns
    -------
    list of Chapter
        None where there is no such stage.
    """
    if not evidence:
        return []
    tables = [
        Table(
            caption=content.stage,
            columns=[Column("Figure"), Column("Value", numeric=True), Column("Interval"),
                     Column("How", wide=True)],
            rows=[
                Row([join(figure.label, sources.figure_mark(figure.id)),
                     numbers.figure_value(figure), numbers.figure_interval(figure), figure.method])
                for figure in content.figures
            ],
        )
        for content in evidence
    ]  # fmt: skip
    said = "What stages of this project's own measured; the gate's policy may ask for any of it."
    return [
        Chapter("own-stages", "Stages of this project's own", [Prose(said), *tables], "Own stages")
    ]


def foot(record: Path) -> Text:
    """Build the foot of a page with this chapter.

    Parameters
    ----------
    record : Path
        The same page for machines.

    Returns
    -------
    Markup
    """
    return join(
        "Made by Signalbox from the artifacts listed under “Provenance”. The same content for "
        "machines: ",
        code(record.as_posix()),
        ". Times, hosts and versions of the run: ",
        code("run_facts/"),
        ".",
    )


def _artifacts(sources: Sources) -> Table:
    return Table(
        caption=f"{len(sources.artifacts)} artifacts",
        small=True,
        columns=[
            Column("No.", numeric=True),
            Column("Path"),
            Column("SHA-256"),
            Column("Role"),
            Column("Computed from"),
        ],
        rows=[_artifact_row(a, sources) for a in sources.artifacts.values()],
    )


def _artifact_row(artifact: Artifact, sources: Sources) -> Row:
    inputs = [sources.artifacts[path] for path in artifact.inputs]
    links = [to(a.anchor, str(a.number)) for a in sorted(inputs, key=lambda a: a.number)]
    return Row(
        anchor=artifact.anchor,
        cells=[
            str(artifact.number),
            code(artifact.path),
            hash_text(artifact.sha256),
            _ROLES[artifact.role],
            Markup(", ").join(links) if links else numbers.NONE,
        ],
    )


def hash_text(sha256: str) -> Markup:
    """Write a full hash, allowed to break over two lines.

    Parameters
    ----------
    sha256 : str
        64 hex digits.

    Returns
    -------
    Markup
    """
    return Markup('<span class="hash">{}</span>').format(sha256)


def _figures(sources: Sources) -> Table:
    return Table(
        caption=f"{len(sources.figures)} figures",
        small=True,
        columns=[
            Column("Figure", wide=True),
            Column("Value", numeric=True),
            Column("Interval", numeric=True),
            Column("n", numeric=True),
            Column("Method", wide=True),
            Column("Artifact", numeric=True),
        ],
        rows=[_figure_row(sourced) for sourced in sources.figures.values()],
    )


def _figure_row(sourced: Sourced) -> Row:
    figure = sourced.figure
    return Row(
        anchor=sourced.anchor,
        cells=[
            join(_label(sourced), Markup("<br>"), code(figure.id)),
            numbers.figure_value(figure),
            numbers.figure_interval(figure),
            numbers.count(figure.n),
            figure.method,
            to(sourced.artifact.anchor, str(sourced.artifact.number)),
        ],
    )


def _label(sourced: Sourced) -> Text:
    figure = sourced.figure
    where = ", ".join(f"{key}: {value}" for key, value in sorted(figure.where.items()))
    at = join(" (", name(where), ")") if where else ""
    return join(figure.label, at, f" – not defined: {figure.missing}" if figure.missing else "")

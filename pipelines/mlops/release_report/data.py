"""Chapter "Data": where it came from, what was kept, how it was dealt out."""

from pydantic import Field

from pipelines.core.artifacts import evidence_of
from pipelines.mlops.release_report.inputs import Inputs, Shape
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Facts,
    Prose,
    Row,
    Section,
    Table,
    code,
    identifier,
    join,
    name,
)
from pipelines.reporting.index import hash_text


class SourceFile(Shape):
    """One file of the source.

    Attributes
    ----------
    address : str
        Path or address.
    sha256 : str or None
        Hash of the content, None if not known.
    rows : int
        Number of rows.
    """

    address: str
    sha256: str | None = None
    rows: int


class ColumnFact(Shape):
    """One column as it was read.

    Attributes
    ----------
    name : str
        Name of the column.
    type : str
        Type as it was read.
    missing : int
        Rows without a value.
    distinct : int
        Number of separate values.
    """

    name: str
    type: str
    missing: int
    distinct: int


class Ingested(Shape):
    """`details` of ``ingest``.

    Attributes
    ----------
    source : str
        Where the data came from.
    kind : str
        Kind of source.
    files : list of SourceFile
        Files of the source.
    columns : list of ColumnFact
        Columns as they were read.
    labels : dict of str to int
        Label to rows.
    subject_key : str or None
        Column that names the subject, None without one.
    """

    source: str
    kind: str
    files: list[SourceFile]
    columns: list[ColumnFact]
    labels: dict[str, int]
    subject_key: str | None = None


class ExpectationResult(Shape):
    """One expectation of ``validate``.

    Attributes
    ----------
    rule : str
        Name of the expectation.
    action : str
        What is done about rows that break it.
    reason : str
        Reason in words.
    kept : bool
        Whether the data keeps it.
    broken_rows : int
        Rows that break it.
    observed : str
        What was observed, in words.
    """

    rule: str
    action: str
    reason: str
    kept: bool
    broken_rows: int
    observed: str


class Counts(Shape):
    """Rows in and out of ``validate``.

    Attributes
    ----------
    read : int
        Rows read (key ``in``).
    kept : int
        Rows kept.
    quarantined : int
        Rows put aside.
    """

    read: int = Field(alias="in")
    kept: int
    quarantined: int


class Validated(Shape):
    """`details` of ``validate``.

    Attributes
    ----------
    counts : Counts
        Rows in and out.
    rules : list of ExpectationResult
        The expectations.
    """

    counts: Counts
    rules: list[ExpectationResult]


class Part(Shape):
    """One part of the split.

    Attributes
    ----------
    rows : int
        Number of rows.
    subjects : int
        Number of separate subjects.
    positives : int
        Rows of the positive class.
    share : float
        Share of the rows that the part got.
    wanted_share : float
        Share that was asked for.
    """

    rows: int
    subjects: int
    positives: int
    share: float
    wanted_share: float


class Split(Shape):
    """`details` of ``split``.

    Attributes
    ----------
    parts : dict of str to Part
        Name to part: train, validation, test.
    """

    parts: dict[str, Part]


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the data.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    ingested = inputs.details("ingest", Ingested)
    validated = inputs.details("validate", Validated)
    split = inputs.details("split", Split)
    return Chapter(
        anchor="data",
        title="Data",
        blocks=[
            _source_facts(ingested, inputs),
            _files(ingested, inputs),
            Section("quarantine", "Quality and quarantine", _quality(ingested, validated, inputs)),
            Section("split", "Split", _split(validated, split, inputs)),
            Section("columns", "Columns", [_columns(ingested, inputs)]),
        ],
    )


def _source_facts(ingested: Ingested, inputs: Inputs) -> Facts:
    data = inputs.params.data
    subject = (
        join("column ", name(ingested.subject_key))
        if ingested.subject_key
        else "no key in the data: equal rows count as one subject"
    )
    return Facts(
        [
            ("Data set", name(ingested.source)),
            ("Kind of source", ingested.kind),
            ("Predicted", join(name(data.target), " = ", name(data.positive))),
            ("Subject", subject),
        ]
    )


def _files(ingested: Ingested, inputs: Inputs) -> Table:
    total = sum(file.rows for file in ingested.files)
    return Table(
        caption="Source",
        mark=inputs.sources.mark(evidence_of("ingest")),
        columns=[Column("Address"), Column("Rows", numeric=True), Column("SHA-256 of the content")],
        rows=[
            *(
                Row([code(f.address), numbers.count(f.rows), hash_text(f.sha256 or numbers.NONE)])
                for f in ingested.files
            ),
            Row(["Together", numbers.count(total), ""], strong=True),
        ],
    )


def _quality(ingested: Ingested, validated: Validated, inputs: Inputs) -> list[Block]:
    blocks: list[Block] = [_balance(ingested, validated), _rules(validated, inputs)]
    if not validated.counts.quarantined:
        blocks.append(Prose("No row went to quarantine."))
    return blocks


def _balance(ingested: Ingested, validated: Validated) -> Callout:
    counts = validated.counts
    read = sum(file.rows for file in ingested.files)
    sum_ = (
        f"{numbers.count(counts.read)} rows read = {numbers.count(counts.kept)} kept "
        f"+ {numbers.count(counts.quarantined)} in quarantine"
    )
    if read == counts.read == counts.kept + counts.quarantined:
        return Callout("good", "The counts add up", join(sum_, ". No row was dropped."))
    return Callout(
        "bad",
        "The counts do not add up",
        join(sum_, f"; the source delivered {numbers.count(read)}. Do not rely on this report."),
    )


_ACTIONS = {"quarantine": "to quarantine", "stop": "run stops", "note": "noted, row stays"}


def _rules(validated: Validated, inputs: Inputs) -> Table:
    ordered = sorted(validated.rules, key=lambda rule: -rule.broken_rows)
    return Table(
        caption=f"The {len(ordered)} rules the table was held against",
        mark=inputs.sources.mark(evidence_of("validate")),
        columns=[
            Column("Rule", wide=True),
            Column("Rows that break it", numeric=True),
            Column("If broken"),
            Column("Why the rule", wide=True),
        ],
        rows=[
            Row(
                [
                    identifier(r.rule),
                    numbers.count(r.broken_rows),
                    _ACTIONS.get(r.action, r.action),
                    r.reason,
                ],
                strong=r.broken_rows > 0 and r.action != "note",
            )
            for r in ordered
        ],
        note="A row that breaks two rules is counted at both, and once in quarantine.",
    )


def _split(validated: Validated, split: Split, inputs: Inputs) -> list[Block]:
    total = sum(part.rows for part in split.parts.values())
    agree = (
        "as many as were kept."
        if total == validated.counts.kept
        else f"but {numbers.count(validated.counts.kept)} were kept: this does not add up."
    )
    return [
        Prose(
            "Subjects are dealt by a hash of their key, so a subject stands on one side only and "
            "stays there when the data grows. The threshold was chosen on validation data; test "
            "data was used for the figures of this report and for nothing else."
        ),
        _split_table(split, inputs, f"Together {numbers.count(total)} rows, {agree}"),
    ]


_PARTS = {"train": 0, "validation": 1, "test": 2}


def _split_table(split: Split, inputs: Inputs, note: str) -> Table:
    order = sorted(split.parts.items(), key=lambda item: _PARTS.get(item[0], len(_PARTS)))
    return Table(
        caption="Parts of the split",
        mark=inputs.sources.mark(evidence_of("split")),
        columns=[
            Column("Part"),
            Column("Rows", numeric=True),
            Column("Share", numeric=True),
            Column("Wanted", numeric=True),
            Column("Subjects", numeric=True),
            Column(join("With ", name(inputs.params.data.positive)), numeric=True),
            Column("Their share", numeric=True),
        ],
        rows=[
            Row(
                [
                    label,
                    numbers.count(p.rows),
                    numbers.percent(p.share),
                    numbers.percent(p.wanted_share),
                    numbers.count(p.subjects),
                    numbers.count(p.positives),
                    numbers.percent(p.positives / p.rows if p.rows else None),
                ]
            )
            for label, p in order
        ],
        note=note,
    )


def _columns(ingested: Ingested, inputs: Inputs) -> Table:
    return Table(
        caption=f"{len(ingested.columns)} columns as read",
        mark=inputs.sources.mark(evidence_of("ingest")),
        columns=[
            Column("Column"),
            Column("Type"),
            Column("Role"),
            Column("Rows without value", numeric=True),
            Column("Different values", numeric=True),
        ],
        rows=[
            Row(
                [
                    name(c.name),
                    c.type,
                    _role(c.name, inputs),
                    numbers.count(c.missing),
                    numbers.count(c.distinct),
                ]
            )
            for c in ingested.columns
        ],
    )


def _role(column: str, inputs: Inputs) -> str:
    data, train = inputs.params.data, inputs.params.train
    if column == data.target:
        return "target"
    if column == data.subject_key:
        return "subject key"
    if column in data.ignore:
        return "not used"
    if column in data.sensitive:
        return "sensitive, model input" if train.use_sensitive else "sensitive, audited only"
    return "model input"

"""Chapter "Data": where it came from, what was kept, how it was dealt out."""

from pipelines.core.artifacts import evidence_of
from pipelines.mlops.data.evidence import IngestDetails, SplitDetails, ValidateDetails
from pipelines.mlops.release_report.inputs import Inputs
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
    names,
)
from pipelines.reporting.index import hash_text

NO_NAME = "(without a name)"
"""What stands for the empty name of a file's unnamed index."""


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
    ingested = inputs.details("ingest", IngestDetails)
    validated = inputs.details("validate", ValidateDetails)
    split = inputs.details("split", SplitDetails)
    return Chapter(
        anchor="data",
        title="Data",
        blocks=[
            *_warnings(validated),
            _source_facts(ingested, inputs),
            _files(ingested, inputs),
            Section("quarantine", "Quality and quarantine", _quality(ingested, validated, inputs)),
            Section("split", "Split", _split(validated, split, inputs)),
            Section(
                "columns",
                "Columns",
                [_columns(ingested, inputs), *_single_columns(validated, inputs)],
            ),
        ],
    )


def _warnings(validated: ValidateDetails) -> list[Block]:
    """Say loudly which columns give the target away, or merely name the rows."""
    leaking = [c.name or NO_NAME for c in validated.columns if c.decides_target]
    naming = [c.name or NO_NAME for c in validated.columns if c.names_rows]
    blocks: list[Block] = []
    if leaking:
        blocks.append(
            Callout(
                "bad",
                "The target leaks",
                join(
                    names(leaking),
                    " alone decides the target. "
                    if len(leaking) == 1
                    else " each alone decide the target. ",
                    "Such a column is made from the outcome or after it; the figures of this "
                    "report then say nothing about new people. What is made after the outcome "
                    "belongs in data.after_outcome.",
                ),
            )
        )
    if naming:
        blocks.append(
            Callout(
                "open",
                "Columns that name the rows",
                join(
                    names(naming),
                    " differs" if len(naming) == 1 else " differ",
                    " in nearly every row, as keys and row numbers do. They teach nothing that "
                    "holds for new people: list them in data.ignore, or name one "
                    "data.subject_key.",
                ),
            )
        )
    return blocks


def _single_columns(validated: ValidateDetails, inputs: Inputs) -> list[Block]:
    if not validated.columns:
        return []
    ordered = sorted(validated.columns, key=lambda c: (-(c.roc_auc or 0.0), c.name))
    return [
        Table(
            caption="What each column says about the target alone",
            mark=inputs.sources.mark(evidence_of("validate")),
            columns=[
                Column("Column"),
                Column("ROC AUC", numeric=True),
                Column("Balanced accuracy", numeric=True),
                Column("Different values by rows", numeric=True),
                Column("Remark"),
            ],
            rows=[
                Row(
                    [
                        name(c.name or NO_NAME),
                        numbers.decimal(c.roc_auc),
                        numbers.decimal(c.balanced_accuracy),
                        numbers.percent(c.distinct_share),
                        "; ".join(
                            ["decides the target"] * c.decides_target
                            + ["names the rows"] * c.names_rows
                        ),
                    ],
                    strong=c.decides_target or c.names_rows,
                )
                for c in ordered
            ],
            note=f"At or above {inputs.params.validation.leak_auc:g} a column counts as a leak. "
            "Measured before training, on rows that nothing was learned from.",
        )
    ]


def _source_facts(ingested: IngestDetails, inputs: Inputs) -> Facts:
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


def _files(ingested: IngestDetails, inputs: Inputs) -> Table:
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


def _quality(ingested: IngestDetails, validated: ValidateDetails, inputs: Inputs) -> list[Block]:
    blocks: list[Block] = [_balance(ingested, validated), _rules(validated, inputs)]
    if not validated.counts.quarantined:
        blocks.append(Prose("No row went to quarantine."))
    return blocks


def _balance(ingested: IngestDetails, validated: ValidateDetails) -> Callout:
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


def _rules(validated: ValidateDetails, inputs: Inputs) -> Table:
    ordered = sorted(validated.rules, key=lambda rule: -rule.broken_rows)
    return Table(
        caption=f"The {len(ordered)} expectations the table was checked against",
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


def _split(validated: ValidateDetails, split: SplitDetails, inputs: Inputs) -> list[Block]:
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


def _split_table(split: SplitDetails, inputs: Inputs, note: str) -> Table:
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


def _columns(ingested: IngestDetails, inputs: Inputs) -> Table:
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
    if column in data.after_outcome:
        return "made after the outcome, not used"
    if column in data.sensitive:
        return "sensitive, model input" if train.use_sensitive else "sensitive, audited only"
    return "model input"

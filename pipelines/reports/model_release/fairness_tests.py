"""Significance tests, groups left out and groups unknown: the small print of a bias audit."""

from pipelines.reports import numbers
from pipelines.reports.blocks import Block, Column, Prose, Row, Table, Text, join, name, names
from pipelines.reports.model_release.fairness_shapes import Audit, Dimension, Test


def tests(dimension: Dimension, audit: Audit, mark: Text) -> list[Block]:
    """Tests of every compared group against the reference group."""
    if not dimension.tests:
        return []
    return [
        Table(
            caption=join("Tests against ", name(dimension.reference or numbers.NONE)),
            mark=mark,
            columns=[
                Column("Group"),
                Column("Selected", numeric=True),
                Column("Reference selected", numeric=True),
                Column("Fisher p", numeric=True),
                Column("Holm p", numeric=True),
                Column("Z", numeric=True),
                Column("Effect size h", numeric=True),
                Column("Difference"),
            ],
            rows=[_test(test) for test in dimension.tests],
            note=f"Fisher’s exact test, two-sided; Holm p is corrected over all "
            f"{audit.tests_corrected} tests of this audit, “significant” means Holm p ≤ "
            f"{audit.alpha:g}. Effect size: Cohen’s h in radians; about 0.2 is called small, 0.5 "
            "medium, 0.8 large (Cohen 1988).",
        )
    ]


def _test(test: Test) -> Row:
    return Row(
        [
            name(test.group),
            f"{numbers.count(test.selected)} of {numbers.count(test.n)}",
            f"{numbers.count(test.reference_selected)} of {numbers.count(test.reference_n)}",
            numbers.p_value(test.fisher_p),
            numbers.p_value(test.holm_p),
            numbers.decimal(test.z, 2),
            numbers.decimal(test.cohens_h, 2),
            "significant" if test.significant else "not significant",
        ]
    )


def exclusions(dimension: Dimension, audit: Audit, mark: Text) -> list[Block]:
    """Show the groups that are not compared, with their numbers."""
    blocks: list[Block] = []
    if dimension.exclusions:
        blocks.append(_exclusion_table(dimension, audit, mark))
    unknown = dimension.unknown
    if unknown.n:
        blocks.append(
            Prose(
                join(
                    f"Group unknown: {numbers.count(unknown.n)} rows "
                    f"({numbers.percent(unknown.share)}), counted as ",
                    names(unknown.groups),
                    "; shown above, not compared.",
                )
            )
        )
    else:
        blocks.append(Prose("No row’s group is unknown.", quiet=True))
    if dimension.empty_groups:
        blocks.append(Prose(join("Without any row: ", names(dimension.empty_groups), ".")))
    return blocks


def _exclusion_table(dimension: Dimension, audit: Audit, mark: Text) -> Table:
    return Table(
        caption="Groups left out of the comparison",
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column("Share of all", numeric=True),
            Column("Selection rate", numeric=True),
            Column("Why", wide=True),
        ],
        rows=[
            Row(
                [
                    name(e.group),
                    numbers.count(e.n),
                    numbers.percent(e.share),
                    numbers.percent(e.selection_rate),
                    e.reason,
                ]
            )
            for e in dimension.exclusions
        ],
        note=f"Groups under {numbers.percent(audit.min_share)} of rows may be left out of the "
        "ratios; their number and rate are reported all the same.",
    )

"""Chapters "What moved" and "After changes": beyond chance, on a service and around it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reports.blocks import (
    Block,
    Chapter,
    Column,
    Fold,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    name,
)
from pipelines.reports.numbers import NONE, count
from pipelines.reports.service_map import words

OPEN_ROWS, MOST_ROWS, MOST_CHANGES, MOST_LISTED = 30, 200, 20, 100
_LONG = 300
Told = Mapping[str, Any]


def chapter(moved: Sequence[Told], compared_with: str) -> Chapter:
    """Build the chapter about two maps."""
    since = f"Compared with {compared_with}. " if compared_with else ""
    told = Prose(
        f"{since}Windows of time are what is compared, so that one bad minute does not count as "
        "many; chances are corrected for the number of comparisons (Benjamini–Hochberg), "
        "intervals hold with 95%."
    )
    if not moved:
        return Chapter("moved", "What moved", [told, Prose("Nothing moved beyond chance.")])
    return Chapter("moved", "What moved", [told, *_tables("Moved", moved)])


def changes(found: Sequence[Told], mark: Text = "", left_out: int = 0) -> Chapter:
    """Build the chapter about changes.

    Parameters
    ----------
    found
        Changes, each with ``title``, ``service``, ``at_us``, ``moved``, ``note``, the number of
        windows before and after, and ``node``: its service with a link.
    left_out
        Changes that were not looked at.
    """
    if not found:
        nothing = Prose("No change is known of this time.")
        return Chapter("changes", "After changes", [nothing])
    told = sorted(found, key=lambda one: (-len(one["moved"]), one["at_us"], one["title"]))
    full = [one for one in told if one["moved"]][:MOST_CHANGES]
    rest = told[len(full) :]
    blocks: list[Block] = [
        Prose(
            join(
                "Windows right before a change are compared with those right after it. What moves "
                "elsewhere shows how much moves anyway.",
                mark,
            )
        )
    ]
    blocks += [_change(one, n) for n, one in enumerate(full, 1)]
    if rest:
        blocks += _others(rest)
    if left_out:
        blocks.append(Prose(f"{words.plural(left_out, 'change')} more were not looked at."))
    return Chapter("changes", "After changes: what moved beyond chance", blocks, "After changes")


def _change(one: Told, number: int) -> Section:
    about = join(
        one["node"],
        f", {words.when(one['at_us'])} UTC; compared ",
        words.plural(one["windows_before"], "window"),
        f" before with {one['windows_after']:,} after.",
    )
    return Section(
        f"change-{number}",
        name(words.short(one["title"], 140)),
        [Prose(about), *_tables("What moved after it", one["moved"])],
    )


def _others(rest: Sequence[Told]) -> list[Block]:
    columns = [
        Column("Change"),
        Column("Service"),
        Column("When (UTC)"),
        Column("Things that moved", numeric=True),
        Column("Note"),
    ]
    rows = [
        Row(
            [
                name(words.short(one["title"], 140)),
                one["node"],
                words.when(one["at_us"]),
                count(len(one["moved"])),
                words.short(one["note"], 160) or NONE,
            ]
        )
        for one in rest[:MOST_LISTED]
    ]
    table = Table("Other changes", columns, rows)
    blocks: list[Block] = [table if len(rows) <= OPEN_ROWS else Fold("Other changes", [table])]
    if len(rest) > MOST_LISTED:
        blocks.append(Prose(f"{words.plural(len(rest) - MOST_LISTED, 'change')} more left out."))
    return blocks


def _tables(caption: str, moved: Sequence[Told]) -> list[Block]:
    """Give one table; what is too much of it folds, and what is far too much is counted."""
    placed = any(one.get("where") for one in moved)
    columns = [Column("What", wide=True), *([Column("Where")] if placed else []),
               Column("Chance", numeric=True)]  # fmt: skip
    rows = [_row(one, placed=placed) for one in moved]
    blocks: list[Block] = [Table(caption, columns, rows[:OPEN_ROWS])]
    if len(rows) > OPEN_ROWS:
        label = f"The next {len(rows[OPEN_ROWS:MOST_ROWS])}"
        blocks.append(Fold(label, [Table(label, columns, rows[OPEN_ROWS:MOST_ROWS])]))
    if len(rows) > MOST_ROWS:
        blocks.append(Prose(f"{words.plural(len(rows) - MOST_ROWS, 'row')} more left out."))
    return blocks


def _row(one: Told, *, placed: bool) -> Row:
    where = [words.short(one.get("where") or NONE, 20)] if placed else []
    chance = "< 0.0001" if one["p"] < 1e-4 else f"{one['p']:.4f}"
    return Row([name(words.short(one["sentence"], _LONG)), *where, chance])

"""Rules on data: Great Expectations suites from ``expectations/``, and what to do when one breaks.

The form of a suite is that of `core.suites`. A rule's ``action`` may be left out:

``quarantine`` (default for rules on rows)
    rows that break the rule leave the table;
``stop`` (default for rules on the whole table)
    the run ends;
``note``
    reported, nothing else.

``title`` is by default column, type and arguments; ``reason`` is printed beside every broken row.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pipelines.core.suites import (
    new_context,
    read_suite,
    require_computed,
    result_format,
    rows_that_break,
)
from pipelines.core.tables import ROW

if TYPE_CHECKING:
    import pandas as pd

RUN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Fixed, because Data Docs are an out; a naive time would be taken for local time."""

Action = Literal["quarantine", "stop", "note"]


@dataclass(frozen=True)
class RuleResult:
    """What one rule found.

    Attributes
    ----------
    rule : str
        The rule in short, for example ``age: expect_column_values_to_be_between (17 to 90)``.
    action : {'quarantine', 'stop', 'note'}
        What follows when it is broken.
    reason : str
        Why the rule is there.
    kept : bool
        Whether the data keeps to it.
    rows : list of int
        `ROW` numbers of the rows that break it; empty for rules on the whole table.
    observed : str
        What was seen, in words.
    """

    rule: str
    action: Action
    reason: str
    kept: bool
    rows: list[int] = field(default_factory=list)
    observed: str = ""


@dataclass(frozen=True)
class SuiteRun:
    """The results of a suite, and the context that can build its Data Docs.

    Attributes
    ----------
    results : list of RuleResult
        One entry a rule, in the order in which Great Expectations returns them.
    context : great_expectations.data_context.EphemeralDataContext
        Holds the suite and its validation.
    """

    results: list[RuleResult]
    context: Any


Rare = Callable[[str], Collection[object]]
"""Gives the values of a column that too few people have: no page may show them."""


def run_suite(frame: "pd.DataFrame", path: Path, rare: Rare | None = None) -> SuiteRun:
    """Check a table's rows against each expectation of a suite.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table, with the column `ROW`.
    path : Path
        The suite's JSON file.
    rare : callable, optional
        Column → values that neither results nor Data Docs may show, nor which rows break a rule;
        by default they show all.

    Returns
    -------
    SuiteRun

    Raises
    ------
    SignalboxError
        If the file isn't a suite, or a rule cannot be computed on this table; names the rule.
    """
    context = new_context()
    import great_expectations as gx

    suite = context.suites.add(read_suite(path, default_action="note"))
    asset = context.data_sources.add_pandas("table").add_dataframe_asset(path.stem)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=path.stem, data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
    )
    outcome = definition.run(
        batch_parameters={"dataframe": frame},
        result_format=result_format(ROW),
        run_id=gx.RunIdentifier(run_name="validate", run_time=RUN_TIME),
    )
    if rare is None:
        return SuiteRun([_result(path, item) for item in outcome.results], context)
    for item in outcome.results:
        _hide_values(item, rare)
    results = [_result(path, item) for item in outcome.results]
    for item in outcome.results:
        for key in ("unexpected_index_list", "partial_unexpected_index_list"):
            item.result.pop(key, None)
    store = context.validation_results_store
    for stored in store.list_keys():
        store.set(stored, outcome)  # Data Docs are built from here
    return SuiteRun(results, context)


HIDDEN = "(not shown: too few people have it)"


def _hide_values(item: Any, rare: Rare) -> None:
    """Take single people's values out of a rule's result; counts stay.

    Great Expectations lists values that break a rule, and which values a column has; the smallest
    and the largest value are mostly one person's.
    """
    column = item.expectation_config.kwargs.get("column")
    result = item.result
    # Rules on several columns list whole rows.
    hidden = set(rare(column)) if isinstance(column, str) else None

    def shown(value: object) -> bool:
        return hidden is not None and not isinstance(value, dict) and value not in hidden

    result.pop("unexpected_index_query", None)
    for key in ("unexpected_list", "partial_unexpected_list"):
        if key in result:
            result[key] = [value for value in result[key] if shown(value)]
    if "partial_unexpected_counts" in result:
        counts = result["partial_unexpected_counts"]
        result["partial_unexpected_counts"] = [c for c in counts if shown(c.get("value"))]
    for key, values in dict(result.get("details") or {}).items():
        if key == "value_counts":
            result["details"][key] = [c for c in values if shown(c.get("value"))]
        elif isinstance(values, list):
            result["details"][key] = [value for value in values if shown(value)]
    observed = result.get("observed_value")
    if isinstance(observed, list):
        result["observed_value"] = [value for value in observed if shown(value)]
    elif item.expectation_config.type in _EXTREMES and not shown(observed):
        result["observed_value"] = HIDDEN


_EXTREMES = (
    "expect_column_max_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_most_common_value_to_be_in_set",
)
"""Rules whose observed value is a value of the column."""


def _result(path: Path, item: Any) -> RuleResult:
    configuration = item.expectation_config
    rule = configuration.meta.get("title") or _in_short(configuration.type, configuration.kwargs)
    require_computed(path, rule, item)
    rows = rows_that_break(item, ROW)
    # Rules on the set of a column's values count values, not rows.
    on_rows = {"unexpected_count", "element_count"} <= item.result.keys()
    action = configuration.meta.get("action", "quarantine" if on_rows else "stop")
    return RuleResult(
        rule=rule,
        action=cast(Action, action),
        reason=str(configuration.meta.get("reason", "")),
        kept=bool(item.success) and not (rows and action == "quarantine"),
        rows=rows,
        observed=_observed(item.result, on_rows=on_rows),
    )


def _in_short(kind: str, kwargs: dict[str, Any]) -> str:
    """Name of a rule that a person recognises: column, type, arguments."""
    skip = {"column", "batch_id", "condition_parser", "row_condition", "mostly"}
    columns = kwargs.get("column") or kwargs.get("column_list") or kwargs.get("column_set")
    arguments = [
        f"{key}={value}"
        for key, value in kwargs.items()
        if key not in skip and value is not None and not isinstance(value, list)
    ]
    head = f"{columns}: " if isinstance(columns, str) else ""
    if condition := kwargs.get("row_condition"):
        arguments.append(f"where {_condition_in_short(condition)}")
    tail = f" ({', '.join(arguments)})" if arguments else ""
    return f"{head}{kind}{tail}"


def _condition_in_short(condition: Any) -> str:
    """Words for GX's JSON form of a condition."""
    if isinstance(condition, dict) and condition.get("type") == "comparison":
        name, sign = condition["column"]["name"], condition["operator"]
        return f"{name} {sign} {condition['parameter']}"
    return str(condition)


def _observed(result: dict[str, Any], *, on_rows: bool) -> str:
    if on_rows:
        return f"{result['unexpected_count']} of {result['element_count']} rows break it"
    observed = result.get("observed_value")
    return "" if observed is None else f"observed {observed}"

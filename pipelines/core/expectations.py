"""Rules on data: Great Expectations suites from ``expectations/``, and what to do when one breaks.

A suite file has Great Expectations' own JSON form. Three keys in the ``meta`` of a rule are ours:

``action``
    ``quarantine`` (default for rules on rows): rows that break the rule leave the table;
    ``stop`` (default for rules on the whole table): the run ends;
    ``note``: reported, nothing else.
``title``
    The rule in a few words; by default column, type and arguments.
``reason``
    Why the rule is there, in words; printed beside every broken row.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json
from pipelines.core.tables import ROW

if TYPE_CHECKING:
    import pandas as pd

RUN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Fixed, because Data Docs are an out; a naive time would be taken for local time."""

Action = Literal["quarantine", "stop", "note"]
ACTIONS = ("quarantine", "stop", "note")


@dataclass(frozen=True)
class RuleResult:
    """What one rule found.

    Attributes
    ----------
    rule
        The rule in short, for example ``age: expect_column_values_to_be_between (17 to 90)``.
    action
        What follows when it is broken.
    reason
        Why the rule is there.
    kept
        Whether the data keeps to it.
    rows
        `ROW` numbers of the rows that break it; empty for rules on the whole table.
    observed
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
    """Results of a suite, and the context that can build its Data Docs."""

    results: list[RuleResult]
    context: Any


def run_suite(frame: "pd.DataFrame", path: Path) -> SuiteRun:
    """Hold `frame` against the suite in `path`.

    Raises
    ------
    SignalboxError
        If the file isn't a suite, or a rule cannot be computed on this table; names the rule.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    specification = _read(path)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    suite = context.suites.add(_suite(gx, path, specification))
    asset = context.data_sources.add_pandas("table").add_dataframe_asset(path.stem)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=path.stem, data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
    )
    outcome = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [ROW]},
        run_id=gx.RunIdentifier(run_name="validate", run_time=RUN_TIME),
    )
    return SuiteRun([_result(path, item) for item in outcome.results], context)


def _read(path: Path) -> dict[str, Any]:
    specification = read_json(path)
    if not isinstance(specification, dict) or not specification.get("expectations"):
        raise SignalboxError(f"{path}: is not a suite: it needs a list 'expectations'")
    for index, rule in enumerate(specification["expectations"]):
        action = rule.get("meta", {}).get("action", "note")
        if action not in ACTIONS:
            raise SignalboxError(
                f"{path}: expectations[{index}].meta.action is {action!r}; use one of {ACTIONS}"
            )
    return specification


def _suite(gx: Any, path: Path, specification: dict[str, Any]) -> Any:
    """Build the suite; Great Expectations checks each rule's arguments."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    suite = gx.ExpectationSuite(name=path.stem)
    for index, rule in enumerate(specification["expectations"]):
        try:
            suite.add_expectation_configuration(ExpectationConfiguration(**rule))
        except Exception as error:  # GX raises many kinds here; all mean "this rule is wrong"
            text = " ".join(str(error).split())
            raise SignalboxError(
                f"{path}: expectations[{index}] ({rule.get('type', 'no type')}): {text[:300]}"
            ) from error
    return suite


def _result(path: Path, item: Any) -> RuleResult:
    configuration = item.expectation_config
    rule = configuration.meta.get("title") or _in_short(configuration.type, configuration.kwargs)
    if item.exception_info.get("raised_exception", False) or _column_exceptions(item):
        message = item.exception_info.get("exception_message") or _column_exceptions(item)
        raise SignalboxError(f"{path}: {rule}: cannot be computed: {message}")
    rows = [int(entry[ROW]) for entry in item.result.get("unexpected_index_list") or []]
    on_rows = "unexpected_count" in item.result
    action = configuration.meta.get("action", "quarantine" if on_rows else "stop")
    return RuleResult(
        rule=rule,
        action=cast(Action, action),
        reason=str(configuration.meta.get("reason", "")),
        kept=bool(item.success) and not (rows and action == "quarantine"),
        rows=rows,
        observed=_observed(item.result, on_rows=on_rows),
    )


def _column_exceptions(item: Any) -> str:
    """Message of an exception inside a metric; GX nests these by metric id."""
    for value in item.exception_info.values():
        if isinstance(value, dict) and value.get("raised_exception"):
            return " ".join(str(value.get("exception_message")).split())
    return ""


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

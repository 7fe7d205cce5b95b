"""Great Expectations' suites: read from ``expectations/``, checked, run without noise.

A suite file has Great Expectations' own JSON form. Three keys in the ``meta`` of a rule are ours:

``action``
    What follows when the rule is broken: ``quarantine``, ``stop`` or ``note``.
``title``
    The rule in a few words.
``reason``
    Why the rule is there, in words.
"""

import os
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json

ACTIONS = ("quarantine", "stop", "note")


def _great_expectations() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # is read at the first import
    import great_expectations

    return great_expectations


def new_context() -> Any:
    """Return a context that keeps nothing, reports nothing to anybody and shows no progress.

    Returns
    -------
    great_expectations.data_context.EphemeralDataContext
    """
    context = _great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def read_suite(path: Path, *, default_action: str | None = None) -> Any:
    """Read a suite; Great Expectations checks each rule's arguments.

    Parameters
    ----------
    path : Path
        The file; the suite is named like it.
    default_action : str, optional
        The action that a rule may leave out; without it every rule must name its own.

    Returns
    -------
    great_expectations.ExpectationSuite

    Raises
    ------
    SignalboxError
        If the file isn't a suite; names the rule.
    """
    gx = _great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    if not path.exists():
        raise SignalboxError(
            f"{path}: no such suite; name one that is there in validate.suite, or write it: Great "
            "Expectations' JSON, see the other files of this folder and docs/own-data.md"
        )
    specification = read_json(path)
    if not isinstance(specification, dict) or not specification.get("expectations"):
        raise SignalboxError(f"{path}: is not a suite: it needs a list 'expectations'")
    for index, rule in enumerate(specification["expectations"]):
        action = rule.get("meta", {}).get("action", default_action)
        if action not in ACTIONS:
            raise SignalboxError(
                f"{path}: expectations[{index}].meta.action is {action!r}; use one of {ACTIONS}"
            )
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


def result_format(row_column: str) -> dict[str, Any]:
    """Ask Great Expectations for every row that breaks a rule, named by the value of a column.

    Parameters
    ----------
    row_column : str
        Column that numbers the rows.

    Returns
    -------
    dict
        Value of the argument ``result_format`` of a validation.
    """
    return {"result_format": "COMPLETE", "unexpected_index_column_names": [row_column]}


def rows_that_break(item: Any, row_column: str) -> list[int]:
    """Return the rows that break a rule; none for rules on the whole table.

    Parameters
    ----------
    item : great_expectations.core.ExpectationValidationResult
        Result of one rule, with `result_format`.
    row_column : str
        Column that numbers the rows.

    Returns
    -------
    list of int
        Values of that column, in the order of the table.
    """
    return [int(entry[row_column]) for entry in item.result.get("unexpected_index_list") or []]


def require_computed(path: Path, rule: str, item: Any) -> None:
    """Stop where a rule's result is an exception; GX nests those of metrics by their ids.

    Parameters
    ----------
    path : Path
        The suite's file; only named in errors.
    rule : str
        The rule in a few words; only named in errors.
    item : great_expectations.core.ExpectationValidationResult
        Result of one rule.

    Raises
    ------
    SignalboxError
        With the exception's message.
    """
    for found in (item.exception_info, *item.exception_info.values()):
        if isinstance(found, dict) and found.get("raised_exception"):
            message = " ".join(str(found.get("exception_message")).split())
            raise SignalboxError(f"{path}: {rule}: cannot be computed: {message[:300]}")

"""Great Expectations on tables of any size: rules are held against a table's *profile*.

The engine reduces a table to the distinct combinations of what the rules look at (signs, counts and
kinds, not the values themselves) with the number of rows of each; that is a few dozen rows for ten
million. A combination that breaks a rule stands for all its rows. The form of a suite is that of
Great Expectations; ``meta`` of a rule has ``action`` (``quarantine``, ``stop`` or ``note``),
``title`` and ``reason``.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"
"""Column of a profile: number of rows of the table."""
_NUMBER = "combination"
ACTIONS = ("quarantine", "stop", "note")


@dataclass(frozen=True)
class Rule:
    """What one rule found.

    Attributes
    ----------
    broken
        Positions in the profile of the combinations that break it; empty for rules on the table.
    rows
        How many rows of the table these are.
    """

    title: str
    action: str
    reason: str
    kept: bool
    broken: tuple[int, ...]
    rows: int
    observed: str


def run_suite(profile: "pd.DataFrame", path: Path) -> list[Rule]:
    """Hold a profile against the suite in `path`.

    Raises
    ------
    SignalboxError
        If the file isn't a suite, or a rule can't be computed; names the rule.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("telemetry").add_dataframe_asset(path.stem)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": profile.assign(**{_NUMBER: range(len(profile))})}
    )
    outcome = batch.validate(
        _suite(gx, path),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [_NUMBER]},
    )
    return [_rule(path, item, profile) for item in outcome.results]


def _suite(gx: Any, path: Path) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    specification = read_json(path)
    if not isinstance(specification, dict) or not specification.get("expectations"):
        raise SignalboxError(f"{path}: is not a suite: it needs a list 'expectations'")
    suite = gx.ExpectationSuite(name=path.stem)
    for index, rule in enumerate(specification["expectations"]):
        if rule.get("meta", {}).get("action") not in ACTIONS:
            raise SignalboxError(f"{path}: expectations[{index}].meta.action must be in {ACTIONS}")
        try:
            suite.add_expectation_configuration(ExpectationConfiguration(**rule))
        except Exception as error:  # GX raises many kinds here; all mean "this rule is wrong"
            text = " ".join(str(error).split())[:300]
            raise SignalboxError(f"{path}: expectations[{index}]: {text}") from error
    return suite


def _rule(path: Path, item: Any, profile: "pd.DataFrame") -> Rule:
    meta = item.expectation_config.meta
    if item.exception_info.get("raised_exception") or any(
        isinstance(one, dict) and one.get("raised_exception")
        for one in item.exception_info.values()
    ):
        text = " ".join(str(item.exception_info).split())[:300]
        raise SignalboxError(f"{path}: {meta.get('title')}: cannot be computed: {text}")
    found = item.result.get("unexpected_index_list") or []
    broken = tuple(sorted(int(one[_NUMBER]) for one in found))
    rows = int(profile[ROWS].iloc[list(broken)].sum())
    observed = item.result.get("observed_value")
    return Rule(
        str(meta.get("title", item.expectation_config.type)),
        str(meta["action"]),
        str(meta.get("reason", "")),
        bool(item.success) and not broken,
        broken,
        rows,
        f"{rows} rows break it" if observed is None else f"observed {observed}",
    )

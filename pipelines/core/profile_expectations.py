"""Great Expectations on tables of any size: rules are held against a table's *profile*.

The engine reduces a table to the distinct combinations of what the rules look at (signs, counts and
kinds, not the values themselves) with the number of rows of each; that is a few dozen rows for ten
million. A combination that breaks a rule stands for all its rows. The form of a suite is that of
`core.suites`; every rule names its ``action``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.suites import (
    new_context,
    read_suite,
    require_computed,
    result_format,
    rows_that_break,
)

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"
"""Column of a profile: number of rows of the table."""
_NUMBER = "combination"


@dataclass(frozen=True)
class ProfileExpectation:
    """What one rule found.

    Attributes
    ----------
    title : str
        The rule in a few words.
    action : str
        What follows when it is broken: ``quarantine``, ``stop`` or ``note``.
    reason : str
        Why the rule is there.
    kept : bool
        Whether the table keeps to it.
    broken : tuple of int
        Positions in the profile of the combinations that break it; empty for rules on the table.
    rows : int
        How many rows of the table these are.
    observed : str
        What was seen, in words.
    """

    title: str
    action: str
    reason: str
    kept: bool
    broken: tuple[int, ...]
    rows: int
    observed: str


def run_suite(profile: "pd.DataFrame", path: Path) -> list[ProfileExpectation]:
    """Check a table's profile against each expectation of a suite.

    Parameters
    ----------
    profile : pandas.DataFrame
        One row a combination, with its number of rows in the column `ROWS`.
    path : Path
        The suite's JSON file.

    Returns
    -------
    list of ProfileExpectation
        One entry a rule.

    Raises
    ------
    SignalboxError
        If the file isn't a suite, or a rule can't be computed; names the rule.
    """
    context = new_context()
    asset = context.data_sources.add_pandas("telemetry").add_dataframe_asset(path.stem)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": profile.assign(**{_NUMBER: range(len(profile))})}
    )
    outcome = batch.validate(read_suite(path), result_format=result_format(_NUMBER))
    return [_rule(path, item, profile) for item in outcome.results]


def _rule(path: Path, item: Any, profile: "pd.DataFrame") -> ProfileExpectation:
    meta = item.expectation_config.meta
    require_computed(path, str(meta.get("title")), item)
    broken = tuple(sorted(rows_that_break(item, _NUMBER)))
    rows = int(profile[ROWS].iloc[list(broken)].sum())
    observed = item.result.get("observed_value")
    return ProfileExpectation(
        str(meta.get("title", item.expectation_config.type)),
        str(meta["action"]),
        str(meta.get("reason", "")),
        bool(item.success) and not broken,
        broken,
        rows,
        f"{rows} rows break it" if observed is None else f"observed {observed}",
    )

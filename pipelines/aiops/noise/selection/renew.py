"""Rules that were proven on the middle window, brought up to date with what that window shows.

Alerts change: services are renamed, new ones come, thresholds are edited. Rules that were learned
on the first part only are weeks old when they go to work. So after the choice everything is mined
again on both parts, as a model is fitted again on all data before it is tested. The last
window, which nothing was learned or chosen on, judges the outcome.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.aiops.noise.rules import Rule
from pipelines.aiops.noise.selection.harm import Measure
from pipelines.aiops.noise.selection.select import Selection, select
from pipelines.aiops.params.select_rules import SelectRulesParams


def renew(
    first: Selection,
    newer: Sequence[Rule],
    measure: Measure,
    limits: SelectRulesParams,
    also: Sequence[Measure] = (),
) -> Selection:
    """Choose again, among the rules chosen first and those mined on both windows.

    Parameters
    ----------
    first
        What was chosen on the middle window among rules that knew nothing of it.
    newer
        What mining proposes on both windows.
    measure, limits, also
        As for `select`.
    """
    candidates = {rule.id: rule for rule in newer}
    candidates |= {rule.id: rule for rule in first.rules if rule.id not in candidates}
    final = select(tuple(candidates.values()), measure, limits, also)
    before = tuple(one for one in first.dropped if one.rule not in candidates)
    return replace(final, dropped=final.dropped + before)

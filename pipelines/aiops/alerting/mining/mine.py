"""Mine all families in one training window."""

from typing import TYPE_CHECKING

from pipelines.aiops.alerting.config.model import Config
from pipelines.aiops.alerting.mining.demotion import mine_demotion
from pipelines.aiops.alerting.mining.durations import mine_keep_firing, mine_wait
from pipelines.aiops.alerting.mining.grouping import mine_grouping
from pipelines.aiops.alerting.mining.history import Family, Mined, history_of
from pipelines.aiops.alerting.mining.inhibition import mine_inhibition
from pipelines.aiops.alerting.mining.known_fix import fixes_miner
from pipelines.aiops.alerting.mining.mute_times import mine_mute_time
from pipelines.aiops.alerting.rules import FAMILIES, Rule
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.params.alert_rules import MineRulesParams

if TYPE_CHECKING:
    import pandas as pd


def mine(
    frame: AlertFrame,
    params: MineRulesParams,
    window: HistoryWindow,
    tickets: "pd.DataFrame | None" = None,
) -> list[Rule]:
    """Find candidate rules in a training window.

    Parameters
    ----------
    frame : AlertFrame
        Alert history; what started outside of `window` is not looked at.
    params : MineRulesParams
        Settings of mining (section `mine_rules`).
    window : HistoryWindow
        The training window.
    tickets : DataFrame or None
        Table ``tickets`` of the contract, for known fixes; None: none are looked for.

    Returns
    -------
    list of Rule
        Rules by family, those that save most first. Neither the order of the rows nor the numbering
        of the series changes them.
    """
    found = mine_all(frame, params, window, tickets)
    return [rule for mined in found.values() for rule in mined.rules]


def mine_all(
    frame: AlertFrame,
    params: MineRulesParams,
    window: HistoryWindow,
    tickets: "pd.DataFrame | None" = None,
    *,
    config: Config | None = None,
) -> dict[str, Mined]:
    """Find candidate rules as `mine` does, by family and with the number of candidates tried.

    Parameters
    ----------
    frame : AlertFrame
        Alert history; what started outside of `window` is not looked at.
    params : MineRulesParams
        Settings of mining (section `mine_rules`).
    window : HistoryWindow
        The training window.
    tickets : DataFrame or None
        Table ``tickets`` of the contract, for known fixes; None: none are looked for.
    config : Config or None
        Today's configuration: rules leave its heartbeats alone.

    Returns
    -------
    dict of str to Mined
        Family to what it found, for the families of `params.families`.
    """
    history = history_of(frame, params, window, config)
    families: dict[str, Family] = {
        "grouping": mine_grouping,
        "wait": mine_wait,
        "keep_firing": mine_keep_firing,
        "inhibition": mine_inhibition,
        "mute_time": mine_mute_time,
        "demotion": mine_demotion,
        "known_fix": fixes_miner(tickets),
    }
    wanted = [family for family in FAMILIES if family in params.families]
    return {
        family: families[family](history) if len(history.episodes) else Mined([], 0)
        for family in wanted
    }

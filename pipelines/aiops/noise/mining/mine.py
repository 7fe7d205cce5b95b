"""All families over one learning window."""

from typing import TYPE_CHECKING

from pipelines.aiops.noise.mining.duplicate import mine_duplicate
from pipelines.aiops.noise.mining.flapping import mine_flapping
from pipelines.aiops.noise.mining.history import Family, Mined, history_of
from pipelines.aiops.noise.mining.implied import mine_implied
from pipelines.aiops.noise.mining.known_fix import fixes_miner
from pipelines.aiops.noise.mining.quiet import mine_quiet
from pipelines.aiops.noise.mining.recurring import mine_recurring
from pipelines.aiops.noise.mining.transient import mine_transient
from pipelines.aiops.noise.rules import FAMILIES, Rule
from pipelines.aiops.noise.windows import Window
from pipelines.aiops.params.mine_rules import MineRulesParams
from pipelines.aiops.telemetry.frame import AlertFrame

if TYPE_CHECKING:
    import pandas as pd


def mine(
    frame: AlertFrame,
    params: MineRulesParams,
    window: Window,
    tickets: "pd.DataFrame | None" = None,
) -> list[Rule]:
    """Find candidate rules in a learning window.

    Parameters
    ----------
    frame
        Alert history; what started outside of `window` is not looked at.
    window
        The learning window.
    tickets
        Table ``tickets`` of the contract, for known fixes; None: none are looked for.

    Returns
    -------
    Rules by family, those that save most first. Neither the order of the rows nor the numbering of
    the series changes them.
    """
    found = mine_all(frame, params, window, tickets)
    return [rule for mined in found.values() for rule in mined.rules]


def mine_all(
    frame: AlertFrame,
    params: MineRulesParams,
    window: Window,
    tickets: "pd.DataFrame | None" = None,
) -> dict[str, Mined]:
    """Like `mine`, by family and with the number of candidates that each family tried."""
    history = history_of(frame, params, window)
    families: dict[str, Family] = {
        "duplicate": mine_duplicate,
        "transient": mine_transient,
        "flapping": mine_flapping,
        "implied": mine_implied,
        "recurring": mine_recurring,
        "quiet": mine_quiet,
        "known_fix": fixes_miner(tickets),
    }
    wanted = [family for family in FAMILIES if family in params.families]
    return {
        family: families[family](history) if len(history.episodes) else Mined([], 0)
        for family in wanted
    }

"""Mine all families in the same alerts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.aiops.alerting.config.model import Config, default_config
from pipelines.aiops.alerting.mining.history import History, Mined, exclusions, history_of
from pipelines.aiops.alerting.mining.hold import mine_hold
from pipelines.aiops.alerting.mining.known_fix import mine_known_fix
from pipelines.aiops.alerting.rules import FAMILIES
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.params.alert_rules import MineRulesParams

if TYPE_CHECKING:
    import pandas as pd


def mine_all(
    frame: AlertFrame,
    params: MineRulesParams,
    windows: Sequence[HistoryWindow],
    tickets: "pd.DataFrame | None" = None,
    *,
    config: Config | None = None,
    chat_receiver: str | None = None,
) -> dict[str, Mined]:
    """Find the rules of each family in some windows of the history.

    Parameters
    ----------
    frame : AlertFrame
        Alert history; what started outside of `windows` is not looked at.
    params : MineRulesParams
        Settings of mining (section `mine_rules`).
    windows : sequence of HistoryWindow
        At least one. The whole history, or what is left of it where the rest is to judge.
    tickets : DataFrame or None
        Table ``tickets`` of the contract, for known fixes; None: none are looked for.
    config : Config or None
        Today's configuration: who is paged; rules leave its heartbeats alone. None: Alertmanager's
        defaults.
    chat_receiver : str or None
        Setting ``aiops.export_rules.chat_receiver``.

    Returns
    -------
    dict of str to Mined
        Family to what it found, for the families of `params.families`, those that matter most
        first; that of ``hold`` is a `MinedHold`. Neither the order of the rows nor the numbering of
        the series changes anything.

    Raises
    ------
    SignalboxError
        If `chat_receiver` can't be one, or a matcher of ``aiops.mine_rules.exclude`` isn't one.
    """
    history = history_of(frame, params, windows, config or default_config())
    return mine_families(history, tickets, chat_receiver)


def mine_families(
    history: History,
    tickets: "pd.DataFrame | None" = None,
    chat_receiver: str | None = None,
    chat_url: str | None = None,
) -> dict[str, Mined]:
    """Find the rules of each family, as `mine_all` does.

    Parameters
    ----------
    history : History
        The alerts.
    tickets : DataFrame or None
        As for `mine_all`.
    chat_receiver : str or None
        As for `mine_all`.
    chat_url : str or None
        Setting ``aiops.export_rules.chat_url``; it changes nothing but the text of pages.

    Returns
    -------
    dict of str to Mined
        As `mine_all` returns it.
    """
    return {
        family: _mine(family, history, tickets, chat_receiver, chat_url)
        for family in FAMILIES
        if family in history.params.families
    }


def _mine(
    family: str,
    history: History,
    tickets: "pd.DataFrame | None",
    chat_receiver: str | None,
    chat_url: str | None,
) -> Mined:
    """Find the rules of one family, without those that settings leave out."""
    if not len(history.episodes) or any(e.whole_family == family for e in exclusions(history)):
        return Mined([], 0)
    if family == "hold":
        return mine_hold(history, chat_receiver, chat_url or "")
    return Mined([], 0) if tickets is None else mine_known_fix(history, tickets)

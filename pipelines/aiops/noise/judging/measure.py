"""Replay one window with today's configuration once, and with any set of rules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.aiops.noise.alertmanager import Config
from pipelines.aiops.noise.judging.blame import Blame
from pipelines.aiops.noise.judging.effect import Effect, judge
from pipelines.aiops.noise.judging.window import rows_of
from pipelines.aiops.noise.replay import Replay, replay
from pipelines.aiops.noise.rules import Rule
from pipelines.aiops.noise.windows import Window
from pipelines.aiops.telemetry.frame import AlertFrame


class Measurer:
    """Measures sets of rules on one window.

    Parameters
    ----------
    frame
        The whole history.
    config
        Today's configuration.
    closed
        Ticket id → microseconds when it was closed (`closing_times`).
    """

    def __init__(
        self, frame: AlertFrame, window: Window, config: Config, closed: dict[str, int]
    ) -> None:
        self.window = window
        self.config = config
        self.closed = closed
        self.rows = rows_of(frame, window)
        self.blame = Blame(self.rows)
        self.before = self.replay(())

    def replay(self, rules: Sequence[Rule]) -> Replay:
        """Replay the window with `rules` on top of today's configuration."""
        return replay(
            self.rows,
            self.config,
            rules=tuple(rules),
            until=self.window.end,
            table=self.blame.table,
            only_pages=True,
        )

    def effect(self, after: Replay, rules: Sequence[Rule]) -> Effect:
        """Compare the replay of some rules with today's."""
        return judge(
            self.blame,
            window=self.window,
            before=self.before,
            after=after,
            rules=rules,
            closed=self.closed,
        )

    def __call__(self, rules: Sequence[Rule]) -> Effect:
        """Replay and compare."""
        return self.effect(self.replay(rules), rules)


def closing_times(folder: Path) -> dict[str, int]:
    """Ticket id → when it was closed (microseconds), of a frozen history's incidents."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder / "tickets.parquet"
    if not path.is_file():
        return {}
    table: Any = pq.read_table(path, columns=["ticket_id", "closed_at", "kind"])
    table = table.filter(
        pc.and_(pc.equal(table["kind"], "incident"), pc.is_valid(table["closed_at"]))
    )
    closed = table["closed_at"].cast("int64").to_pylist()
    return dict(zip(table["ticket_id"].to_pylist(), closed, strict=True))

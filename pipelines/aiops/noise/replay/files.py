"""Replay of a frozen history, straight from its files."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.aiops.engine import DEFAULT_MEMORY_MB
from pipelines.aiops.noise import memory
from pipelines.aiops.noise.alertmanager import Config
from pipelines.aiops.noise.replay.run import Replay, replay
from pipelines.aiops.noise.rules import Rule
from pipelines.base.errors import SignalboxError

MEMBER_BYTES = 500
"""What working on one member of a group takes at most, measured."""
ROW_BYTES = 400
"""What an alert, what became of it and what was sent about it take, measured at a million."""
LEAST = 100_000
"""Members worked on together at least."""


def members_that_fit(alerts: int, memory_mb: int) -> int:
    """Count the members of groups that can be worked on at once, beside so many alerts.

    Below `LEAST` a replay doesn't fit; it can be negative.
    """
    left = (memory_mb - memory.PROGRAM_MB) * memory.MB - alerts * ROW_BYTES
    return left // MEMBER_BYTES


def replay_files(
    folder: Path,
    config: Config,
    rules: Sequence[Rule] = (),
    memory_mb: int = DEFAULT_MEMORY_MB,
    *,
    until: int | None = None,
) -> Replay:
    """Read a history with `read_history` and replay it.

    Parameters
    ----------
    folder
        Folder with ``alerts.parquet`` and ``tickets.parquet``.
    memory_mb
        Bounds everything: the engine that reads, the alerts with what becomes of them (some 400
        bytes each), and with what is left the work on groups, as many together as fit.

    Raises
    ------
    SignalboxError
        If the alerts alone would take more than that.
    """
    from pipelines.aiops.telemetry.read import read_history

    alerts = memory.alerts_in(folder)
    members = members_that_fit(alerts, memory_mb)
    if members < LEAST:
        least = memory.PROGRAM_MB + -(-(alerts * ROW_BYTES + LEAST * MEMBER_BYTES) // memory.MB)
        raise SignalboxError(
            f"{folder / 'alerts.parquet'}: a replay of its {alerts:,} alerts takes at least "
            f"{least:,} MB, more than the {memory_mb:,} MB that memory_mb allows: raise it, or "
            "replay fewer days"
        )
    frame = read_history(folder, memory_mb)
    return replay(frame, config, rules=rules, until=until, chunk=members)

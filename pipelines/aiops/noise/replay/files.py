"""Replay of a frozen history, straight from its files."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.aiops.engine import DEFAULT_MEMORY_MB
from pipelines.aiops.noise.alertmanager import Config
from pipelines.aiops.noise.replay.run import Replay, replay
from pipelines.aiops.noise.rules import Rule

MEMBER_BYTES = 500
"""What working on one member of a group takes at most, measured."""
LEAST = 100_000


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
        Bounds the engine that reads, and then the work on groups: whole groups are taken together
        as they fit. On top come some 280 bytes an alert for the alerts, what became of them and the
        notifications (measured with ten million alerts).
    """
    from pipelines.aiops.telemetry.read import read_history

    frame = read_history(folder, memory_mb)
    chunk = max(memory_mb * 1_000_000 // MEMBER_BYTES, LEAST)
    return replay(frame, config, rules=rules, until=until, chunk=chunk)

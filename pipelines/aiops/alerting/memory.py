"""Whether a history fits into the memory that a setting allows, asked before anything is read.

Labels, episodes and what became of each alert are arrays in memory, because groups, inhibitions and
patterns reach across series and days. They grow with the alerts, so a setting can only bound them
by refusing.
"""

from pathlib import Path

from pipelines.core.errors import SignalboxError

PROGRAM_MB = 320
"""The program, its libraries and the engine at work, before there are alerts; measured."""
MINING_BYTES = 200
"""One alert of the history, while rules are mined: 186 bytes of each of 7.9 million simulated ones,
labels of 193,000 series included."""
REPLAY_BYTES = 550
"""One alert of the history, while rules are chosen: replayed on the windows that they are learned
and chosen on, and mined anew on both (488 bytes of each of 2.7 million); or judged, which takes
less."""
MB = 1 << 20
SETTING = "runtime.memory_mb in release.yaml"
"""Of the stages that mine, choose and judge."""


def needed_mb(alerts: int, alert_bytes: int) -> int:
    """Estimate the peak memory for so many alerts, in MB."""
    return PROGRAM_MB + -(-alerts * alert_bytes // MB)


def alerts_in(folder: Path) -> int:
    """Count the rows of a frozen history, from the file's footer alone; 0 without a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "alerts.parquet"
    if not path.is_file():
        return 0
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0  # whoever reads it says what is wrong with it


def require(folder: Path, memory_mb: int, alert_bytes: int) -> None:
    """Refuse a history that needs more memory than is allowed.

    Parameters
    ----------
    memory_mb
        What `SETTING` allows.
    alert_bytes
        What an alert takes: `MINING_BYTES` or `REPLAY_BYTES`.

    Raises
    ------
    SignalboxError
        If the estimate is larger than `memory_mb`.
    """
    alerts = alerts_in(folder)
    needed = needed_mb(alerts, alert_bytes)
    if needed > memory_mb:
        raise SignalboxError(
            f"{folder / 'alerts.parquet'}: its {alerts:,} alerts need about {needed:,} MB, more "
            f"than {SETTING} ({memory_mb:,}) allows: raise it, or freeze fewer days "
            "(aiops.alert_history.days)"
        )

"""Whether a history fits into the memory that a setting allows, asked before anything is read.

Labels, episodes and what became of each alert are arrays in memory, because groups, inhibitions and
patterns reach across series and days. They grow with the alerts, so a setting can only bound them
by refusing.
"""

from pathlib import Path

from pipelines.base.errors import SignalboxError

PROGRAM_MB = 320
"""The program, its libraries and the engine at work, before there are alerts; measured."""
ALERT_BYTES = 600
"""One alert of the history. Mining took 395 bytes each (from 0.1 to 0.9 million simulated alerts,
labels of 32,000 series included); a replay at most 750, but of half of the history at a time."""
MB = 1 << 20
MINING = "aiops.mine_rules.memory_mb"
"""Setting of the stages that mine, choose and judge."""


def needed_mb(alerts: int) -> int:
    """Estimate the peak memory of mining and replaying so many alerts, in MB."""
    return PROGRAM_MB + -(-alerts * ALERT_BYTES // MB)


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


def require(folder: Path, memory_mb: int, setting: str) -> None:
    """Refuse a history that needs more memory than is allowed.

    Parameters
    ----------
    setting
        Name of the setting that `memory_mb` comes from.

    Raises
    ------
    SignalboxError
        If the estimate is larger than `memory_mb`.
    """
    alerts = alerts_in(folder)
    needed = needed_mb(alerts)
    if needed > memory_mb:
        raise SignalboxError(
            f"{folder / 'alerts.parquet'}: its {alerts:,} alerts need about {needed:,} MB, more "
            f"than {setting} ({memory_mb:,}) allows: raise it, or freeze fewer days "
            "(aiops.alert_history.days)"
        )

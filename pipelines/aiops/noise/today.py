"""Today's configuration: what history is replayed through first, and rules are held against."""

from pathlib import Path

from pipelines.aiops.noise.alertmanager import Config, default_config, load_config


def todays_config(path: str | None) -> Config:
    """Load the user's ``alertmanager.yml``; None gives Alertmanager's documented defaults."""
    return load_config(Path(path)) if path else default_config()

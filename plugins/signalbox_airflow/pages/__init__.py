"""Pages of Signalbox in Airflow's menu; loaded by the API server alone, at the first request."""

from pathlib import Path
from typing import Any


def make_app(project: Path) -> Any:
    """Return the web application, which is imported only where it answers requests."""
    from signalbox_airflow.pages import app

    return app.make_app(project)

"""Pages of Signalbox in Airflow's menu; loaded by the API server alone, at the first request."""

from pathlib import Path
from typing import Any


def make_app(project: Path) -> Any:
    """Return the web application, which is imported only where it answers requests."""
    from signalbox_airflow.pages import app

    return app.make_app(project)


def make_results_app(project: Path) -> Any:
    """Return the application of windows' own pages, with what people say above their reports."""
    from signalbox_airflow import analysis_pages
    from signalbox_airflow.pages.stored import with_answers

    return analysis_pages.make_app(project, with_answers)

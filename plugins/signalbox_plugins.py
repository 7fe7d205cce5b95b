"""Everything Signalbox adds to Airflow, which looks for plugins only in this file."""

from airflow.plugins_manager import AirflowPlugin

from pipelines.core.project import find_project
from signalbox_airflow import analysis_pages
from signalbox_airflow.docs_page import DocsPlugin
from signalbox_airflow.listener import TelemetryListener
from signalbox_airflow.report_page import Lazy, ReleasePathPlugin

__all__ = ["AnalysisPagesPlugin", "DocsPlugin", "ReleasePathPlugin", "TelemetryPlugin"]


class TelemetryPlugin(AirflowPlugin):
    """Airflow's own failures as telemetry."""

    name = "signalbox_telemetry"
    listeners = [TelemetryListener(lambda: find_project(__file__))]  # noqa: RUF012


class AnalysisPagesPlugin(AirflowPlugin):
    """Incidents, anomalies and service map of every window, and a list of them in the menu."""

    name = "signalbox_results"
    fastapi_apps = [  # noqa: RUF012
        {
            "app": Lazy(analysis_pages.make_app),
            "url_prefix": analysis_pages.PREFIX,
            "name": "Results of Signalbox",
        }
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Incidents",
            "href": f"{analysis_pages.PREFIX}/",
            # Inside Airflow's frame: without it Airflow 3.3 shows a button that does nothing.
            "url_route": "signalbox-incidents",
            "destination": "nav",
        }
    ]

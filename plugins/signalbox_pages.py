"""Pages that Signalbox adds to Airflow, which looks for plugins only beside this file."""

from airflow.plugins_manager import AirflowPlugin

from analysis_dags import pages
from release_path.report_page import Lazy, ReleasePathPlugin

__all__ = ["AnalysisPagesPlugin", "ReleasePathPlugin"]


class AnalysisPagesPlugin(AirflowPlugin):
    """Incidents, anomalies and service map of every window, and a list of them in the menu."""

    name = "signalbox_results"
    fastapi_apps = [  # noqa: RUF012
        {"app": Lazy(pages.make_app), "url_prefix": pages.PREFIX, "name": "Results of Signalbox"}
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Incidents",
            "href": f"{pages.PREFIX}/",
            # Inside Airflow's frame: without it Airflow 3.3 shows a button that does nothing.
            "url_route": "signalbox-incidents",
            "destination": "nav",
        }
    ]

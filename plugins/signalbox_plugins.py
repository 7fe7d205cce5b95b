"""Everything Signalbox adds to Airflow, which looks for plugins only in this file."""

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

from pipelines.core.project import project_of_dag
from signalbox_airflow import analysis_pages, pages
from signalbox_airflow.docs_page import DocsPlugin
from signalbox_airflow.links import LINKS
from signalbox_airflow.listener import TelemetryListener
from signalbox_airflow.notes import RunNoteListener
from signalbox_airflow.one_writer import OneWriter
from signalbox_airflow.report_page import PREFIX, Lazy

__all__ = [
    "AnalysisPagesPlugin",
    "DocsPlugin",
    "OneWriterPlugin",
    "PagesPlugin",
    "RunLinksPlugin",
    "TelemetryPlugin",
]


class TelemetryPlugin(AirflowPlugin):
    """Airflow's own failures as telemetry."""

    name = "signalbox_telemetry"
    listeners = [TelemetryListener(lambda dag: project_of_dag(dag, __file__))]  # noqa: RUF012


class PagesPlugin(AirflowPlugin):
    """One entry in the menu: the pages of Signalbox, in Airflow's frame."""

    name = "signalbox_pages"
    fastapi_apps = [  # noqa: RUF012
        {"app": Lazy(pages.make_app), "url_prefix": PREFIX, "name": "Pages of Signalbox"}
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Signalbox",
            "href": f"{PREFIX}/",
            # Inside Airflow's frame: without it Airflow 3.3 shows a button that does nothing.
            "url_route": "signalbox",
            "destination": "nav",
        }
    ]


class RunLinksPlugin(AirflowPlugin):
    """Links on tasks to what they made, and in a run's note why it released nothing."""

    name = "signalbox_links"
    operator_extra_links = LINKS
    listeners = [RunNoteListener()]  # noqa: RUF012


class AnalysisPagesPlugin(AirflowPlugin):
    """Incidents, anomalies and service map of every window."""

    name = "signalbox_results"
    fastapi_apps = [  # noqa: RUF012
        {
            "app": Lazy(pages.make_results_app),
            "url_prefix": analysis_pages.PREFIX,
            "name": "Results of Signalbox",
        }
    ]


class OneWriterPlugin(AirflowPlugin):
    """Requests that write take turns, where the database has one writer."""

    name = "signalbox_one_writer"
    fastapi_root_middlewares = (
        [{"middleware": OneWriter, "name": "Signalbox: one writer"}]
        if conf.get("database", "sql_alchemy_conn").startswith("sqlite")
        else []
    )

"""Pages that Signalbox adds to Airflow, which looks for plugins only beside this file."""

from release_path.report_page import ReleasePathPlugin

__all__ = ["ReleasePathPlugin"]

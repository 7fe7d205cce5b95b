"""The packages of Signalbox's wheel; everything else about it stands in ``pyproject.toml``.

``pyproject.toml`` can search for packages or name some in other directories, but not both.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["pipelines", "pipelines.*"]),
        "signalbox_airflow",
        "signalbox_airflow.dags",
        "signalbox_airflow.expectations",
        "signalbox_airflow.pages",
        "signalbox_airflow.plugins",
    ]
)

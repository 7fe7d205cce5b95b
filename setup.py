"""The packages of Signalbox's wheel; everything else about it stands in ``pyproject.toml``.

``pyproject.toml`` can search for packages or name some in other directories, but not both.
"""

from pathlib import Path
from typing import ClassVar

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class WithSchema(build_py):
    """Adds the schema of ``params.yaml``, which lies at the project's top, where editors look."""

    SCHEMA: ClassVar[str] = "params.schema.json"

    def run(self) -> None:
        """Copy the packages, then the file beside the DAGs that read it."""
        super().run()
        if not self.editable_mode:
            self.copy_file(self.SCHEMA, str(Path(self.build_lib, "signalbox_airflow")))


setup(
    cmdclass={"build_py": WithSchema},
    packages=[
        *find_packages(include=["pipelines", "pipelines.*"]),
        "signalbox_airflow",
        "signalbox_airflow.dags",
        "signalbox_airflow.expectations",
        "signalbox_airflow.pages",
        "signalbox_airflow.plugins",
    ],
)

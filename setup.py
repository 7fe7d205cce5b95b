"""The packages of Signalbox's wheel; everything else about it stands in ``pyproject.toml``.

``pyproject.toml`` can search for packages or name some in other directories, but not both.
"""

from pathlib import Path
from typing import ClassVar

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class WithFilesOfTheTop(build_py):
    """Adds what lies at the project's top: there editors look for the schema, DVC for its stages.

    Their names in the wheel: ``pipelines.project.lock`` and ``signalbox_airflow.parsing``.
    """

    FILES: ClassVar[dict[str, str]] = {
        "params.schema.json": "signalbox_airflow/params.schema.json",
        # By its own name it would make a project of the folder that it lies in.
        "dvc.yaml": "pipelines/project/stages.yaml",
    }

    def run(self) -> None:
        """Copy the packages, then the files."""
        super().run()
        if not self.editable_mode:
            for file, target in self.FILES.items():
                self.copy_file(file, str(Path(self.build_lib, target)))


setup(
    cmdclass={"build_py": WithFilesOfTheTop},
    packages=[
        *find_packages(include=["pipelines", "pipelines.*"]),
        "signalbox_airflow",
        "signalbox_airflow.dags",
        "signalbox_airflow.expectations",
        "signalbox_airflow.factories",
        "signalbox_airflow.pages",
        "signalbox_airflow.plugins",
    ],
)

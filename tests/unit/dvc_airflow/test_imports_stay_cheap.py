"""What reading a DAG file may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dvc_airflow

PACKAGE = Path(dvc_airflow.__file__).parent


def loaded_after(code: str) -> set[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_graph_needs_neither_airflow_nor_dvc(write_project):
    root = write_project({"params.yaml": "a: 1\n", "dvc.yaml": "stages:\n  s: {cmd: 'x ${a}'}\n"})
    code = (
        f"import dvc_airflow; dvc_airflow.load_graph({str(root)!r}); "
        "import dvc_airflow.graph.params"
    )
    assert not loaded_after(code) & {"airflow", "dvc", "ruamel", "psutil", "networkx"}


def test_a_dag_file_needs_no_dvc(write_project):
    root = write_project(
        {"dvc.yaml": "stages:\n  s: {cmd: x, params: [a]}\n", "params.yaml": "a: 1"}
    )
    code = (
        "from airflow.sdk import DAG\nfrom dvc_airflow import DvcTaskGroup\n"
        f"with DAG('d', schedule=None): DvcTaskGroup({str(root)!r})"
    )
    assert not loaded_after(code) & {"dvc", "ruamel", "networkx", "voluptuous", "configobj"}


@pytest.mark.parametrize("name", dvc_airflow.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(dvc_airflow, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        dvc_airflow.nope  # noqa: B018


def test_airflow_does_not_take_the_library_for_plugins():
    from airflow._shared.module_loading import find_path_from_directory

    found = find_path_from_directory(str(PACKAGE.parent), ".airflowignore")
    assert [path for path in found if "/dvc_airflow/" in path and path.endswith(".py")] == []

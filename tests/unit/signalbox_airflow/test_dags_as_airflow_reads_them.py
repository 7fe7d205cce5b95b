"""Every DAG: cheap to read, described for people, its form short.

Airflow reads the files again and again, and once more at the start of each task. They are read
here as there: in a process that has ``airflow.sdk`` already, each in a child of its own.
"""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from signalbox_airflow.parsing import DOCS
from tests.conftest import ROOT

NAMES = sorted(path.stem for path in (ROOT / "dags").glob("[a-z]*.py"))
RENDERED = {"model_release", "alert_noise_reduction"}
"""DAGs with a task a stage: the bridge reads dvc.yaml for them."""

FINDS_THE_PROJECT = {
    "pipelines",
    "pipelines.core",
    "pipelines.core.errors",
    "pipelines.core.project",
}
HEAVY = {
    "dill", "duckdb", "dvc", "evidently", "great_expectations", "jinja2", "networkx", "numpy",
    "pandas", "pyarrow", "ruamel", "scipy", "sklearn", "sqlalchemy", "voluptuous",
}  # fmt: skip
MOST_OF_OURS = {True: 87, False: 10}
"""Modules of ours that a DAG file may import, with and without the bridge; two are its factory."""
MOST = {True: 170, False: 70}
"""Modules in all that come with a DAG file, beside ``airflow.sdk``."""
MUST_FILL = {"batch_scoring": {"input"}, "erase_subject": {"subject"}}
LONGEST_FORM = 10

READ = f"""
import json, os, runpy, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "plugins")!r}]
import airflow.sdk
for name in {NAMES!r}:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, name
        continue
    before = set(sys.modules)
    dag = runpy.run_path({str(ROOT / "dags")!r} + f"/{{name}}.py")["dag"]
    new = sorted(set(sys.modules) - before)
    print("READ", json.dumps({{
        "name": dag.dag_id, "new": new, "doc": dag.doc_md, "tags": sorted(dag.tags),
        "owners": sorted({{task.owner for task in dag.tasks}}),
        "undescribed": [task.task_id for task in dag.tasks if not task.doc_md],
        "params": {{
            key: {{"schema": param.schema, "description": param.description,
                  "value": param.value if isinstance(
                      param.value, str | int | float | list | None) else "not set"}}
            for key, param in dag.params.items()
        }},
    }}), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("READ ")]
    found = [json.loads(line.removeprefix("READ ")) for line in lines]
    return {dag["name"]: dag for dag in found}


def test_all_dags_were_read(read: dict[str, Any]) -> None:
    assert sorted(read) == NAMES
    assert len(NAMES) >= 9


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_dag_imports_no_typed_model_of_ours_and_nothing_heavy(
    read: dict[str, Any], name: str
) -> None:
    new = read[name]["new"]
    assert {module for module in new if module.split(".")[0] == "pipelines"} <= FINDS_THE_PROJECT
    assert {module.split(".")[0] for module in new} & HEAVY == set()


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_dag_imports_few_modules(read: dict[str, Any], name: str) -> None:
    new = read[name]["new"]
    roots = ("pipelines", "signalbox_airflow", "dvc_airflow")
    ours = [module for module in new if module.split(".")[0] in roots]
    rendered = name in RENDERED
    assert ("dvc_airflow" in ours) is rendered
    assert len(ours) <= MOST_OF_OURS[rendered]
    assert len(new) <= MOST[rendered]


@pytest.mark.parametrize("name", NAMES)
def test_a_dag_says_what_it_does_needs_and_writes_and_links_to_its_pages(
    read: dict[str, Any], name: str
) -> None:
    doc = read[name]["doc"]
    first, *parts = doc.split("\n\n")
    assert first[:1].isupper()
    assert first.endswith((".", ":"))
    assert [part for part in parts if part.startswith("**Needs**: ")]
    assert [part for part in parts if part.startswith("**Writes**: ")]
    linked = re.findall(rf"\]\({DOCS}/([a-z-]+\.md)\)", doc)
    assert linked
    assert all((ROOT / "docs" / page).is_file() for page in linked)


@pytest.mark.parametrize("name", NAMES)
def test_a_dag_and_its_tasks_have_an_owner_tags_and_a_description(
    read: dict[str, Any], name: str
) -> None:
    dag = read[name]
    assert dag["owners"] == ["signalbox"]
    assert "signalbox" in dag["tags"]
    assert {"mlops", "aiops", "privacy"} & set(dag["tags"])
    assert dag["undescribed"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_form_is_short_and_each_field_says_what_it_is(read: dict[str, Any], name: str) -> None:
    params = read[name]["params"]
    assert 1 <= len(params) <= LONGEST_FORM
    for key, param in params.items():
        assert param["schema"].get("title"), key
        assert param["schema"]["title"] != key
        assert param["description"], key
        assert "section" not in param["schema"], key


@pytest.mark.parametrize("name", NAMES)
def test_a_form_can_be_sent_with_its_own_defaults(read: dict[str, Any], name: str) -> None:
    """Airflow's form takes every field for required whose type isn't a list with null."""
    empty = {
        key
        for key, param in read[name]["params"].items()
        if param["value"] in (None, "", "not set") and "null" not in param["schema"]["type"]
    }
    assert empty == MUST_FILL.get(name, set())


def test_choices_numbers_and_optional_values_are_typed_as_such(read: dict[str, Any]) -> None:
    model = {key: param["schema"] for key, param in read["model_release"]["params"].items()}
    rules = {key: param["schema"] for key, param in read["alert_noise_reduction"]["params"].items()}
    assert model["train.calibration"]["enum"] == ["isotonic", "sigmoid", "none"]
    assert model["train.use_sensitive"]["type"] == "boolean"
    assert (model["train.folds"]["minimum"], model["train.folds"]["maximum"]) == (2, 20)
    assert rules["aiops.alert_history.until"]["type"] == ["null", "string"]
    assert rules["aiops.mine_rules.hold.wait_seconds"]["title"].endswith("(seconds)")
    assert rules["aiops.export_rules.publish.shadow"]["type"] == "boolean"

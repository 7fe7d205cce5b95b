"""The files of a project: its stages alone, its own name, and what a person wrote stays."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.core.project import project_name
from pipelines.project.skeleton import PRODUCTS, outs_of, stages_of, write_skeleton
from tests.conftest import ROOT

BUNDLED: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with DVC's own folder: ``dvc init`` takes seconds, and one test runs it."""
    (tmp_path / "project/.dvc").mkdir(parents=True)
    return tmp_path / "project"


def stages_in(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"])


def test_every_bundled_stage_but_the_simulator_belongs_to_a_product() -> None:
    found = {stage for product in PRODUCTS for stage in stages_of([product])}
    assert set(BUNDLED) - found == {"simulate"}
    assert not set(stages_of(["model"])) & set(stages_of(["rules", "telemetry"]))


@pytest.mark.parametrize("product", list(PRODUCTS))
def test_a_project_has_the_stages_of_its_product_with_their_outs_and_none_of_the_code(
    root: Path, product: str
) -> None:
    write_skeleton(root, name="churn", products=[product])
    written = stages_in(root)
    assert list(written) == stages_of([product])
    for name, stage in written.items():
        assert stage["cmd"] == f"signalbox stage {name}"
        assert outs_of(stage) == outs_of(BUNDLED[name])
        assert stage["params"][-1] == {"signalbox.lock": [f"stages.{name}"]}
        assert not [dep for dep in stage.get("deps", ()) if dep.startswith("pipelines/")]
        data = [dep for dep in BUNDLED[name]["deps"] if not dep.startswith("pipelines/")]
        assert stage.get("deps", []) == data
        assert stage["params"][:-1] == BUNDLED[name].get("params", [])


@pytest.mark.parametrize("product", list(PRODUCTS))
def test_what_its_stages_read_is_there_or_named_by_a_parameter(root: Path, product: str) -> None:
    write_skeleton(root, name="churn", products=[product])
    made = {out for stage in stages_in(root).values() for out in outs_of(stage)}
    for name, stage in stages_in(root).items():
        for dep in stage.get("deps", ()):
            above = {dep, *map(str, Path(dep).parents)}
            assert "${" in dep or above & made or (root / dep).is_file(), f"{name}: {dep}"


def test_its_dag_files_are_those_of_the_demo(root: Path) -> None:
    write_skeleton(root, name="churn", products=list(PRODUCTS))
    files = {path.name: path.read_text() for path in (root / "dags").iterdir()}
    assert files == {path.name: path.read_text() for path in (ROOT / "dags").glob("*.py")}


def test_nothing_in_it_names_the_demo(root: Path) -> None:
    write_skeleton(root, name="churn", products=list(PRODUCTS))
    words = subprocess.run(
        ["git", "grep", "--no-index", "-ilE", "adult|census|simulat"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert words.stdout == ""


def test_written_again_nothing_changes(root: Path) -> None:
    first = write_skeleton(root, name="churn", products=["model"])
    assert {"dvc.yaml", "signalbox.lock", "release.yaml"} <= {str(path) for path in first}
    assert write_skeleton(root, name="churn", products=["model"]) == []


def test_a_product_is_added_and_what_a_person_wrote_stays_byte_by_byte(root: Path) -> None:
    write_skeleton(root, name="churn", products=["model"])
    file = root / "dvc.yaml"
    own = (
        "\n  # mine: features\n  features:\n    cmd:   python features.py   # odd blanks\n"
        "    outs: [features.csv]\n\n# kept at the end\nartifacts:\n  a: {path: x}\n"
    )
    before = file.read_text().rstrip("\n") + "\n" + own
    dep = "    deps:\n      - data/validated.parquet\n"
    before = before.replace(dep, f"{dep}      - own.csv # mine\n")
    file.write_text(before)
    (root / "dags/model_release.py").write_text("# my own\n")
    (root / ".gitignore").write_text("mine\n")
    changed = write_skeleton(root, name="churn", products=["rules"])
    assert Path("dvc.yaml") in changed
    after = file.read_text()
    head, tail = before.split("\n# kept at the end")
    assert after.startswith(head)
    assert after.endswith("\n# kept at the end" + tail)
    assert set(stages_in(root)) == {*stages_of(["model", "rules"]), "features"}
    assert "own.csv" in stages_in(root)["split"]["deps"]
    assert (root / "dags/model_release.py").read_text() == "# my own\n"
    assert (root / ".gitignore").read_text().startswith("mine\n")
    assert yaml.safe_load(after)["artifacts"] == {"a": {"path": "x"}}


def test_its_name_stands_in_release_yaml_beside_what_is_there(root: Path) -> None:
    (root / "release.yaml").write_text("# who\napproval:\n  approvers: [ann]\n")
    write_skeleton(root, name="churn", products=["model"])
    assert project_name(root) == "churn"
    assert (root / "release.yaml").read_text().startswith("# who\napproval:\n  approvers: [ann]\n")


@pytest.mark.parametrize(
    ("name", "products", "told"),
    [
        ("Churn", ["model"], "use lower-case letters"),
        ("a.b", ["model"], "use lower-case letters"),
        ("churn", ["modle"], "there is no product 'modle'; there are model, rules, telemetry"),
        ("churn", [], "name a product"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str, products: list[str], told: str
) -> None:
    with pytest.raises(SignalboxError, match=told):
        write_skeleton(tmp_path / "new", name=name, products=products)
    assert not (tmp_path / "new").exists()


def test_a_project_keeps_its_name(root: Path) -> None:
    write_skeleton(root, name="churn", products=["model"])
    with pytest.raises(SignalboxError, match=r"release\.yaml: project\.name is 'churn', not 'x'"):
        write_skeleton(root, name="x", products=["rules"])


def test_a_project_whose_code_is_part_of_it_is_left_alone(root: Path) -> None:
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    with pytest.raises(SignalboxError, match=r"has a stage ingest already.*choose another direc"):
        write_skeleton(root, name="churn", products=["model"])
    assert not (root / "signalbox.lock").exists()


@pytest.mark.slow
def test_git_and_dvc_are_made_where_they_are_missing(tmp_path: Path) -> None:
    root = tmp_path / "new"
    write_skeleton(root, name="churn", products=["model"])
    assert (root / ".git").is_dir()
    assert "analytics = False" in (root / ".dvc/config").read_text().replace("false", "False")
    ignored = subprocess.run(
        ["git", "check-ignore", "data/ingested.parquet", "reports/compliance.html", "data/my.csv"],
        cwd=root, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    assert ignored == ["data/ingested.parquet", "reports/compliance.html"]

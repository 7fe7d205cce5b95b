"""Products are registered, each by its domain: a third one would be one registration."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.aiops import report_rules
from pipelines.aiops.alerting import publishing
from pipelines.cli import release_run
from pipelines.core.errors import SignalboxError
from pipelines.mlops import report
from pipelines.mlops.compliance import facts, library
from pipelines.mlops.privacy import erase
from pipelines.mlops.scoring import production
from pipelines.release import products
from pipelines.release.config import load_section
from pipelines.release.products import GROUP, Product, load_products, registered, section_of
from pipelines.release.registry.read import RegistryParams, load_product
from tests.conftest import ROOT

SOUP = Product(
    name="soup",
    title="Soup of the day",
    artifacts=("kitchen/soup.txt",),
    gate="taste",
    pointer="released/soup.json",
    report="reports/soup.html",
    section="kitchen",
)
"""A third product."""

HERE = "tests.unit.release.test_products"
NAMES = ["alert_noise_reduction", "model_release"]


@pytest.fixture
def with_soup(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register the third product, as an installed distribution would, and nothing else."""
    soup = EntryPoint("soup", f"{HERE}:SOUP", GROUP)
    monkeypatch.setattr(products, "entry_points", lambda group: [soup] if group == GROUP else [])
    registered.cache_clear()
    yield
    registered.cache_clear()


def test_both_domains_register_what_they_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(project["entry-points"][GROUP]) == sorted(registered()) == NAMES


def test_an_older_installation_hides_no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a tree, ours come from its pyproject.toml and not from installed metadata."""
    monkeypatch.setattr(products, "entry_points", lambda group: [])
    assert sorted(load_products(products.declared())) == NAMES


def test_out_of_a_wheel_the_metadata_of_the_installation_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    soup = EntryPoint("soup", f"{HERE}:SOUP", GROUP)
    monkeypatch.setattr(products, "entry_points", lambda group: [soup])
    monkeypatch.setattr(products, "_TREE", tmp_path / "pyproject.toml")
    assert list(products.declared()) == [soup]
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "something-else"\n')
    assert list(products.declared()) == [soup]


def test_the_bundled_project_releases_them_as_they_are_registered() -> None:
    here = load_section(ROOT, "registry", RegistryParams).products
    assert here == RegistryParams().products


def test_a_product_has_its_stages_its_dag_and_its_section() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    outs = {
        next(iter(out)) if isinstance(out, dict) else out
        for stage in stages.values()
        for out in stage.get("outs", [])
    }
    assert registered()
    for product in registered().values():
        assert product.gate in stages
        assert {*product.artifacts, product.report} <= outs
        assert (ROOT / "dags" / f"{product.name}.py").is_file()
        assert (ROOT / product.pointer).is_file()
        assert product.section == "" or product.section in params


def test_a_domain_calls_its_product_by_the_registered_name() -> None:
    models = {facts.PRODUCT, erase.PRODUCT, production.PRODUCT, report.KIND, products.DEFAULT}
    assert models == {"model_release"} <= set(registered())
    assert {publishing.PRODUCT, report_rules.KIND} == {"alert_noise_reduction"}


def test_a_third_product_is_one_registration(with_soup: None, tmp_path: Path) -> None:
    assert sorted(registered()) == [*NAMES, "soup"]
    product = load_product(tmp_path, "soup")
    assert (product.artifacts, product.gate) == (["kitchen/soup.txt"], "taste")
    given = {"kitchen.salt": 1, "aiops.mine_rules.x": 2, "train.seed": 3}
    assert release_run.own_params("soup", given) == {"kitchen.salt": 1}
    assert release_run.own_params("alert_noise_reduction", given) == {"aiops.mine_rules.x": 2}
    assert release_run.own_params("model_release", given) == {"train.seed": 3}
    (tmp_path / "soup.html").write_text("<p>hot</p>")
    assert [listed.title for listed in library.find(tmp_path)] == ["Soup of the day"]


def test_without_it_its_section_is_nobodys_own() -> None:
    assert [section_of(key) for key in ("kitchen.salt", "aiops.x", "aiops", "")] == [
        "", "aiops", "aiops", "",
    ]  # fmt: skip


def test_release_yaml_says_what_differs_from_the_registration(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").write_text(
        "registry: {products: {model_release: {}, alert_noise_reduction: {report: ''}}}"
    )
    own = load_section(tmp_path, "registry", RegistryParams).products
    as_registered = RegistryParams().products
    assert own["model_release"] == as_registered["model_release"]
    assert own["alert_noise_reduction"].report is None
    assert own["alert_noise_reduction"].gate == as_registered["alert_noise_reduction"].gate


def test_what_is_not_registered_must_be_described_in_full(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").write_text("registry: {products: {soup: {}}}")
    with pytest.raises(SignalboxError, match=r"registry\.products\.soup\.artifacts"):
        load_section(tmp_path, "registry", RegistryParams)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("soup", "no.such.kitchen:SOUP", "No module named 'no'"),
        ("soup", f"{HERE}:BROTH", "BROTH"),
        ("soup", f"{HERE}:NAMES", "is no Product of the name 'soup'"),
        ("broth", f"{HERE}:SOUP", "is no Product of the name 'broth'"),
    ],
)
def test_a_registration_that_is_wrong_is_an_error_that_names_it(
    name: str, value: str, what: str
) -> None:
    with pytest.raises(SignalboxError) as caught:
        load_products([EntryPoint(name, value, GROUP)])
    assert str(caught.value).startswith(f"entry point {name} = '{value}' of group {GROUP}: ")
    assert what in str(caught.value)


def test_a_name_is_registered_once() -> None:
    soup = EntryPoint("soup", f"{HERE}:SOUP", GROUP)
    with pytest.raises(SignalboxError, match="registered already"):
        load_products([soup, soup])

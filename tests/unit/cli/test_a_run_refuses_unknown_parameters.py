"""``signalbox run`` refuses a parameter that nobody reads before it starts anything."""

from typing import Any

import pytest
from rich.console import Console

from pipelines.cli import release_run
from pipelines.core.errors import SignalboxError


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(console: Console) -> Any:
        raise AssertionError("Airflow was started")

    monkeypatch.setattr(release_run, "_stack", start)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("trian.seed", "train.seed"),
        ("train.sed", "train.seed"),
        ("seed", "train.seed"),
        ("params.yaml:train.seed", "train.seed"),
        ("data.source.paths.0", "data.source.paths"),
        ("aiop.mine_rules.seed", "aiops"),
    ],
)
def test_whatever_level_is_misspelt(key: str, near: str) -> None:
    with pytest.raises(SignalboxError, match=rf"'{key}' is not a parameter .*\b{near}\b"):
        release_run.run_releases(Console(), [], {key: 7})


def test_a_parameter_of_another_product_is_refused() -> None:
    with pytest.raises(SignalboxError, match="of no product of this run \\(model_release\\)"):
        release_run.run_releases(Console(), ["model_release"], {"aiops.simulate.seed": 7})


def test_a_known_parameter_starts_the_run() -> None:
    with pytest.raises(AssertionError, match="Airflow was started"):
        release_run.run_releases(Console(), ["model_release"], {"train.seed": 7})

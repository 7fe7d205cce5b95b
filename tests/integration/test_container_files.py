"""``Containerfile`` and ``compose.yaml``: what can be said of them without a container runtime."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

pytestmark = [pytest.mark.e2e]

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTAINERFILE = (ROOT / "Containerfile").read_text()
AIRFLOW = {"migration", "api-server", "scheduler", "dag-processor", "triggerer"}


def instructions(name: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", CONTAINERFILE)
    return [line.split(" ", 1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_every_service_that_airflow_needs_is_there() -> None:
    assert set(COMPOSE["services"]) == AIRFLOW | {"database"}
    images = {COMPOSE["services"][name]["image"] for name in AIRFLOW}
    assert images == {"signalbox"}


@pytest.mark.parametrize("service", sorted(AIRFLOW))
def test_commands_of_services_exist(service: str) -> None:
    program, *words = COMPOSE["services"][service]["command"]
    assert program == "airflow"
    verbs = [word for word in words if not word.startswith("-")][: 2 if words[0] == "db" else 1]
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *verbs, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert option in done.stdout


def test_services_wait_for_a_database_with_tables() -> None:
    services = COMPOSE["services"]
    assert services["migration"]["depends_on"]["database"]["condition"] == "service_healthy"
    for name in AIRFLOW - {"migration"}:
        assert services[name]["depends_on"] == {
            "migration": {"condition": "service_completed_successfully"}
        }


def test_named_volumes_are_declared_and_state_outlives_a_service() -> None:
    used = {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service["volumes"]
        if volume[0].isalpha()
    }
    assert used == set(COMPOSE["volumes"])


def test_pages_are_on_loopback_alone_and_no_secret_stands_in_the_file() -> None:
    services = COMPOSE["services"].values()
    published = [port for service in services for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    settings = COMPOSE["services"]["scheduler"]["environment"]
    assert settings["AIRFLOW__API_AUTH__JWT_SECRET"].startswith("${")
    assert "${POSTGRES_PASSWORD" in settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_what_the_image_copies_is_there() -> None:
    for line in instructions("COPY"):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        assert sources
        for source in sources:
            assert (ROOT / source).exists(), source


def test_the_image_runs_as_nobody_special_with_locked_packages() -> None:
    assert instructions("USER") == ["signalbox"]
    assert any("--require-hashes -r requirements.lock" in line for line in instructions("RUN"))
    assert instructions("CMD") == ['["signalbox", "--help"]']

"""A released model of a small table: fitted for real, kept in a DVC repository of its own."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.core.files import sha256_file
from pipelines.core.params import Params, load_params
from pipelines.core.tables import write_table
from pipelines.mlops.modeling.store import save_model
from pipelines.mlops.modeling.training import fit
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle.apply import apply_step
from pipelines.release.lifecycle.production import Step, as_released
from pipelines.release.released import Released, write_released
from tests.conftest import ROOT


def make_rows(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n).round(3)
    years = rng.integers(0, 30, n)
    colour = rng.choice(np.array(["red", "green", "blue"], dtype=object), n, p=[0.5, 0.3, 0.2])
    y = amount + (colour == "red") + years / 30 + rng.normal(size=n) > 1
    return pd.DataFrame(
        {
            "person": [f"p{seed}-{i}" for i in range(n)],
            "amount": np.where(rng.random(n) < 0.1, np.nan, amount),
            "years": years,
            "colour": pd.array(np.where(rng.random(n) < 0.1, None, colour), dtype="str"),
            "sex": pd.array(rng.choice(["f", "m"], n), dtype="str"),
            "weight": rng.random(n).round(3),
            "y": pd.array(np.where(y, "yes", "no"), dtype="str"),
        }
    )


def as_split(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(subject_id=rows["person"].astype("str"), row_id=range(len(rows)))


def make_params(**train: Any) -> dict[str, Any]:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["data"] |= {
        "source": {"kind": "csv", "paths": ["x.csv"], "watch": "x.csv"},
        "replace": {"colour": {"RED": "red"}},
        "target": "y",
        "positive": "yes",
        "favourable": "yes",
        "subject_key": "person",
        "sensitive": {"sex": {}},
        "intersections": [],
        "ignore": ["weight"],
    }
    raw["bias_audit"]["mitigation"]["feature"] = "sex"
    raw["evaluate"]["slices"] = ["colour"]
    raw["gate"]["checks"] = [
        check for check in raw["gate"]["checks"] if check["figure"].partition(":")[2] in ("", "sex")
    ]
    models = {"logistic_regression": {"C": [1.0]}}
    raw["train"] |= {"models": models, "folds": 3, "calibration": "isotonic"} | train
    return raw


def make_release(raw: dict[str, Any], folder: Path) -> ReleasedModel:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(raw))
    params: Params = load_params(folder / "params.yaml")
    train = as_split(make_rows(800))
    made = fit(train, as_split(make_rows(300, 1)), params.data, params.train)
    (folder / "models").mkdir()
    info = made.info.model_copy(
        update={"sha256": save_model(folder / "models/model.skops", made.model)}
    )
    (folder / "models/model.json").write_text(info.model_dump_json())
    write_table(folder / "data/split/train.parquet", train)
    paths = ("models/model.skops", "models/model.json", "data/split/train.parquet")
    released = Released(
        name="toy@v1.0.0",
        commit="a" * 40,
        artifacts={path: sha256_file(folder / path) for path in paths},
    )
    return ReleasedModel(released, made.model, info, params, train)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> ReleasedModel:
    return make_release(make_params(), tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def additive(tmp_path_factory: pytest.TempPathFactory) -> ReleasedModel:
    """Return a logistic regression without calibration: additive in log-odds."""
    return make_release(make_params(calibration="none"), tmp_path_factory.mktemp("additive"))


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def put_in_production(root: Path, commit: str, artifacts: dict[str, str], version: str) -> Released:
    """Write what a release writes, without the gate and approval that come before it."""
    number = version.split(".")[1]
    tags = {f"model_release@{version}": "v", f"model_release#production#{number}": "p"}
    step = Step(
        version=version,
        stage="production",
        commit=commit,
        artifacts=artifacts,
        replaces=None,
        tags=tags,
        tag_time=1_700_000_000,
        pointer="released/model_release.json",
        gate={},
        approval={},
    )
    entry = Ledger.of(root).append("release", "model_release", step.model_dump(mode="json"))
    apply_step(root, entry, step, None)
    return as_released("model_release", step)


@dataclass(frozen=True)
class Project:
    """A project with a model in production, and what to go back to between tests."""

    root: Path
    release: ReleasedModel
    ledger: bytes
    tags: dict[str, str]
    keys: Path

    def reset(self) -> None:
        """Undo what a test did beside the release."""
        for folder in ("ledger", "predictions", "monitoring"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        (self.root / "ledger").mkdir()
        (self.root / "ledger/ledger.jsonl").write_bytes(self.ledger)
        write_released(self.release.released, self.root / "released/model_release.json")
        self.remove_tags()
        for name, target in self.tags.items():
            git(self.root, "update-ref", name, target)

    def remove_tags(self) -> None:
        """Remove all tags."""
        for name in tags_of(self.root):
            git(self.root, "update-ref", "-d", name)


def tags_of(root: Path) -> dict[str, str]:
    lines = git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags")
    return dict(line.split(" ") for line in lines.splitlines())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose commit holds the release, in git, DVC, registry and ledger."""
    from dvc.repo import Repo

    root, keys = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNALBOX_KEYS", str(keys))
        git(root, "init", "-q")
        git(root, "config", "user.name", "t")
        git(root, "config", "user.email", "t@example.org")
        repo = Repo.init(str(root))
        release = make_release(make_params(), root)
        repo.add([str(root / path) for path in release.released.artifacts])
        git(root, "add", "-A")
        git(root, "commit", "-qm", "release")
        commit = git(root, "rev-parse", "HEAD")
        released = put_in_production(root, commit, release.released.artifacts, "v0.1.0")
        ledger = (root / "ledger/ledger.jsonl").read_bytes()
    release = replace(release, released=released)
    return Project(root, release, ledger, tags_of(root), keys)


@pytest.fixture
def project(built: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return the project as it was built."""
    monkeypatch.setenv("SIGNALBOX_KEYS", str(built.keys))
    built.reset()
    return built

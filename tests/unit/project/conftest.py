"""An installation in miniature, whose code a test may change as an upgrade does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.project import lock, skeleton
from pipelines.project.skeleton import write_skeleton

PIPELINE = """\
stages:
  ingest:
    desc: Read
    cmd: python -m pipelines.first
    deps:
      - ${data.watch}
      - pipelines/first.py
      - pipelines/shared
    params:
      - data
    outs:
      - data/table.parquet
      - evidence/ingest.json
  report:
    cmd: python -m pipelines.second
    deps:
      - data/table.parquet
      - pipelines/second.py
    outs:
      - reports/page.html
    metrics:
      - metrics/report.json:
          cache: false
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the packages lie; they hold two stages of one product."""
    site = tmp_path / "site"
    for name in ("pipelines/first.py", "pipelines/second.py", "pipelines/shared/a.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"print('{name} ran')\n")
    (site / "dvc.yaml").write_text(PIPELINE)
    for dag in skeleton.PRODUCTS["model"].dags:
        (site / "dags").mkdir(exist_ok=True)
        (site / f"dags/{dag}.py").write_text(f"# {dag}\n")
    monkeypatch.setattr(lock, "SITE", site)
    lock.bundled_stages.cache_clear()
    yield site
    lock.bundled_stages.cache_clear()


def change(site: Path, file: str, old: str, new: str) -> None:
    """Change the installation, as another version would be."""
    text = (site / file).read_text()
    assert old in text
    (site / file).write_text(text.replace(old, new))
    lock.bundled_stages.cache_clear()


@pytest.fixture
def project(site: Path, tmp_path: Path) -> Path:
    """A project of that installation."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)  # dvc init takes seconds, and is not what is tested
    write_skeleton(root, name="churn", products=["model"])
    (root / "params.yaml").write_text("data:\n  watch: x.csv\n")
    return root

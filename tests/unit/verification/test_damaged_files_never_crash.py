"""Whatever bytes stand in the project's own files: words come out, never a traceback."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.verification.chain import check_pipeline
from pipelines.verification.document import read_document
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import load_yaml, read_lock, read_stages
from pipelines.verification.project import Project
from tests.conftest import ROOT

LOCK = b"""schema: '2.0'
stages:
  a:
    cmd: python -m a
    deps:
    - path: data/x
      hash: md5
      md5: 05588eff6389c8b56435721fe4730b88.dir
      size: 617791
      nfiles: 4
    params:
      params.yaml:
        a: {b: [1, 2.5, 'c'], d: null}
    outs:
    - path: b
      hash: md5
      md5: 05588eff6389c8b56435721fe4730b88
"""
YAML = b"""stages:
  a:
    cmd: python -m ${a.d}
    deps: [data/x, '${a.d}']
    params: [a]
    outs: [b]
    plots:
      - c: {x: y}
"""
PARAMS = b"a: {b: [1, 2.5, 'c'], d: x}\n"


def _pipeline(lock: bytes = LOCK, stages: bytes = YAML, params: bytes = PARAMS) -> None:
    tree = load_yaml(params, "params.yaml")
    check_pipeline(read_lock(lock), read_stages(stages, tree), tree)


def _ignore(place: Path, content: bytes) -> None:
    (place / ".dvcignore").write_bytes(content)
    Hasher(place)


def _config(place: Path, content: bytes) -> None:
    (place / ".dvc").mkdir(exist_ok=True)
    (place / ".dvc/config").write_bytes(content)
    assert Project(place).cache.is_absolute()


def _report(place: Path, content: bytes) -> None:
    (place / "report.json").write_bytes(content)
    read_document(place / "report.json", "report.json")


CASES: dict[str, tuple[bytes, Callable[[Path, bytes], None]]] = {
    "dvc.lock": (LOCK, lambda _, content: _pipeline(lock=content)),
    "dvc.yaml": (YAML, lambda _, content: _pipeline(stages=content)),
    "params.yaml": (PARAMS, lambda _, content: _pipeline(params=content)),
    ".dvcignore": ((ROOT / ".dvcignore").read_bytes(), _ignore),
    ".dvc/config": (
        b"[core]\n    a = b\n['remote \"x\"']\n    url = ../x\n[cache]\ndir=~/c",
        _config,
    ),
    "report": (b'{"schema": "signalbox.report/1", "figures": [{"value": 1e5}]}', _report),
}


@pytest.mark.parametrize("name", CASES)
def test_any_damage_is_said_in_words(tmp_path: Path, name: str) -> None:
    content, look = CASES[name]
    chance = random.Random(name)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 9])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(SignalboxError):
            look(tmp_path, bytes(damaged))

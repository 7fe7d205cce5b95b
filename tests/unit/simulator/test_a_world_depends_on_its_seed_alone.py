import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core.files import sha256_path
from tests.unit.simulator.worlds import ROOT_PARAMS, tiny, world, written

CODE = """
import sys
from pathlib import Path
from tests.unit.simulator.worlds import tiny, written
written(tiny(3), Path(sys.argv[1]))
"""


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = written(tiny(3), tmp_path / "one"), written(tiny(3), tmp_path / "other")
    assert sha256_path(one) == sha256_path(other)


@pytest.mark.slow
def test_bytes_dont_depend_on_time_zone_or_hash_seed(tmp_path: Path) -> None:
    here = written(tiny(3), tmp_path / "here")
    there = tmp_path / "there"
    subprocess.run(
        [sys.executable, "-c", CODE, str(there)],
        check=True,
        cwd=ROOT_PARAMS.parent,
        env=os.environ | {"TZ": "Pacific/Chatham", "PYTHONHASHSEED": "7"},
    )
    assert sha256_path(here) == sha256_path(there)


@pytest.mark.slow
def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    written(tiny(4), tmp_path / "one")
    again = written(tiny(3), tmp_path / "one")
    assert sha256_path(again) == sha256_path(written(tiny(3), tmp_path / "other"))


def test_worlds_of_other_seeds_differ_in_everything_a_rule_could_be_tuned_to() -> None:
    worlds = [world(seed, 7, 2000).world for seed in range(8)]
    assert len({one.timezone for one in worlds}) > 3
    assert len({len(one.services) for one in worlds}) > 5
    assert len({one.rule("latency").name for one in worlds}) > 3
    assert len({tuple(sorted(one.style.severities.values())) for one in worlds}) > 1
    assert len({one.style.service for one in worlds}) > 1
    assert len({one.style.instance for one in worlds}) == 2
    assert len({one.interval for one in worlds}) > 1
    assert len({one.shift for one in worlds}) > 3

"""Flip one byte at random places in every kind of artifact: verify must fail and name the file."""

import random
from pathlib import Path

import pytest

from pipelines.verification.results import Verification
from pipelines.verification.verify import open_project, verify_hashes
from tests.support.small_project import call

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PLACES = 3
"""Flips of each file."""

KINDS = {
    "raw data": "data/samples/adult/adult.data.gz",
    "expectations": "expectations/adult.json",
    "ingested table": "data/ingested.parquet",
    "validated table": "data/validated.parquet",
    "quarantine": "quarantine/rows.parquet",
    "train split": "data/split/train.parquet",
    "validation split": "data/split/validation.parquet",
    "test split": "data/split/test.parquet",
    "model": "models/model.skops",
    "model's description": "models/model.json",
    **{
        f"evidence of {stage}": f"evidence/{stage}.json"
        for stage in (
            "ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift", "gate"
        )
    },
    **{
        f"metrics of {stage}": f"metrics/{stage}.json"
        for stage in ("train", "evaluate", "bias_audit", "drift", "gate")
    },
    **{
        f"plot {name}": f"plots/{name}.csv"
        for name in ("roc", "precision_recall", "calibration", "score_histogram", "groups")
    },
    "report's page": "reports/model_release.html",
    "report's JSON": "reports/model_release.json",
    "drift page": "reports/drift.html",
    "data docs": "reports/data_docs/index.html",
    "released pointer": "released/model_release.json",
    "dvc.lock": "dvc.lock",
    "dvc.yaml": "dvc.yaml",
    "params": "params.yaml",
    "code of a stage": "pipelines/mlops/evaluate.py",
    "shared code": "pipelines/core/evidence.py",
    "code that no stage depends on": "pipelines/verification/chain.py",
    "locked packages": "requirements.lock",
}  # fmt: skip


def flip(path: Path, chance: random.Random) -> bytes:
    """Change one byte in place; return what the file held."""
    before = path.read_bytes()
    content = bytearray(before)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.chmod(0o644)
    path.write_bytes(bytes(content))
    return before


def named(result: Verification) -> set[str]:
    """Files that the findings name."""
    return {finding.path.partition("#")[0] for finding in result.findings}


def look(project: Path, report: str = "reports/model_release.json") -> Verification:
    return verify_hashes(project / report, open_project(project))


def test_an_untouched_project_verifies(proven: Path) -> None:
    for report in ("reports/model_release.json", "reports/model_release.html"):
        result = look(proven, report)
        assert result.findings == []
        assert result.exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_is_found_and_its_file_named(proven: Path, kind: str) -> None:
    path, chance = proven / KINDS[kind], random.Random(f"flip {kind}")
    for _ in range(PLACES):
        before = flip(path, chance)
        try:
            result = look(proven)
        finally:
            path.write_bytes(before)
        assert result.verdict == "differs"
        assert result.exit_code == 1
        assert KINDS[kind] in named(result)


def test_every_file_that_git_or_dvc_keeps_is_covered(proven: Path) -> None:
    chance = random.Random("any file")
    tracked = call(proven, "git", "ls-files").split()
    files = sorted({*tracked, *(str(p.relative_to(proven)) for p in outs(proven))})
    for name in chance.sample([f for f in files if (proven / f).stat().st_size], 30):
        before = flip(proven / name, chance)
        try:
            assert name in named(look(proven)), name
        finally:
            (proven / name).write_bytes(before)


def outs(project: Path) -> list[Path]:
    folders = ("data/split", "evidence", "models", "plots", "quarantine", "reports")
    return [p for folder in folders for p in (project / folder).rglob("*") if p.is_file()]


def test_a_file_too_many_in_a_folder_of_code_is_found(copy: Path) -> None:
    (copy / "pipelines/mlops/fairness/extra.py").write_text("")
    assert any(name.startswith("pipelines/mlops/fairness") for name in named(look(copy)))


def test_a_changed_copy_of_the_report_is_found_and_an_equal_one_accepted(
    proven: Path, tmp_path: Path
) -> None:
    filed = tmp_path / "filed.json"
    filed.write_bytes((proven / "reports/model_release.json").read_bytes())
    assert verify_hashes(filed, open_project(proven)).exit_code == 0
    flip(filed, random.Random("copy"))
    result = verify_hashes(filed, open_project(proven))
    assert result.exit_code == 1
    assert str(filed) in named(result)


def test_a_missing_file_comes_from_the_cache(copy: Path) -> None:
    (copy / "evidence/gate.json").unlink()
    assert look(copy).exit_code == 0
    assert (copy / "evidence/gate.json").is_file()


def test_a_flipped_byte_in_the_cache_does_not_pass_for_the_missing_file(copy: Path) -> None:
    md5 = open_project(copy).hashed("evidence/gate.json").md5
    cached = copy / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    flip(cached, random.Random("cache"))
    (copy / "evidence/gate.json").unlink()
    result = look(copy)
    assert result.verdict != "verified"
    assert "evidence/gate.json" in named(result)


def test_what_is_nowhere_is_missing_and_never_ok(proven: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(proven), str(clone))
    filed = proven / "reports/model_release.json"
    result = verify_hashes(filed, open_project(clone))
    assert result.verdict == "cannot_verify"
    assert result.exit_code == 3
    assert "models/model.skops" in named(result)
    assert "--reproduce" in result.checks[-1].sentence


def test_a_remote_fills_a_fresh_clone(proven: Path, copy: Path, tmp_path: Path) -> None:
    store, clone = tmp_path / "store", tmp_path / "clone"
    store.mkdir()
    call(copy, "dvc", "remote", "add", "--default", "store", str(store))
    call(copy, "git", "commit", "--all", "--quiet", "--message", "remote")
    call(copy, "dvc", "push")
    call(tmp_path, "git", "clone", "--quiet", str(copy), str(clone))
    assert verify_hashes(proven / "reports/model_release.json", open_project(clone)).exit_code == 0

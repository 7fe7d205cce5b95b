"""A project has none of our code: what is installed must be what its stages were run by."""

from pathlib import Path

import yaml

from pipelines.project.lock import Lock, stage_hash
from pipelines.project.skeleton import stage_entry
from pipelines.verification.chain import check_code, check_pipeline
from pipelines.verification.pipeline import Stage, read_lock, read_stages
from pipelines.verification.project import Project
from pipelines.verification.rederive import rederive
from pipelines.verification.results import Status

CODE = stage_hash("split")
PARAMS = {"data": 1, "split": 2}


def project(root: Path, code: str = CODE) -> Project:
    (root / "signalbox.lock").write_text(Lock("0.0.7", {"split": code}).text)
    return Project(root)


def stages() -> dict[str, Stage]:
    text = yaml.safe_dump({"stages": {"split": stage_entry("split")}})
    return read_stages(text.encode(), PARAMS)


def locked(code: str) -> bytes:
    entry = stage_entry("split")
    paths = [{"path": path, "md5": "0" * 32} for path in entry["outs"]]
    stage = {
        "cmd": entry["cmd"],
        "deps": [{"path": path, "md5": "0" * 32} for path in entry["deps"]],
        "params": {"params.yaml": PARAMS, "signalbox.lock": {"stages.split": code}},
        "outs": paths,
    }
    return yaml.safe_dump({"stages": {"split": stage}}).encode()


def test_a_stage_of_a_project_is_understood() -> None:
    stage = stages()["split"]
    assert (stage.code, stage.strange) == (("stages.split",), ())
    assert stage.params == ("data", "split")


def test_a_project_whose_code_is_its_own_has_no_such_check(tmp_path: Path) -> None:
    assert check_code(Project(tmp_path), ["split"]) is None


def test_the_code_of_the_lock_is_as_it_should_be(tmp_path: Path) -> None:
    check = check_code(project(tmp_path), ["split"])
    assert check is not None
    assert check.status is Status.OK


def test_other_code_is_named_with_the_version_that_is_needed(tmp_path: Path) -> None:
    """Nothing is wrong with the report; it can't be computed again here."""
    check = check_code(project(tmp_path, "1" * 64), ["split"])
    assert check is not None
    assert check.status is Status.MISSING
    assert check.title.endswith("these stages need signalbox 0.0.7")
    assert "stage 'split' was run by other code" in check.findings[0].what


def test_what_dvc_recorded_is_held_against_the_lock() -> None:
    code = {"stages": {"split": CODE}}
    good = check_pipeline(read_lock(locked(CODE)), stages(), PARAMS, code)
    assert good.status is Status.OK
    bad = check_pipeline(read_lock(locked("1" * 64)), stages(), PARAMS, code)
    assert bad.status is Status.DIFFERS
    assert bad.findings[0].path == "signalbox.lock"
    assert "stages.split isn't what stage 'split' ran with" in bad.findings[0].what


def test_no_stage_is_computed_again_by_other_code(tmp_path: Path) -> None:
    own = project(tmp_path, "1" * 64)
    for path in stages()["split"].deps | stages()["split"].outs:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (check,) = rederive(own, stages(), ["split"], lambda _: None)
    assert check.status is Status.MISSING
    assert "belongs to code of signalbox 0.0.7" in check.sentence

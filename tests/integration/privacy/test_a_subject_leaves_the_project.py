"""Erasure, end to end: afterwards nothing of the person is left, everything else is."""

import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipelines.release.ledger import Ledger
from tests.support.small_project import call, commit, environment, make_small_project

pytestmark = pytest.mark.e2e

RAW = Path("data/samples/adult/adult.data.gz")
ERASE = (sys.executable, "-m", "pipelines.cli.erase_commands")


def objects(top: Path) -> list[Path]:
    return [path for path in top.rglob("*") if path.is_file()]


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def holds(path: Path, subject: str, line: str) -> bool:
    """Independent of the code under test: by pandas and by looking for the line and the key."""
    content = unpacked(path)
    if content.startswith(b"PAR1"):
        frame = pd.read_parquet(io.BytesIO(content))
        return any(bool((frame[c].astype("str") == subject).any()) for c in frame)
    return line.encode() in content or subject.encode() in content


def places(project: Path, subject: str, line: str) -> list[str]:
    searched = [p for p in objects(project) if ".git" not in p.relative_to(project).parts]
    searched += objects(project.parent / "remote")
    return [str(p) for p in searched if holds(p, subject, line)]


@pytest.fixture(scope="module")
def subject(project: Path) -> str:
    """One of the people the model learned from."""
    return str(pd.read_parquet(project / "data/split/train.parquet")["subject_id"].iloc[7])


@pytest.fixture(scope="module")
def line(project: Path, subject: str) -> str:
    """The same person's line in the source."""
    table = pd.read_parquet(project / "data/ingested.parquet")
    row = int(table.loc[table["subject_id"] == subject, "row_id"].iloc[0])
    lines = gzip.decompress((project / RAW).read_bytes()).decode().splitlines()
    return [text for text in lines if text and not text.startswith("|")][row]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after one run, with a remote, a workspace of a run, predictions and a release."""
    top = tmp_path_factory.mktemp("erasure")
    place = make_small_project(top / "project")
    pin = json.loads(call(place, sys.executable, "-c", PIN))
    text = (place / "params.yaml").read_text()
    assert "sha256: []" in text
    (place / "params.yaml").write_text(text.replace("sha256: []", f"sha256: [{pin}]  # pinned"))
    call(place, "dvc", "remote", "add", "--default", "store", str(top / "remote"))
    commit(place, "remote and pin")
    call(place, "dvc", "repro", "report")
    call(place, "dvc", "push")
    commit(place, "run")
    call(place, "git", "tag", "model_release@v1.0.0")
    workspace = place / "runs/model_release/manual__1"
    call(place, "git", "clone", "--quiet", "--shared", ".", str(workspace))
    shutil.copytree(place / "data/split", workspace / "data/split")
    scored = pd.read_parquet(place / "data/split/train.parquet")[["subject_id"]].assign(score=0.5)
    (place / "predictions").mkdir()
    scored.to_parquet(place / "predictions/2026.parquet")
    scored.to_csv(place / "predictions/2026.csv", index=False)
    with (place / ".gitignore").open("a") as stream:
        stream.write("/predictions/\n")
    commit(place, "predictions are not tracked")
    return place


PIN = (
    "import gzip,hashlib,json;"
    f"print(json.dumps(hashlib.sha256(gzip.open({str(RAW)!r}).read()).hexdigest()))"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def before(project: Path) -> dict[str, int]:
    return counts(project)


def counts(project: Path) -> dict[str, int]:
    """Rows of every table, and lines of the source."""
    found = {
        str(path.relative_to(project)): len(pd.read_parquet(path))
        for path in objects(project)
        if path.suffix == ".parquet"
    }
    return found | {"source": unpacked(project / RAW).count(b"\n")}


@pytest.fixture(scope="module")
def erased(
    project: Path, subject: str, line: str, keys: str, before: dict[str, int]
) -> dict[str, object]:
    """The proof, after an attempt that was killed as soon as it had said what it would do."""
    assert len(places(project, subject, line)) > 10
    work = subprocess.Popen(
        [*ERASE, subject, "--yes"],
        cwd=project,
        env={**environment(), "SIGNALBOX_KEYS": keys},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while work.poll() is None and not (project / "ledger/ledger.jsonl").is_file():
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(work.pid, signal.SIGKILL)
    work.wait()
    output = call(project, *ERASE, subject, "--yes", "--json", SIGNALBOX_KEYS=keys)
    return dict(json.loads(output[output.index("{") :]))


def test_nothing_of_the_subject_is_left(
    project: Path, subject: str, line: str, erased: dict[str, object]
) -> None:
    assert erased["complete"]
    assert places(project, subject, line) == []


def test_all_other_rows_are_still_there(
    project: Path, erased: dict[str, object], before: dict[str, int]
) -> None:
    now = counts(project)
    assert now.keys() == before.keys()
    lost = {name: before[name] - now[name] for name in before if before[name] != now[name]}
    assert set(lost.values()) == {1}
    assert {"source", "data/ingested.parquet", "data/validated.parquet", "data/split/train.parquet",
            "predictions/2026.parquet",
            "runs/model_release/manual__1/data/split/train.parquet"} == set(lost)  # fmt: skip


def test_the_ledger_proves_it_without_naming_the_person(
    project: Path, subject: str, line: str, keys: str, erased: dict[str, object]
) -> None:
    entries = [entry for entry in Ledger.of(project).entries() if entry.kind == "erasure"]
    assert [entry.data["stage"] for entry in entries] == ["intent", "done"]
    text = (project / "ledger/ledger.jsonl").read_text()
    assert subject not in text
    assert line not in text
    proof = entries[-1].data
    assert proof == erased["proof"]
    assert proof["releases"] == [
        {**proof["releases"][0], "release": "model_release@v1.0.0", "contains": True}
    ]
    assert proof["releases"][0]["until"]
    assert {"cache", "remote:store", "project", "runs", "source"} == {
        item["place"] for item in proof["removed"]
    }
    assert all(item["before"] != item["after"] for item in proof["removed"])


def test_the_pin_follows_and_the_pipeline_runs_again(
    project: Path, subject: str, line: str, keys: str, erased: dict[str, object]
) -> None:
    text = (project / "params.yaml").read_text()
    assert json.loads(call(project, sys.executable, "-c", PIN)) in text
    assert "# pinned" in text
    output = call(project, "dvc", "repro", "report", SIGNALBOX_KEYS=keys)
    assert "Running stage 'train'" in output
    assert places(project, subject, line) == []


def test_erasing_twice_finds_the_first_proof(
    project: Path, subject: str, keys: str, erased: dict[str, object]
) -> None:
    output = call(project, *ERASE, subject, "--yes", SIGNALBOX_KEYS=keys)
    assert "erased before" in output
    unknown = call(project, *ERASE, "0123456789abcdef", "--yes", check=False, SIGNALBOX_KEYS=keys)
    assert "the subject is nowhere" in unknown


def test_a_commit_that_holds_the_subject_is_never_trained_on_again(
    project: Path, subject: str, keys: str, erased: dict[str, object]
) -> None:
    """The tag stays and so does its commit; nobody computes with it."""
    verify = [sys.executable, "-m", "pipelines.cli.main", "verify", "reports/model_release.json"]
    verify += ["--reproduce", "--rev", "model_release@v1.0.0"]
    output = call(project, *verify, check=False, SIGNALBOX_KEYS=keys)
    assert "still hold(s) a subject that was erased" in " ".join(output.split())
    assert "running the pipeline" not in output
    assert "computing the stages again" not in output

"""Whatever an erasure takes, `signalbox subject` lists before; the ledger keeps no key."""

import csv
import io
import json
import stat
from pathlib import Path

import dvc.repo  # noqa: F401 - its log takes the stream it first sees, which must outlive a test
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.erase_commands import app
from pipelines.core.keyed_hash import secret, token_of
from pipelines.mlops.privacy.access import personal_data_of
from pipelines.mlops.privacy.accountability import PrivacyParams
from pipelines.mlops.privacy.erase import erase
from pipelines.release.ledger import Ledger
from tests.support.small_project import call
from tests.unit.mlops.privacy.conftest import KEY, Book


def saved_run(project: Path) -> None:
    """A run's snapshot that holds the subject, as the bridge keeps it in git."""
    (project / "extra.csv").write_text(f"name,colour,size,label\n{KEY},red,17,yes\n")
    call(project, "git", "add", "-f", "extra.csv")
    tree = call(project, "git", "write-tree").strip()
    commit = call(project, "git", "commit-tree", tree, "-m", "run").strip()
    call(project, "git", "update-ref", "refs/runs/model_release/manual__1", commit)
    call(project, "git", "rm", "-q", "-f", "extra.csv")


def test_whatever_an_erasure_removes_was_listed_before(project: Path) -> None:
    saved_run(project)
    held = personal_data_of(project, KEY, Book(), PrivacyParams(), action="show")
    proof = erase(project, KEY, Book()).proof
    assert proof["stage"] == "done"
    listed = {(copy.place, copy.path): copy for copy in held.copies}
    removed = {(item["place"], item["path"]): item for item in proof["removed"]}
    assert {place for place, _ in removed} >= {"source", "project", "cache", "git"}
    assert set(removed) <= set(listed)
    for place, item in removed.items():
        assert len(listed[place].rows) == item["rows"], place
    values = [row for copy in held.copies for row in copy.rows]
    assert {str(row.get("size")) for row in values} == {"17"}


def test_others_are_not_in_it(project: Path) -> None:
    text = personal_data_of(project, KEY, Book(), PrivacyParams(), action="show").to_json()
    assert "person-16" not in text
    assert "person-18" not in text
    assert json.loads(text)["subject"] == KEY


def test_both_forms_say_the_same(project: Path) -> None:
    held = personal_data_of(project, KEY, Book(), PrivacyParams(), action="export")
    lines = list(csv.DictReader(io.StringIO(held.to_csv())))
    table = {
        (copy["place"], copy["path"], str(number), column): value
        for copy in json.loads(held.to_json())["held"]
        for number, row in enumerate(copy["rows"], start=1)
        for column, value in row.items()
    }
    found = {(i["place"], i["path"], i["row"], i["column"]): i["value"] for i in lines if i["row"]}
    assert found == {key: "" if v is None else str(v) for key, v in table.items()}
    assert {column for *_, column in found} >= {"colour", "size", "label", "subject_id"}


def test_what_the_law_asks_to_be_told_is_in_it(project: Path) -> None:
    own = PrivacyParams(recipients=["an auditor"])
    said = json.loads(personal_data_of(project, KEY, Book(), own, action="show").to_json())[
        "processing"
    ]
    by_term = {item["term"]: item["text"] for item in said}
    assert by_term["Recipients"] == "an auditor"
    assert by_term["Legal basis"] == "not stated"


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(app, [*arguments], input=given)


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return project


def test_the_ledger_keeps_who_was_looked_at_by_a_keyed_hash_only(inside: Path) -> None:
    assert run("show", "-", given=KEY).exit_code == 0
    entry = Ledger.of(inside).entries()[-1]
    assert (entry.kind, entry.data["action"]) == ("access", "show")
    assert entry.data["subject"] == token_of(KEY, secret(create=False))
    assert KEY not in (inside / "ledger/ledger.jsonl").read_text()


def test_an_export_is_readable_by_its_owner_only_and_never_overwrites(
    inside: Path, tmp_path: Path
) -> None:
    out = tmp_path / "copy.csv"
    assert run("export", KEY, "--format", "csv", "--out", str(out)).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert KEY in out.read_text()
    before = len(Ledger.of(inside).entries())
    again = run("export", KEY, "--out", str(out))
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    inner = run("export", KEY, "--out", "copy.json")
    assert (inner.exit_code, "lies in the project" in inner.output) == (1, True)
    assert len(Ledger.of(inside).entries()) == before


def test_that_nothing_is_held_is_an_answer(inside: Path) -> None:
    result = run("show", "nobody-here")
    assert result.exit_code == 0
    assert "nothing is held" in result.output
    assert Ledger.of(inside).entries()[-1].data["rows"] == 0


def test_the_keyed_hash_names_the_person(inside: Path) -> None:
    token = token_of(KEY, secret(create=True))
    assert json.loads(run("export", token).stdout)["subject"] == KEY
    assert run("export", token[:-1] + ("0" if token[-1] != "0" else "1")).exit_code == 1

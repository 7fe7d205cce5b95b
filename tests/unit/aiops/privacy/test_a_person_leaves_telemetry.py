"""After an erasure no file of the stores holds the value, and nobody else's rows are gone."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.aiops.lake.feedback import Answer, add, read_answers
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.params import load_aiops_params
from pipelines.aiops.privacy.at_ingest import FILE
from pipelines.aiops.privacy.erase import copies, erase, search
from pipelines.aiops.privacy.selectors import in_text, parse, rows_of, without
from pipelines.aiops.privacy.stores import Stores, stores_of
from pipelines.aiops.sources.otlp_inbox import JSON, OtlpInbox
from pipelines.cli.main import app
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.keyed_hash import secret
from pipelines.release.ledger import Ledger
from tests.unit.aiops.lake.rows import alert, alerts
from tests.unit.aiops.privacy.stores import ANN, files_with, fill, otlp, payload

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
BY_PATTERN = r"pattern=ann\.kim@example\.org"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = tmp_path / "project"
    fill(place)
    return place


def stores(project: Path) -> Stores:
    return stores_of(project, load_aiops_params(project))


def rows(project: Path, table: str) -> list[dict[str, Any]]:
    files = sorted((project / "telemetry/lake" / table).rglob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_a_pattern_leaves_no_file_that_holds_the_value(project: Path) -> None:
    before = files_with(project, ANN)
    assert len(before) == 13
    done = erase(stores(project), parse(BY_PATTERN), secret(create=True))
    assert files_with(project, ANN) == []
    assert done.remaining == []
    assert done.rows == {
        "lake:alerts": 2, "lake:tickets": 1, "lake:metrics": 1, "lake:logs": 2,
        "lake:spans": 1, "lake:quarantine": 1, "inbox": 4,
    }  # fmt: skip
    assert done.folders == {"results": 2, "state": 1}


def test_rows_of_others_stay(project: Path) -> None:
    erase(stores(project), parse(BY_PATTERN), secret(create=True))
    assert [dict(row["labels"])["user"] for row in rows(project, "alerts")] == ["bob"]
    assert [row["ticket_id"] for row in rows(project, "tickets")] == ["T2"]
    assert [row["log_id"] for row in rows(project, "logs")] == ["c"]
    assert [row["id"] for row in rows(project, "quarantine")] == ["2"]
    kept = json.loads((project / "telemetry/webhook/2024-03-09/1.json").read_text())
    assert kept == payload("bob")
    lines = (project / "telemetry/otlp/logs/2024-03-09.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines[:2]] == [otlp("bob"), otlp("bob")]
    assert (project / "telemetry/results/other/anomalies/log.json").is_file()
    assert (project / "telemetry/state/logs/day=2024-03-10/templates.json").is_file()


def test_a_label_takes_its_rows_and_says_where_else_the_value_stands(project: Path) -> None:
    found = search(stores(project), parse(f"user={ANN}"))
    assert found.rows["lake:logs"] == 1  # by its attribute; the other line holds it in its body
    assert found.as_text["lake:logs"] == 1
    assert found.as_text["lake:tickets"] == 1
    done = erase(stores(project), parse(f"user={ANN}"), secret(create=True))
    assert done.remaining == []
    assert [row["log_id"] for row in rows(project, "logs")] == ["a", "c"]
    assert not any(dict(row["labels"]).get("user") == ANN for row in rows(project, "alerts"))


def test_an_attribute_with_dots_and_a_column_select_too(project: Path) -> None:
    assert search(stores(project), parse(f"enduser.id={ANN}")).rows["lake:spans"] == 1
    assert search(stores(project), parse("ticket_id=T2")).rows["lake:tickets"] == 1


def test_what_was_erased_stays_out_when_a_source_delivers_it_again(project: Path) -> None:
    def ingest() -> None:
        found = CliRunner().invoke(app, ["ingest", "--project", str(project)])
        assert found.exit_code == 0, found.output

    erase(stores(project), parse(f"user={ANN}"), secret(create=True))
    hook = project / "telemetry/webhook/2024-03-10"
    write_text(hook / "1.json", json.dumps(payload(ANN, "eve")))
    ingest()
    users = {dict(row["labels"]).get("user") for row in rows(project, "alerts")}
    assert users == {"bob", "eve", None}
    sealed = (project / "telemetry/lake" / FILE).read_text()
    assert ANN not in sealed
    assert "user" not in sealed


def test_without_the_secret_nothing_is_ingested_past_the_list(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase(stores(project), parse(f"user={ANN}"), secret(create=True))
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "others"))
    found = CliRunner().invoke(app, ["ingest", "--project", str(project)])
    assert found.exit_code == 1
    assert "erasure.key: no such file" in found.output
    secret(create=True)
    found = CliRunner().invoke(app, ["ingest", "--project", str(project)])
    assert "is not the secret" in found.output


def test_the_ledger_has_counts_and_a_keyed_hash_and_never_the_value(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    found = CliRunner().invoke(app, ["erase", "--telemetry", "-", "--yes"], input=BY_PATTERN)
    assert found.exit_code == 0, found.output
    begun, done = (e for e in Ledger.of(project).entries() if e.kind == "telemetry_erasure")
    assert (begun.data["stage"], done.data["stage"]) == ("begun", "done")
    assert done.data["rows"]["lake:logs"] == 2
    assert done.data["subject"].startswith("hmac-sha256:")
    assert files_with(project, ANN) == []
    assert files_with(project, "ann\\\\.kim") == []
    again = CliRunner().invoke(app, ["erase", "--telemetry", "-", "--yes"], input=BY_PATTERN)
    assert "nothing in the stores is selected" in again.output


def test_copies_outside_the_stores_are_named(project: Path) -> None:
    write_text(project / "reports/incidents.html", f"<p>{ANN}</p>")
    done = erase(stores(project), parse(BY_PATTERN), secret(create=True))
    assert done.elsewhere == ["reports/incidents.html"]


def test_nothing_is_erased_where_a_file_cannot_be_searched(project: Path) -> None:
    bad = project / "telemetry/lake/alerts/day=2024-03-09/other.parquet"
    bad.write_bytes(b"no parquet")
    with pytest.raises(SignalboxError, match=r"other\.parquet: cannot be searched"):
        search(stores(project), parse(BY_PATTERN))


@pytest.mark.parametrize("text", ["user", "user=", "=ann", "pattern=(", "pattern=.*"])
def test_what_is_no_selector_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(SignalboxError, match="--telemetry: ") as found:
        parse(text)
    assert "=ann" not in str(found.value)


def test_the_value_is_in_no_trace() -> None:
    assert "ann" not in repr(parse("user=ann"))


@pytest.mark.parametrize("page", [
    "Ann &amp; Co", r"Ann \u0026 Co", json.dumps({"a": ["Ann & Co"]}), "x Ann & Co.", "Ann & Co",
    r'<script>["line\nAnn & Co"]</script>', '{"a": "Ann \\u0026 Co"}\n{"b": 1}',
])  # fmt: skip
def test_a_value_is_found_in_every_spelling_of_a_page(page: str) -> None:
    assert in_text(parse("user=Ann & Co"), page)
    assert not in_text(parse("user=Ann & C"), page)


def test_a_payload_whose_group_is_the_person_goes_as_a_whole() -> None:
    document = payload(ANN, "bob") | {"groupKey": f'{{}}:{{user="{ANN}"}}'}
    assert without(parse(f"user={ANN}"), document) == (None, 1)


def test_nothing_is_lost_that_comes_in_while_an_inbox_is_rewritten(project: Path) -> None:
    inbox = OtlpInbox(project / "telemetry/otlp", ())
    place, many = stores(project), 300

    def send() -> None:
        for number in range(many):
            inbox.take("logs", json.dumps(otlp(ANN if number % 3 else f"u{number}")).encode(), JSON)

    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        erase(place, parse(BY_PATTERN), b"k" * 32)
    erase(place, parse(BY_PATTERN), b"k" * 32)
    text = "".join(path.read_text() for path in (project / "telemetry/otlp").rglob("*.jsonl"))
    found = {f"u{number}" for number in range(many) if f'"u{number}"' in text}
    assert found == {f"u{number}" for number in range(0, many, 3)}
    assert files_with(project / "telemetry/otlp", ANN) == []


VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(value=VALUE, others=st.lists(VALUE, max_size=4))
@settings(max_examples=25, deadline=None)
def test_a_label_of_any_text_is_erased_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, value: str, others: list[str]
) -> None:
    lake = tmp_path_factory.mktemp("any") / "lake"
    users = sorted({value, *others})
    found = [alert({"alertname": "A", "user": user}, i) for i, user in enumerate(users)]
    upsert(lake, {"alerts": alerts(*found)})
    place = Stores(lake.parent, [lake], [], [], lake.parent / "results", lake.parent / "state")
    done = erase(place, parse(f"user={value}"), b"k" * 32)
    assert (done.rows["lake:alerts"], done.remaining) == (1, [])
    files = sorted(lake.rglob("*.parquet"))
    kept = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    assert sorted(dict(row["labels"])["user"] for row in kept) == [u for u in users if u != value]


def test_maps_of_a_slice_are_read_where_they_lie() -> None:
    table = alerts(*(alert({"alertname": "A", "user": user}, 1) for user in ("a", "b", "c")))
    part = pa.concat_tables([table.slice(2), table.slice(1, 1)])
    assert rows_of(parse("user=b"), part).tolist() == [False, True]
    assert rows_of(parse("user=a"), part).tolist() == [False, False]


@pytest.mark.parametrize("text", [BY_PATTERN, f"user={ANN}"])
def test_whatever_an_erasure_takes_is_listed_before_and_nobody_else(
    project: Path, text: str
) -> None:
    found = copies(stores(project), parse(text))
    done = erase(stores(project), parse(text), secret(create=True))
    by_place = {
        place: sum(len(copy.rows) for copy in found if copy.place == place)
        for place in ("telemetry", "inbox")
    }
    assert by_place["telemetry"] == sum(n for name, n in done.rows.items() if name != "inbox")
    assert by_place["inbox"] == done.rows["inbox"]
    for place in ("results", "state"):
        assert sum(copy.place == place for copy in found) == done.folders[place]
    values = json.dumps([copy.rows for copy in found], default=str)
    assert ANN in values
    assert "bob" not in values
    assert copies(stores(project), parse(text)) == []


def test_subject_show_lists_telemetry_under_the_names_that_are_given(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.cli.erase_commands import _in_telemetry

    both = _in_telemetry(project, [f"user={ANN}", BY_PATTERN])
    assert {copy.place for copy in both} == {"telemetry", "inbox", "results", "state"}
    assert len({(copy.place, copy.path) for copy in both}) == len(both)
    alone = _in_telemetry(project, [BY_PATTERN])
    assert sum(len(copy.rows) for copy in both) == sum(len(copy.rows) for copy in alone)
    assert _in_telemetry(project, []) == []


def test_what_a_person_said_of_incidents_is_found_and_erased(project: Path) -> None:
    lake = project / "telemetry/lake"
    for by, note in ((ANN, ""), ("bob", f"ask {ANN}"), ("bob", "")):
        add(
            lake,
            Answer(at=NOON, by=by, about="incident", subject="i", verdict="noise", note=note),
        )
    selector = parse(f"by={ANN}")
    (copy,) = (one for one in copies(stores(project), selector) if one.place == "inbox")
    assert copy.path == "telemetry/lake/feedback/2024-03-09.jsonl"
    assert ANN in copy.rows[0]["record"]
    erase(stores(project), selector, secret(create=True))
    answers, unreadable = read_answers(lake)
    assert [one.by for one in answers] == ["bob", "bob"]
    erase(stores(project), parse(BY_PATTERN), secret(create=True))
    answers, unreadable = read_answers(lake)
    assert [one.note for one in answers] == [""]
    assert unreadable == []

"""Whatever is changed in the file: `verify` finds it and names the first bad entry."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.ledger.entry import hash_of, line_of
from pipelines.release.ledger.keys import Keys, id_of
from pipelines.release.ledger.verify import Problem, verify_lines

NASTY = [
    b"1" + b"0" * 400,
    b"1" + b"0" * 5000,
    b"1e999",
    b"NaN",
    b"[" * 100_000,
    b"[" * 300 + b"]" * 300,
    b'{"a":' * 200 + b"1" + b"}" * 200,
    b'"\\ud800"',
    b"\xff\xfe",
    b"\x00" * 100,
]
Rewrite = Callable[[Callable[[list[bytes]], list[bytes]]], None]


def problem_of(ledger: Ledger) -> Problem:
    problem = ledger.verify().problem
    assert problem is not None
    return problem


def test_every_flipped_byte_is_found_and_named(filled: Ledger) -> None:
    content = filled.path.read_bytes()
    for position in range(len(content)):
        line = content[:position].count(b"\n") + 1
        # one bit that walks with the position; and the bit between upper and lower case
        for mask in {1 << (position % 8), 0x20}:
            changed = bytearray(content)
            changed[position] ^= mask
            *lines, torn = bytes(changed).split(b"\n")
            problem = verify_lines(lines, torn, ()).problem
            assert problem is not None, (position, mask)
            assert (problem.line, problem.seq) == (line, line), (position, mask, problem)
            assert problem.reason


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_over_any_part_is_found(filled: Ledger, data: st.DataObject) -> None:
    content = filled.path.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 80)))
    put = data.draw(st.binary(max_size=40) | st.sampled_from(NASTY))
    changed = content[:start] + put + content[end:]
    *lines, torn = changed.split(b"\n")
    problem = verify_lines(lines, torn, [filled.head]).problem
    assert (problem is None) == (changed == content)


@pytest.mark.parametrize("value", NASTY)
def test_nasty_values_are_named_not_raised(filled: Ledger, rewrite: Rewrite, value: bytes) -> None:
    rewrite(lambda lines: [line.replace(b'"share":0.25', b'"share":' + value) for line in lines])
    assert problem_of(filled).line == 3


def test_every_removed_line_is_found(filled: Ledger) -> None:
    lines = filled.path.read_bytes().splitlines()
    head = filled.head
    for gone in range(len(lines)):
        rest = lines[:gone] + lines[gone + 1 :]
        problem = verify_lines(rest, b"", [head]).problem
        assert problem is not None
        assert problem.line == gone + 1


def test_a_cut_off_end_is_found_by_its_anchor_only(filled: Ledger, rewrite: Rewrite) -> None:
    head = filled.head
    rewrite(lambda lines: lines[:-1])
    assert filled.verify().ok
    found = filled.verify(expect_head=head)
    assert found.problem is not None
    assert (found.entries, found.problem.seq) == (4, 5)
    assert head[:12] in found.problem.reason
    assert "were cut off, or the ledger was rewritten" in found.problem.reason


def test_anchors_in_the_middle_hold(filled: Ledger) -> None:
    heads = [entry.hash for entry in filled.entries()]
    assert filled.verify(expect_head=heads).ok
    assert filled.verify(expect_head=heads[2]).ok


def test_every_exchange_of_two_lines_is_found(filled: Ledger) -> None:
    lines = filled.path.read_bytes().splitlines()
    for first in range(len(lines)):
        for second in range(first + 1, len(lines)):
            moved = lines.copy()
            moved[first], moved[second] = moved[second], moved[first]
            problem = verify_lines(moved, b"", ()).problem
            assert problem is not None
            assert problem.line == first + 1


def test_a_doubled_line_is_found(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: lines[:3] + lines[2:])
    problem = problem_of(filled)
    assert problem.line == 4
    assert "has number 3 where 4 must stand" in problem.reason


def test_a_line_of_another_history_is_found_though_the_same_key_signed_it(ledger: Ledger) -> None:
    ledger.append("run", "model_release", {"run": "r1", "commit": "a" * 40})
    common = ledger.path.read_bytes()
    ledger.append("gate", "model_release", {"decision": "approve"})
    ledger.append("release", "model_release", {"name": "model-release@v0.1.0"})
    release = ledger.path.read_bytes().splitlines(keepends=True)[-1]
    ledger.path.write_bytes(common)
    ledger.append("gate", "model_release", {"decision": "reject"})
    assert ledger.verify().ok
    ledger.path.write_bytes(ledger.path.read_bytes() + release)
    problem = problem_of(ledger)
    assert problem.line == 4
    assert "doesn't follow entry 3" in problem.reason


def test_an_empty_line_is_found(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: [*lines[:2], b"\n", *lines[2:]])
    assert problem_of(filled).line == 3


def test_a_changed_decision_is_found(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: [line.replace(b"review", b"reject") for line in lines])
    problem = problem_of(filled)
    assert problem.seq == 3
    assert "was changed after signing" in problem.reason


def test_a_changed_decision_with_a_new_hash_lacks_the_signature(
    filled: Ledger, rewrite: Rewrite
) -> None:
    def change(line: bytes) -> bytes:
        fields = json.loads(line)
        fields["data"]["decision"] = "approve"
        fields["hash"] = hash_of(fields)
        return line_of(Entry.model_validate(fields))

    rewrite(lambda lines: [change(line) if b'"gate"' in line else line for line in lines])
    problem = problem_of(filled)
    assert problem.seq == 3
    assert "the signature isn't that of key" in problem.reason


def test_another_spelling_of_the_same_json_is_found(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: [line.replace(b'"share":0.25', b'"share":0.250') for line in lines])
    assert "isn't in canonical form" in problem_of(filled).reason


def test_an_entry_of_a_foreign_key_is_found(filled: Ledger, project: Path, tmp_path: Path) -> None:
    foreign = Keys(tmp_path / "foreign", project).create()
    _forge(filled, Keys(tmp_path / "foreign", project), id_of(foreign), "run", {})
    problem = problem_of(filled)
    assert problem.seq == 6
    assert "which the ledger doesn't know" in problem.reason


def test_a_foreign_key_cannot_bring_itself_in(
    filled: Ledger, project: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "foreign", project)
    foreign = keys.create()
    public = foreign.public_key().public_bytes_raw().hex()
    _forge(filled, keys, id_of(foreign), "key", {"public_key": public})
    assert "which the ledger doesn't know" in problem_of(filled).reason


def test_a_replaced_key_is_no_longer_valid(filled: Ledger, project: Path, tmp_path: Path) -> None:
    old = filled.verify().keys[0]
    assert old.until == 4
    _forge(filled, Keys(tmp_path / "keys", project), old.id, "run", {})
    problem = problem_of(filled)
    assert problem.seq == 6
    assert "which entry 4 replaced" in problem.reason


def test_a_ledger_must_begin_with_a_key(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: lines[1:])
    assert problem_of(filled).line == 1


def test_reading_names_the_unreadable_line(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: [*lines[:2], b"not json\n", *lines[3:]])
    with pytest.raises(SignalboxError, match="line 3 isn't readable as JSON"):
        filled.entries()


def test_nothing_is_built_on_a_changed_last_entry(filled: Ledger, rewrite: Rewrite) -> None:
    rewrite(lambda lines: [*lines[:-1], lines[-1].replace(b"v0.1.0", b"v0.2.0")])
    before = filled.path.read_bytes()
    with pytest.raises(SignalboxError, match=r"the last entry \(5\) was changed after signing"):
        filled.append("run", "model_release", {})
    assert filled.path.read_bytes() == before


def test_rotated_keys_hold(filled: Ledger) -> None:
    for number in range(3):
        filled.rotate(f"number {number}")
        filled.append("run", "model_release", {})
    found = filled.verify()
    assert found.ok
    assert [(key.since, key.until) for key in found.keys] == [
        (1, 4),
        (4, 6),
        (6, 8),
        (8, 10),
        (10, None),
    ]


def test_a_thousand_entries_hold(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda target: None)  # the disk isn't what is tested
    for number in range(999):
        ledger.append("run", "model_release", {"number": number})
    found = ledger.verify(expect_head=ledger.head)
    assert (found.ok, found.entries) == (True, 1000)


def _forge(ledger: Ledger, keys: Keys, key: str, kind: str, data: dict[str, object]) -> None:
    """Add an entry that is right in everything but its key."""
    from pipelines.release.ledger.entry import signed_bytes

    last = ledger.entries()[-1]
    private = keys.load(key)
    fields = {
        "seq": last.seq + 1,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "kind": kind,
        "subject": "model_release",
        "data": data,
        "previous": last.hash,
        "key": key,
    }
    fields["hash"] = hash_of(fields)
    fields["signature"] = private.sign(signed_bytes(fields["hash"])).hex()
    with ledger.path.open("ab") as stream:
        stream.write(line_of(Entry.model_validate(fields)))

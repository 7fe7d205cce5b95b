"""Long lists in .dvc files and dvc.lock are checked by a pattern, and mean the same without it."""

from __future__ import annotations

import random

import pytest

from dvc_airflow.errors import PipelineError
from dvc_airflow.graph import entries
from dvc_airflow.graph.bulk import without_lists
from dvc_airflow.graph.yaml_marks import load_marked
from tests.unit.dvc_airflow.mutated_projects import SEEDS, other_text

HASH = "22a1a2931c8370d3aeedd7183606fd7f"
LISTS = {
    "as DVC 3 writes it": "  - relpath: a b/ü.csv\n    md5: {h}\n    size: 5\n",
    "as DVC 2 wrote it": (
        "  - size: 1\n    version_id: a1\n    etag: b10\n    md5: {h}\n    relpath: f1\n"
    ),
    "with a cloud": (
        "  - relpath: .gitignore\n    md5: {h}\n    cloud:\n      far:\n        etag: {h}\n"
        "        version_id: '17'\n"
    ),
    "with quotes": "  - relpath: 'it''s'\n    md5: '12345678901234567890123456789012'\n",
    "with hashes that look like numbers": (
        "  - relpath: a\n    md5: 0b10e2931c8370d3aeedd7183606fd7f\n"
        "  - relpath: b\n    md5: 00e2a2931c8370d3aeedd7183606fd7f\n"
        "  - relpath: c\n    md5: 12e34e931c8370d3aeedd7183606fd7f\n"
    ),
}


def accepts(text: str, *, short: bool) -> bool:
    try:
        entries.check_source(load_marked(without_lists(text, ("files",)) if short else text, "x"))
    except PipelineError:
        return False
    return True


@pytest.mark.parametrize("entry", LISTS.values(), ids=LISTS)
def test_a_list_in_a_form_that_dvc_writes_is_not_composed(entry):
    text = "outs:\n- path: data\n  files:\n" + entry.format(h=HASH) * 40 + "  push: false\n"
    short = without_lists(text, ("files",))
    assert "relpath" not in short
    assert len(short.splitlines()) == len(text.splitlines())
    assert load_marked(short, "x").data == {"outs": [{"path": "data", "files": [], "push": False}]}
    assert accepts(text, short=False)


@pytest.mark.parametrize(
    "line",
    [
        "md5: 12345678901234567890123456789012.5",
        "md5: 12",
        "size: big",
        "size: -1.5",
        "isexec: yes",
        "version_id: 17",
        "version_id: true",
        "version_id: 1e5",
        "metric: false",
        "relpath: again",
        "isexec: true # why",
        "cloud: {}",
        "cloud:\n      far: 3",
        "etag: *a",
    ],
)
def test_an_entry_of_another_form_is_left_to_the_reader(line):
    entry = f"  - relpath: a\n    md5: {HASH}\n"
    text = f"outs:\n- path: data\n  files:\n{entry * 9}    {line}\n{entry * 9}"
    assert without_lists(text, ("files",)) == text


@pytest.mark.parametrize("seed", range(4))
def test_leaving_lists_out_accepts_and_refuses_the_same(seed):
    rng = random.Random(seed)
    texts = [
        *SEEDS[1].values(),
        *("outs:\n- path: d\n  files:\n" + x.format(h=HASH) for x in LISTS.values()),
    ]
    outcomes = set()
    for _ in range(120):
        text = other_text(rng, rng.choice(texts))
        outcome = accepts(text, short=False)
        assert accepts(text, short=True) == outcome, text
        outcomes.add(outcome)
    assert outcomes == {True, False}


def test_a_lock_file_without_its_lists_is_refused_for_the_same_reasons(tmp_path, monkeypatch):
    rng, text = random.Random(0), SEEDS[0]["dvc.lock"]
    assert len(without_lists(text)) < len(text) / 2
    outcomes = set()
    for _ in range(120):
        (tmp_path / "dvc.lock").write_text(other_text(rng, text))
        found = []
        for shorten in (without_lists, str):
            monkeypatch.setattr(entries, "without_lists", shorten)
            try:
                entries.check_lock(tmp_path, "dvc.lock")
                found.append("")
            except PipelineError as exc:
                found.append(str(exc))
        assert bool(found[0]) == bool(found[1]), (tmp_path / "dvc.lock").read_text()
        outcomes.add(bool(found[0]))
    assert outcomes == {True, False}
